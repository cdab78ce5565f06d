import Basics

extension Figure {
    /// Quantile bands of fares over time, from `fare_trend`.
    static func fareTrend(_ table: ReportTable, _ days: PeriodDays) -> Figure {
        Figure(
            id: "fare-trend", title: "What a trip costs",
            note: """
                Quantiles of fares by period: half of the fares lie in the dark band (p25 to p75), four fifths in the light one (p10 to \
                p90); the line is the median. Read from log buckets, within 0.5 % of the exact quantile.
                """,
            table: table
        ) { size in draw(table, days, size) }
    }

    private static func draw(_ table: ReportTable, _ days: PeriodDays, _ size: FigureSize) -> Drawing {
        let periods = table.texts("period")
        let quantiles = ["fare_p10", "fare_p25", "fare_p50", "fare_p75", "fare_p90"].map { table.numbers($0) }
        let names = ["p10", "p25", "median", "p75", "p90"]
        var drawing = Drawing(width: size.width, height: size.isNarrow ? 260 : 340)
        let frame = TimeFrame(
            left: 48, right: size.width - 62, top: 30, bottom: drawing.height - 30, periods: periods)
        let most = quantiles[4].compactMap { $0 }.max() ?? 1
        let y = frame.drawValues(&drawing, upTo: most, unit: "dollars")
        frame.drawPeriods(&drawing, most: size.timeLabels)

        func points(_ values: [Double?]) -> [(x: Double, y: Double)?] {
            values.enumerated().map { index, value in value.map { (frame.x(index), y($0)) } }
        }
        for (low, high, style) in [(0, 4, "band1"), (1, 3, "band2")] {
            for run in runs(of: frame.broken(points(quantiles[low])), frame.broken(points(quantiles[high]))) {
                let outline = run.map(\.upper) + run.reversed().map(\.lower)
                drawing.path(
                    "M" + outline.map { "\(coordinate($0.x)) \(coordinate($0.y))" }.joined(separator: "L") + "Z",
                    style: style)
            }
        }
        let medians = points(quantiles[2])
        drawing.polyline(frame.broken(medians), style: "k0")
        let showsAll = frame.timeline.count <= 24 || !size.isNarrow
        let radius = frame.timeline.count > 40 ? 1.6 : 2.6
        for (index, point) in medians.enumerated() {
            guard let point else { continue }
            let isIncomplete = days.isIncomplete(periods[index])
            guard showsAll || isIncomplete || !frame.isOnLine(index, medians) else { continue }
            drawing.circle(
                x: point.x, y: point.y, radius: isIncomplete ? radius + 0.6 : radius,
                style: isIncomplete ? "k0 o" : "f0")
        }
        drawNames(
            &drawing, names, quantiles.map { $0.last.flatMap { $0 } }, x: frame.x(max(0, periods.count - 1)) + 8, y)
        for index in periods.indices {
            let values = zip(names, quantiles).map { "\($0) \($1[index].map { fixed($0, decimals: 2) } ?? "-")" }
            drawing.rectangle(
                x: frame.x(index) - frame.step / 2, y: frame.top, width: frame.step, height: frame.bottom - frame.top,
                style: "hit",
                title: "\(periods[index]): " + values.joined(separator: ", ") + days.suffix(periods[index]))
        }
        return drawing
    }

    /// The quantiles' names beside their last points, moved apart where they would overlap.
    private static func drawNames(
        _ drawing: inout Drawing, _ names: [String], _ values: [Double?], x: Double, _ scale: LinearScale
    ) {
        var last = Double.infinity
        for (name, value) in zip(names, values) {
            guard let value else { continue }
            let y = min(scale(value) + 4, last - 13)
            drawing.text(name, x: x, y: y, style: name == "median" ? "t" : "m")
            last = y
        }
    }

    /// Stretches in which both edges are known. A single point becomes a short bar, so that one period alone shows too.
    static func runs(
        of lower: [(x: Double, y: Double)?], _ upper: [(x: Double, y: Double)?]
    ) -> [[(lower: (x: Double, y: Double), upper: (x: Double, y: Double))]] {
        var runs: [[(lower: (x: Double, y: Double), upper: (x: Double, y: Double))]] = [[]]
        for (low, high) in zip(lower, upper) {
            if let low, let high { runs[runs.count - 1].append((low, high)) } else { runs.append([]) }
        }
        return runs.filter { !$0.isEmpty }.map { run in
            guard run.count == 1 else { return run }
            return [-5.0, 5.0].map { shift in
                ((run[0].lower.x + shift, run[0].lower.y), (run[0].upper.x + shift, run[0].upper.y))
            }
        }
    }
}
