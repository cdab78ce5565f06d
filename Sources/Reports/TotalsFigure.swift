import Basics

extension Figure {
    /// Totals and running totals, from `accumulated_metrics`.
    static func totals(_ table: ReportTable, kind: ReportSelection.Kind, _ days: PeriodDays) -> Figure {
        let running = kind == .year ? "since the first year" : "within the year"
        return Figure(
            id: "totals", title: "Fares, period by period and added up",
            note:
                "Above: fares of each period; paler where the period is not complete or has days without trips. Below: the running total \(running).",
            table: table
        ) { size in draw(table, kind: kind, days, size) }
    }

    private static func draw(
        _ table: ReportTable, kind: ReportSelection.Kind, _ days: PeriodDays, _ size: FigureSize
    ) -> Drawing {
        let periods = table.texts("period")
        let fares = table.numbers("fare")
        let trips = table.numbers("trips")
        let running = table.numbers(kind == .year ? "fare_so_far" : "fare_in_year")
        let partial = table.numbers("partial")
        var drawing = Drawing(width: size.width, height: size.isNarrow ? 340 : 400)
        let middle = drawing.height / 2
        let upper = TimeFrame(left: 56, right: size.width - 14, top: 30, bottom: middle - 12, periods: periods)
        let lower = TimeFrame(
            left: 56, right: size.width - 14, top: middle + 32, bottom: drawing.height - 30, periods: periods)
        let y = upper.drawValues(&drawing, upTo: fares.compactMap { $0 }.max() ?? 1, unit: "dollars of fares", count: 3)
        let sum = lower.drawValues(
            &drawing, upTo: running.compactMap { $0 }.max() ?? 1,
            unit: kind == .year ? "running total" : "running total of the year",
            count: 3)
        lower.drawPeriods(&drawing, most: size.timeLabels)
        let width = min(60, max(1, upper.step * 0.72))
        for index in periods.indices {
            let money = { (value: Double?) in value.map { grouped(fixed($0, decimals: 2)) } ?? "-" }
            let title =
                "\(periods[index]): \(money(fares[index])) dollars, \(grouped(fixed(trips[index] ?? 0, decimals: 0))) trips; "
                + "running total \(money(running[index]))" + (partial[index] == 1 ? "; not complete" : "")
                + days.suffix(periods[index])
            let faint = partial[index] == 1 || days.isIncomplete(periods[index]) ? " half" : ""
            for (frame, scale, value, style) in [(upper, y, fares[index], "f0"), (lower, sum, running[index], "f2")] {
                guard let value else { continue }
                drawing.rectangle(
                    x: frame.x(index) - width / 2, y: min(scale(value), scale(0)), width: width,
                    height: abs(scale(0) - scale(value)), style: style + faint, title: title)
            }
        }
        return drawing
    }
}
