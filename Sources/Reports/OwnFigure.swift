import Basics

extension Figure {
    /// A table of a tenant's own making: a panel for each column of numbers, over time or by group.
    ///
    /// - Parameter id: the view's name, unless a chart of the report has it.
    static func own(_ table: OwnTable, _ chart: OwnChart, id: String, _ days: PeriodDays) -> Figure {
        var figure = Figure(id: id, title: table.name, note: chart.note, table: chart.numbers) { size in
            chart.timeline.map { draw(chart, $0, days, size) } ?? drawBars(chart, size)
        }
        figure.own = table
        if chart.timeline == nil { figure.time = "all time" }
        return figure
    }

    private static func draw(_ chart: OwnChart, _ timeline: Timeline, _ days: PeriodDays, _ size: FigureSize) -> Drawing
    {
        let names = chart.panels[0].series.map(\.name)
        let isGrouped = names != [""]
        let columns = size.isNarrow ? 2 : 3
        let legend = isGrouped ? Double((names.count + columns - 1) / columns) * 18 + 6 : 0
        let (each, gap) = (chart.panels.count == 1 ? 230.0 : size.isNarrow ? 100 : 120, 36.0)
        let top = legend + 30
        var drawing = Drawing(
            width: size.width, height: top + Double(chart.panels.count) * (each + gap) - gap + 30)
        if isGrouped {
            drawLegend(&drawing, names, hasRest: false, columns: columns, letters: size.isNarrow ? 22 : 38)
        }
        var lowest: TimeFrame?
        for (index, panel) in chart.panels.enumerated() {
            let start = top + Double(index) * (each + gap)
            let frame = TimeFrame(
                left: 56, right: size.width - 14, top: start, bottom: start + each, timeline: timeline)
            draw(panel, chart, frame, days, &drawing)
            lowest = frame
        }
        guard let lowest else { return drawing }
        if chart.isOfPeriods {
            lowest.drawPeriods(&drawing, most: size.timeLabels)
        } else {
            drawTimes(chart.names, lowest, &drawing)
        }
        // Each has a text of its own: too many, and nobody could point at one.
        if timeline.count <= mostHits, chart.names.count * chart.panels.count * names.count <= mostTexts {
            drawHits(chart, lowest, top: top, days, &drawing)
        }
        return drawing
    }

    private static let mostHits = 400
    /// Values that are told in them.
    private static let mostTexts = 2400
    /// Points that still tell something beside each other.
    private static let mostPoints = 62

    private static func draw(
        _ panel: OwnChart.Panel, _ chart: OwnChart, _ frame: TimeFrame, _ days: PeriodDays, _ drawing: inout Drawing
    ) {
        let isAlone = panel.series.count == 1
        let isDense = frame.timeline.count > mostPoints
        let shown = panel.series.flatMap { isAlone ? $0.values + $0.least + $0.most : $0.values }.compactMap { $0 }
        let y = frame.drawValues(
            &drawing, from: min(0, shown.min() ?? 0), upTo: max(0, shown.max() ?? 1), unit: panel.column, count: 3)
        func points(_ values: [Double?]) -> [(x: Double, y: Double)?] {
            values.enumerated().map { index, value in value.map { (frame.x(index), y($0)) } }
        }
        for (index, series) in panel.series.enumerated() {
            if isAlone {
                for run in runs(of: frame.broken(points(series.least)), frame.broken(points(series.most)))
                where run.contains(where: { abs($0.lower.y - $0.upper.y) > 0.5 }) {
                    let outline = run.map(\.upper) + run.reversed().map(\.lower)
                    drawing.path(
                        "M" + outline.map { "\(coordinate($0.x)) \(coordinate($0.y))" }.joined(separator: "L") + "Z",
                        style: "band1")
                }
            }
            let line = points(series.values)
            drawing.polyline(frame.broken(line), style: "k\(index)" + (isDense ? " thin" : ""))
            for (place, point) in line.enumerated() {
                guard let point else { continue }
                let isIncomplete = chart.isOfPeriods && days.isIncomplete(chart.names[place])
                guard !isDense || isIncomplete || !frame.isOnLine(place, line) else {
                    continue
                }
                drawing.circle(
                    x: point.x, y: point.y, radius: isIncomplete ? 3.2 : isDense ? 1.4 : 2.6,
                    style: isIncomplete ? "k\(index) o" : "f\(index)")
            }
        }
    }

