import Basics

extension Figure {
    /// The distribution of fares, from `faredistribution`: one row a log bucket.
    static func fareHistogram(_ table: ReportTable) -> Figure {
        Figure(
            id: "fare-distribution", title: "How fares are distributed",
            note: """
                Trips by fare on a logarithmic axis. A bar adds up sixteen of the stored log buckets, so each is 17 % wider in dollars than \
                the one before; the table has every bucket (fare_from, fare_to]. Zero and negative fares and \
                the dearest thousandth are in the table alone.
                """,
            table: table
        ) { size in draw(table, size) }
    }

    private struct Bar {
        var from: Double
        var to: Double
        var trips: Double
    }

    private static let bucketsABar = 16

    /// Buckets with a positive fare, so many to a bar; bars are aligned to bucket numbers, so the same fare is always in the same bar.
    private static func bars(_ table: ReportTable) -> [Bar] {
        var bars: [Int: Bar] = [:]
        let numbers = ["bucket", "fare_from", "fare_to", "trips"].map { table.numbers($0) }
        for index in table.rows.indices {
            guard let bucket = numbers[0][index].flatMap({ Int(exactly: $0) }), bucket > 0,
                let from = numbers[1][index], from > 0,
                let to = numbers[2][index], let trips = numbers[3][index]
            else { continue }
            var bar = bars[bucket / bucketsABar] ?? Bar(from: from, to: to, trips: 0)
            bar = Bar(from: min(bar.from, from), to: max(bar.to, to), trips: bar.trips + trips)
            bars[bucket / bucketsABar] = bar
        }
        return bars.values.sorted { $0.from < $1.from }
    }

    /// Single fares of thousands of dollars would make half of the axis empty.
    private static func withoutDearest(_ bars: [Bar]) -> [Bar] {
        let all = bars.reduce(0) { $0 + $1.trips }
        var before = 0.0
        return bars.prefix { bar in
            defer { before += bar.trips }
            return before < all * 0.999
        }
    }

    private static func draw(_ table: ReportTable, _ size: FigureSize) -> Drawing {
        let bars = withoutDearest(bars(table))
        var drawing = Drawing(width: size.width, height: size.isNarrow ? 250 : 320)
        let (left, right, top, bottom) = (52.0, size.width - 24, 30.0, drawing.height - 44)
        let frame = TimeFrame(left: left, right: right, top: top, bottom: bottom, count: 1)
        let y = frame.drawValues(&drawing, upTo: bars.map(\.trips).max() ?? 1, unit: "trips")
        let domain = (max(1, bars.first?.from ?? 1), max(100, bars.last?.to ?? 100))
        let x = LogScale(domain, to: (left, right))
        var lastLabel = -Double.infinity
        for tick in [1.0, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]
        where tick >= domain.0 && tick <= domain.1 {
            drawing.line(x(tick), bottom, x(tick), bottom + 4, style: "x")
            guard x(tick) - lastLabel > 40 else { continue }
            lastLabel = x(tick)
            drawing.text("$" + shortNumber(tick), x: x(tick), y: bottom + 18, anchor: .middle, style: "m")
        }
        drawing.text("fare", x: (left + right) / 2, y: bottom + 36, anchor: .middle, style: "m")
        for bar in bars where bar.to > domain.0 {
            let start = x(max(bar.from, domain.0))
            drawing.rectangle(
                x: start, y: y(bar.trips), width: max(1, x(bar.to) - start - 1), height: bottom - y(bar.trips),
                style: "f0",
                title: "\(fixed(bar.from, decimals: 2)) to \(fixed(bar.to, decimals: 2)) dollars: "
                    + "\(grouped(fixed(bar.trips, decimals: 0))) trips")
        }
        return drawing
    }
}
