import Basics

extension Figure {
    /// When the city rides: mean trips by local hour of the week.
    ///
    /// - Parameter table: rows of weekday (0 is Monday), hour, trips, days, trips_per_hour.
    static func hourOfWeek(_ table: ReportTable) -> Figure {
        Figure(
            id: "hour-of-week", title: "When the city rides",
            note: """
                Trips an hour, on average: the trips of all windows of sumfarewindow that begin in that local hour, divided by the days \
                of that weekday that had any trip.
                """,
            table: table
        ) { size in draw(table, size) }
    }

    static let weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

    private static func draw(_ table: ReportTable, _ size: FigureSize) -> Drawing {
        let (days, hours, means) = (table.texts("weekday"), table.numbers("hour"), table.numbers("trips_per_hour"))
        let most = max(means.compactMap { $0 }.max() ?? 1, .leastNormalMagnitude)
        let left = size.isNarrow ? 34.0 : 84
        let cell = (size.width - left - 8) / 24
        let height = size.isNarrow ? 22.0 : 28
        let top = 24.0
        var drawing = Drawing(width: size.width, height: top + 7 * height + 52)
        for hour in stride(from: 0, to: 24, by: size.isNarrow ? 6 : 3) {
            drawing.text(
                "\(hour):00", x: left + Double(hour) * cell, y: top - 8, style: "m")
        }
        for (index, name) in weekdays.enumerated() {
            drawing.text(
                size.isNarrow ? String(name.prefix(3)) : name, x: left - 6, y: top + (Double(index) + 0.5) * height + 4,
                anchor: .end, style: "m")
            for hour in 0..<24 {
                drawing.rectangle(
                    x: left + Double(hour) * cell, y: top + Double(index) * height, width: cell - 1, height: height - 1,
                    style: "none")
            }
        }
        for index in table.rows.indices {
            guard let day = weekdays.firstIndex(of: days[index]), let hour = hours[index], 0..<24 ~= hour,
                let mean = means[index]
            else {
                continue
            }
            let step = min(Palette.stepCount - 1, max(0, whole(mean / most * Double(Palette.stepCount))))
            drawing.rectangle(
                x: left + hour * cell, y: top + Double(day) * height, width: cell - 1, height: height - 1,
                style: "q\(step)",
                title:
                    "\(days[index]) \(whole(hour)):00 to \(whole(hour) + 1):00: \(fixed(mean, decimals: 1)) trips an hour"
            )
        }
        drawSteps(
            &drawing, x: left, y: top + 7 * height + 14, width: min(260, size.width - left - 20), from: "0",
            to: "\(most < 10 ? fixed(most, decimals: 1) : shortNumber(most.rounded())) trips an hour")
        return drawing
    }

    /// The legend of a scale of steps.
    static func drawSteps(
        _ drawing: inout Drawing, x: Double, y: Double, width: Double, from: String, to: String
    ) {
        let each = width / Double(Palette.stepCount)
        for step in 0..<Palette.stepCount {
            drawing.rectangle(x: x + Double(step) * each, y: y, width: each, height: 9, style: "q\(step)")
        }
        drawing.text(from, x: x, y: y + 24, style: "m")
        drawing.text(to, x: x + width, y: y + 24, anchor: .end, style: "m")
    }
}
