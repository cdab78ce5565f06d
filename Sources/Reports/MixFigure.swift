import Basics

/// What trips are made of by one of their columns, from a declared analysis such as `payment_mix`.
enum Mix: CaseIterable {
    case payments, companies

    var view: String { self == .payments ? "payment_mix" : "company_mix" }
    /// The column that tells a period's rows apart.
    var column: String { self == .payments ? "payment_type" : "company" }
    var id: String { self == .payments ? "payment-mix" : "company-mix" }
    var title: String { self == .payments ? "How trips are paid" : "Which companies drive" }
    var what: String { self == .payments ? "payment types" : "companies" }
    /// So many of a period's rows, those with the most trips: few enough for a page about decades.
    static let rowsAPeriod = 8
}

extension Figure {
    /// Shares of the trips, period by period.
    ///
    /// - Parameter table: the mix's first rows of each period, with `period`, the mix's column, `trips` and `share`.
    static func mix(_ mix: Mix, _ table: ReportTable, _ days: PeriodDays) -> Figure {
        Figure(
            id: mix.id, title: mix.title,
            note: """
                Shares of the trips of each period that name one, the \(shownCount) \(mix.what) with the most trips; all further ones are \
                grey. From \(mix.view); the numbers are the first \(Mix.rowsAPeriod) of each period.
                """,
            table: table
        ) { size in draw(mix, table, days, size) }
    }

    private static let shownCount = Palette.seriesCount - 1

    private static func draw(
        _ mix: Mix, _ table: ReportTable, _ days: PeriodDays, _ size: FigureSize
    ) -> Drawing {
        let (texts, names) = (table.texts("period"), table.texts(mix.column))
        let (trips, shares) = (table.numbers("trips"), table.numbers("share"))
        let periods = Set(texts).sorted()
        let shown = busiest(names, trips)
        let columns = size.isNarrow ? 2 : 3
        let legendRows = (shown.count + columns) / columns
        var drawing = Drawing(width: size.width, height: (size.isNarrow ? 280 : 340) + Double(legendRows) * 18)
        drawLegend(&drawing, shown + ["all others"], columns: columns, letters: size.isNarrow ? 22 : 38)
        let frame = TimeFrame(
            left: 48, right: size.width - 14, top: Double(legendRows) * 18 + 36, bottom: drawing.height - 30,
            periods: periods)
        let y = frame.drawValues(&drawing, upTo: 100, unit: "% of trips")
        frame.drawPeriods(&drawing, most: size.timeLabels)
        let width = min(60, max(1, frame.step * 0.82))
        for (index, period) in periods.enumerated() {
            var start = 0.0
            let faint = days.isIncomplete(period) ? " half" : ""
            func draw(_ share: Double, _ style: String, _ title: String) {
                drawing.rectangle(
                    x: frame.x(index) - width / 2, y: y(start + share), width: width,
                    height: y(start) - y(start + share),
                    style: style + faint, title: "\(period): \(title)\(days.suffix(period))")
                start += share
            }
            let rows = texts.indices.filter { texts[$0] == period }
            for (series, name) in shown.enumerated() {
                guard let row = rows.first(where: { names[$0] == name }), let share = shares[row] else { continue }
                draw(
                    share * 100, "f\(series)",
                    "\(name) \(fixed(share * 100, decimals: 1))%, \(grouped(fixed(trips[row] ?? 0, decimals: 0))) trips"
                )
            }
            // Rounding may leave a trace of nothing.
            let rest = 100 - start
            if rest > 1e-6 { draw(rest, "f\(shownCount)", "all others \(fixed(rest, decimals: 1))%") }
        }
        return drawing
    }

    /// Names by their trips in all periods, the most first.
    private static func busiest(_ names: [String], _ trips: [Double?]) -> [String] {
        var sums: [String: Double] = [:]
        for (name, trips) in zip(names, trips) { sums[name, default: 0] += trips ?? 0 }
        return sums.sorted { $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key }.prefix(shownCount).map(
            \.key)
    }

    static func drawLegend(
        _ drawing: inout Drawing, _ names: [String], hasRest: Bool = true, columns: Int, letters: Int
    ) {
        let width = (drawing.width - 8) / Double(columns)
        for (index, name) in names.enumerated() {
            let (x, y) = (8 + Double(index % columns) * width, 6 + Double(index / columns) * 18)
            drawing.rectangle(
                x: x, y: y, width: 11, height: 11,
                style: index == names.count - 1 && hasRest ? "f\(shownCount)" : "f\(index)")
            drawing.text(
                name.count <= letters ? name : name.prefix(letters - 1) + "…", x: x + 16, y: y + 10, style: "m")
        }
    }
}
