import Basics

extension Figure {
    /// How the busiest areas change places from period to period.
    ///
    /// - Parameter table: `area_hotspots` of several periods, by period and rank; ranks after the tenth are left out.
    static func ranks(_ table: ReportTable, _ days: PeriodDays) -> Figure {
        Figure(
            id: "area-ranks", title: "How the busiest areas change places",
            note:
                "The ten areas with the most pickups in each period, the first on top. Grey: not among the ten at the end.",
            table: table
        ) { size in draw(table, days, size) }
    }

    static let rankCount = 10

    private struct Path {
        var name: String
        /// By period; nil outside the first ten.
        var ranks: [Int?]
        var pickups: [Int: Int]
    }

    private static func draw(_ table: ReportTable, _ days: PeriodDays, _ size: FigureSize) -> Drawing {
        let (periods, paths) = paths(table)
        let height = size.isNarrow ? 25.0 : 30
        var drawing = Drawing(width: size.width, height: 16 + Double(rankCount) * height + 30)
        let frame = TimeFrame(
            left: 26, right: size.width - (size.isNarrow ? 118 : 140), top: 8, bottom: 12 + Double(rankCount) * height,
            periods: periods)
        func y(_ rank: Int) -> Double { frame.top + (Double(rank) - 0.5) * height }
        for rank in 1...rankCount {
            drawing.line(frame.left, y(rank), frame.x(periods.count - 1), y(rank), style: "g")
            drawing.text("\(rank)", x: 18, y: y(rank) + 4, anchor: .end, style: "m")
        }
        frame.drawPeriods(&drawing, most: size.isNarrow ? 3 : 10)
        // Those that fell out lie below the others.
        let ordered = paths.sorted { ($0.ranks.last.flatMap { $0 } ?? 99) > ($1.ranks.last.flatMap { $0 } ?? 99) }
        for path in ordered {
            let last = path.ranks.last.flatMap { $0 }
            let style =
                last.map { "k\(($0 - 1) % Palette.seriesCount)" + ($0 > Palette.seriesCount ? " d" : "") } ?? "x thin"
            let points = path.ranks.enumerated().map { index, rank in rank.map { (x: frame.x(index), y: y($0)) } }
            drawing.polyline(frame.broken(points), style: style, title: path.name)
            if let last {
                drawing.text(path.name, x: frame.x(periods.count - 1) + 10, y: y(last) + 4)
            }
            let radius = min(size.isNarrow ? 3 : 5, max(1.5, frame.step / 4))
            for (index, rank) in path.ranks.enumerated() {
                guard let rank else { continue }
                let isIncomplete = days.isIncomplete(periods[index])
                let series = last.map { ($0 - 1) % Palette.seriesCount }
                drawing.circle(
                    x: frame.x(index), y: y(rank), radius: radius,
                    style: isIncomplete ? (series.map { "k\($0)" } ?? "x") + " o" : series.map { "f\($0)" } ?? "m",
                    title: "\(path.name), \(periods[index]): rank \(rank), "
                        + "\(grouped("\(path.pickups[index] ?? 0)")) pickups\(days.suffix(periods[index]))")
            }
        }
        return drawing
    }

    private static func paths(_ table: ReportTable) -> (periods: [String], paths: [Path]) {
        let (texts, ranks) = (table.texts("period"), table.numbers("rank"))
        let (areas, names, pickups) = (
            table.numbers("pickup_community_area"), table.texts("area_name"), table.numbers("pickups")
        )
        let periods = Set(texts).sorted()
        let indices = Dictionary(uniqueKeysWithValues: periods.enumerated().map { ($1, $0) })
        var paths: [Int: Path] = [:]
        for row in table.rows.indices {
            guard let rank = ranks[row].map(whole), rank <= rankCount, let area = areas[row].map(whole),
                let period = indices[texts[row]]
            else { continue }
            var path =
                paths[area]
                ?? Path(name: names[row], ranks: Array(repeating: nil, count: periods.count), pickups: [:])
            path.ranks[period] = rank
            path.pickups[period] = whole(pickups[row] ?? 0)
            paths[area] = path
        }
        return (periods, paths.sorted { $0.key < $1.key }.map(\.value))
    }
}
