import Basics
import Glibc

extension Figure {
    /// Where trips begin: areas shaded, locations as circles.
    ///
    /// - Parameters:
    ///   - areas: `area_hotspots` of one period, by rank.
    ///   - locations: `location_hotspots` of the same, by rank; may be empty.
    static func map(areas: ReportTable, locations: ReportTable, period: String) -> Figure {
        Figure(
            id: mapID, title: "Where trips begin, \(period)",
            note: """
                Pickups by community area; each shade is twice the one below. Circles are the busiest locations, their surface as their \
                pickups. A star marks persistent hot spots: in the top 10 on three of four days with data.
                """,
            table: areas,
            details: locations.rows.isEmpty ? nil : ("location-hotspots", "Busiest locations, \(period)", locations)
        ) { size in draw(areas, locations, size) }
    }

    /// Circles that still tell something beside each other.
    private static let circleCount = 40

    private static func draw(_ areas: ReportTable, _ locations: ReportTable, _ size: FigureSize) -> Drawing {
        let mapWidth = size.isNarrow ? 344.0 : 440
        let mapHeight = mapWidth * 1.225
        let listed = min(areas.rows.count, size.isNarrow ? 10 : 20)
        let listTop = size.isNarrow ? mapHeight + 78 : 34
        var drawing = Drawing(
            width: size.width, height: size.isNarrow ? listTop + Double(listed) * 22 + 6 : mapHeight + 50)
        let projection = CityProjection(x: 4, y: 4, width: mapWidth, height: mapHeight)
        drawAreas(&drawing, areas, projection)
        drawLocations(&drawing, locations, projection)
        let most = areas.numbers("pickups").compactMap { $0 }.max() ?? 1
        drawSteps(
            &drawing, x: 8, y: mapHeight + 14, width: min(280, mapWidth - 20),
            from: "up to \(shortNumber((most / 256).rounded(.up)))", to: "\(shortNumber(most)) pickups")
        drawList(
            &drawing, areas, count: listed, x: size.isNarrow ? 4 : mapWidth + 20, y: listTop,
            width: size.isNarrow ? size.width - 8 : size.width - mapWidth - 28)
        return drawing
    }

    private static func drawAreas(_ drawing: inout Drawing, _ areas: ReportTable, _ projection: CityProjection) {
        let (numbers, names) = (areas.numbers("pickup_community_area"), areas.texts("area_name"))
        let (ranks, pickups, shares) = (areas.numbers("rank"), areas.numbers("pickups"), areas.numbers("share"))
        let most = pickups.compactMap { $0 }.max() ?? 1
        var rowOfArea: [Int: Int] = [:]
        for (row, number) in numbers.enumerated() { if let number { rowOfArea[whole(number)] = row } }
        for area in 1...AreaBoundaries.rings.count {
            guard let row = rowOfArea[area], let count = pickups[row], count > 0 else {
                drawing.path(projection.outline(ofArea: area), style: "none b", title: "area \(area): no pickups")
                continue
            }
            let step = max(0, Palette.stepCount - 1 + whole(ceil(log2(count / most) - 1e-9)))
            drawing.path(
                projection.outline(ofArea: area), style: "q\(min(step, Palette.stepCount - 1)) b",
                title: "\(names[row]) (\(area)): \(grouped(fixed(count, decimals: 0))) pickups, "
                    + "\(fixed((shares[row] ?? 0) * 100, decimals: 1))%, rank \(whole(ranks[row] ?? 0))")
        }
    }

    private static func drawLocations(_ drawing: inout Drawing, _ locations: ReportTable, _ projection: CityProjection)
    {
        let (places, pickups) = (locations.texts("pickup_centroid_location"), locations.numbers("pickups"))
        let most = pickups.compactMap { $0 }.max() ?? 1
        for row in places.indices.prefix(circleCount) {
            guard let place = point(places[row]), let count = pickups[row] else { continue }
            let (x, y) = projection.place(longitude: place.longitude, latitude: place.latitude)
            drawing.circle(
                x: x, y: y, radius: max(1.5, 15 * (count / most).squareRoot()), style: "ring",
                title: "\(places[row]): \(grouped(fixed(count, decimals: 0))) pickups, rank \(row + 1)")
        }
    }

    private static func drawList(
        _ drawing: inout Drawing, _ areas: ReportTable, count: Int, x: Double, y: Double, width: Double
    ) {
        let (names, shares) = (areas.texts("area_name"), areas.numbers("share"))
        let (pickups, persistent) = (areas.numbers("pickups"), areas.numbers("persistent"))
        let most = pickups.compactMap { $0 }.max() ?? 1
        let nameWidth = 148.0
        drawing.text("busiest areas", x: x, y: y - 12, style: "m")
        for row in 0..<count {
            let middle = y + Double(row) * 22 + 8
            let mark = persistent[row] == 1 ? "★" : ""
            drawing.text("\(row + 1)", x: x + 18, y: middle + 4, anchor: .end, style: "m")
            drawing.text(names[row], x: x + 24, y: middle + 4)
            let bar = (width - nameWidth - 24 - 62) * (pickups[row] ?? 0) / most
            drawing.rectangle(
                x: x + 24 + nameWidth, y: middle - 6, width: max(1, bar), height: 12, style: "f0",
                title: "\(names[row]): \(grouped(fixed(pickups[row] ?? 0, decimals: 0))) pickups")
            drawing.text(
                "\(fixed((shares[row] ?? 0) * 100, decimals: 1))% \(mark)",
                x: x + 24 + nameWidth + max(1, bar) + 6, y: middle + 4, style: "m")
        }
    }

    /// Longitude and latitude of `POINT (-87.63 41.9)`; nil for any other text.
    static func point(_ text: String) -> (longitude: Double, latitude: Double)? {
        guard text.hasPrefix("POINT"), let open = text.firstIndex(of: "("), let end = text.firstIndex(of: ")"),
            open < end
        else { return nil }
        let numbers = text[text.index(after: open)..<end].split(separator: " ").compactMap { Double($0) }
        return numbers.count == 2 ? (numbers[0], numbers[1]) : nil
    }
}