    /// Names of times as far apart as they are wide, the last one first.
    private static func drawTimes(_ names: [String], _ frame: TimeFrame, _ drawing: inout Drawing) {
        var next = Double.infinity
        for index in names.indices.reversed() {
            let name = names[index].replacing("T", with: " ") + (names[index].contains("T") ? "h" : "")
            let half = Double(name.count) * 3.4
            // The labels at the edges are moved into the picture.
            let x = min(frame.x(index), drawing.width - half - 2)
            guard x + half + 14 < next, x - half > 0 || index == names.count - 1 else { continue }
            drawing.line(frame.x(index), frame.bottom, frame.x(index), frame.bottom + 4, style: "x")
            drawing.text(name, x: x, y: frame.bottom + 18, anchor: .middle, style: "m")
            next = x - half
        }
    }

    private static func drawHits(
        _ chart: OwnChart, _ frame: TimeFrame, top: Double, _ days: PeriodDays, _ drawing: inout Drawing
    ) {
        for (index, name) in chart.names.enumerated() {
            let values = chart.panels.flatMap { panel in
                panel.series.compactMap { series in
                    series.values[index].map { value in
                        "\(series.name.isEmpty ? "" : series.name + " ")\(panel.column) \(grouped(fixed(value, decimals: 2)))"
                    }
                }
            }
            drawing.rectangle(
                x: frame.x(index) - frame.step / 2, y: top, width: frame.step, height: frame.bottom - top,
                style: "hit",
                title: "\(name): \(values.joined(separator: ", "))\(chart.isOfPeriods ? days.suffix(name) : "")")
        }
    }

    /// Groups without a time: a bar each, a panel beside the other or, on a phone, below it.
    private static func drawBars(_ chart: OwnChart, _ size: FigureSize) -> Drawing {
        let (rowHeight, top) = (22.0, 30.0)
        let named = size.isNarrow ? 116.0 : 200
        let across = size.isNarrow ? 1.0 : Double(chart.panels.count)
        let height = top + Double(chart.names.count) * rowHeight + 12
        var drawing = Drawing(
            width: size.width, height: size.isNarrow ? height * Double(chart.panels.count) : height)
        let width = (size.width - named - 8) / across
        for (index, panel) in chart.panels.enumerated() {
            let left = size.isNarrow ? named : named + Double(index) * width
            let upper = size.isNarrow ? Double(index) * height : 0
            let values = panel.series[0].values
            let known = values.compactMap { $0 }
            let scale = LinearScale(
                (min(0, known.min() ?? 0), max(0, known.max() ?? 1)), to: (left, left + width - 74))
            drawing.text(panel.column, x: left, y: upper + 16, style: "m")
            for (row, value) in values.enumerated() {
                let y = upper + top + Double(row) * rowHeight
                if index == 0 || size.isNarrow {
                    let letters = size.isNarrow ? 17 : 30
                    let name = chart.names[row]
                    drawing.text(
                        name.count <= letters ? name : name.prefix(letters - 1) + "…", x: named - 8, y: y + 12,
                        anchor: .end)
                }
                guard let value else { continue }
                drawing.rectangle(
                    x: min(scale(value), scale(0)), y: y, width: abs(scale(value) - scale(0)), height: 15,
                    style: "f\(index)", title: "\(chart.names[row]): \(grouped(fixed(value, decimals: 2)))")
                drawing.text(
                    shortNumber(value), x: max(scale(value), scale(0)) + 6, y: y + 12, style: "m", size: 11)
            }
        }
        return drawing
    }
}
