import Basics

extension Figure {
    /// How many taxis are at work at which hour, and what each of them has of it, from `taxis_out`.
    ///
    /// - Parameter table: a row an hour of the day.
    static func taxisOut(_ table: ReportTable) -> Figure {
        Figure(
            id: taxisOutID, title: taxisOutTitle,
            note: """
                By local hour of the day, on average over the hours of these periods that had any trip: taxis that began a trip in the \
                hour, and of each the trips and the fares in it. From taxis_out.
                """,
            table: table
        ) { size in draw(table, size) }
    }

    static let taxisOutID = "taxis-out"
    static let taxisOutTitle = "Taxis at work"

    private static func draw(_ table: ReportTable, _ size: FigureSize) -> Drawing {
        let panels = [
            (column: "taxis", unit: "taxis at work", series: 0),
            (column: "trips_a_taxi", unit: "trips a taxi", series: 2),
            (column: "fare_a_taxi", unit: "dollars of fares a taxi", series: 1),
        ]
        let hours = table.numbers("hour").map { whole($0 ?? -1) }
        let values = panels.map { table.numbers($0.column) }
        var drawing = Drawing(width: size.width, height: size.isNarrow ? 420 : 480)
        let (top, gap) = (30.0, 34.0)
        let each = (drawing.height - top - 26 - 2 * gap) / 3
        var lowest = TimeFrame(left: 0, right: 0, top: 0, bottom: 0, count: 24)
        for (index, panel) in panels.enumerated() {
            let start = top + Double(index) * (each + gap)
            let frame = TimeFrame(left: 56, right: size.width - 14, top: start, bottom: start + each, count: 24)
            lowest = frame
            let y = frame.drawValues(
                &drawing, upTo: values[index].compactMap { $0 }.max() ?? 1, unit: panel.unit, count: 3)
            // One path for all bars: each a shape with a text of its own would take 25 kB.
            var bars = ""
            for (hour, value) in zip(hours, values[index]) {
                guard 0..<24 ~= hour, let value else { continue }
                let (x, width) = (coordinate(frame.x(hour) - frame.step * 0.4), coordinate(frame.step * 0.8))
                bars += "M\(x) \(coordinate(y(0)))V\(coordinate(y(value)))h\(width)V\(coordinate(y(0)))z"
            }
            if !bars.isEmpty { drawing.path(bars, style: "f\(panel.series)") }
        }
        for row in table.rows.indices where 0..<24 ~= hours[row] {
            let numbers = zip(panels, values).map { panel, values in
                "\(values[row].map { fixed($0, decimals: panel.column == "taxis" ? 1 : 2) } ?? "-") \(panel.unit)"
            }
            drawing.rectangle(
                x: lowest.x(hours[row]) - lowest.step / 2, y: top, width: lowest.step, height: lowest.bottom - top,
                style: "hit", title: "\(hours[row]):00: \(numbers.joined(separator: ", "))")
        }
        for hour in stride(from: 0, to: 24, by: size.isNarrow ? 6 : 3) {
            drawing.text(
                "\(hour):00", x: lowest.x(hour), y: drawing.height - 8, anchor: .middle, style: "m")
        }
        return drawing
    }
}
