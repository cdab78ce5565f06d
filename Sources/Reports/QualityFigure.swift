import Basics

extension Figure {
    /// What became of each record, from the summaries of `runs` and the ledger.
    ///
    /// - Parameter table: rows of stage, query, counter, reason, records.
    static func quality(_ table: ReportTable) -> Figure {
        var figure = Figure(
            id: qualityID, title: "What became of each record",
            note: """
                Records that a stage did not use, in % of what came to it, over all runs: rejected (not readable, kept as dead letters), \
                late (behind the watermark), filtered (by a rule that was asked for), skipped (empty in a column that the query needs), \
                lost (removed from the topic before it was read).
                """,
            table: table
        ) { size in draw(table, size) }
        figure.time = "all runs"
        return figure
    }

    static let qualityID = "data-quality"

    private static let unused: [(counter: String, style: String)] = [
        ("rejected", "f1"), ("late", "f3"), ("filtered", "f4"), ("skipped", "f6"), ("lost", "f5"),
    ]

    private struct Stage {
        var name: String
        var used = 0.0
        var unused: [String: Double] = [:]
        /// Reasons and rules with their counts, by counter.
        var reasons: [String: [String]] = [:]
        var total: Double { used + unused.values.reduce(0, +) }
        var unusedShare: Double { total > 0 ? unused.values.reduce(0, +) / total : 0 }
    }

    private static func stages(_ table: ReportTable) -> [Stage] {
        let (names, queries, counters) = (table.texts("stage"), table.texts("query"), table.texts("counter"))
        let (reasons, records) = (table.texts("reason"), table.numbers("records"))
        var stages: [Stage] = []
        for row in table.rows.indices where counters[row] != "read" {
            let name = names[row] == "produce" ? "produce" : queries[row].isEmpty ? "stream, reading" : queries[row]
            let index = stages.firstIndex { $0.name == name } ?? stages.endIndex
            if index == stages.endIndex { stages.append(Stage(name: name)) }
            if Self.unused.contains(where: { $0.counter == counters[row] }) {
                stages[index].unused[counters[row], default: 0] += records[row] ?? 0
                if !reasons[row].isEmpty {
                    stages[index].reasons[counters[row], default: []].append(
                        "\(reasons[row]) \(grouped(fixed(records[row] ?? 0, decimals: 0)))")
                }
            } else {
                stages[index].used += records[row] ?? 0
            }
        }
        return stages
    }

    private static func draw(_ table: ReportTable, _ size: FigureSize) -> Drawing {
        let stages = stages(table)
        let rowHeight = size.isNarrow ? 46.0 : 34
        let top = 30.0
        var drawing = Drawing(width: size.width, height: top + Double(stages.count) * rowHeight + 34)
        let left = size.isNarrow ? 8.0 : 226
        let right = size.width - (size.isNarrow ? 8 : 196)
        let bottom = top + Double(stages.count) * rowHeight
        drawLegend(&drawing, x: 8)
        let ticks = niceTicks(
            from: 0, to: max(0.01, (stages.map(\.unusedShare).max() ?? 0) * 100), count: size.isNarrow ? 3 : 6)
        let x = LinearScale((0, ticks[ticks.count - 1]), to: (left, right))
        for tick in ticks {
            drawing.line(x(tick), top, x(tick), bottom, style: tick == 0 ? "x" : "g")
            let isEdge = size.isNarrow && (tick == 0 || tick == ticks[ticks.count - 1])
            drawing.text(
                shortNumber(tick) + "%", x: x(tick), y: bottom + 18,
                anchor: isEdge ? (tick == 0 ? .start : .end) : .middle, style: "m")
        }
        for (index, stage) in stages.enumerated() {
            let y = top + Double(index) * rowHeight
            let barY = size.isNarrow ? y + 22 : y + 8
            let count =
                "\(grouped(fixed(stage.used, decimals: 0))) of \(grouped(fixed(stage.total, decimals: 0))) used"
            if size.isNarrow {
                drawing.text(shortened(stage.name, to: 26), x: left + 4, y: y + 15)
                drawing.text(count, x: right, y: y + 15, anchor: .end, style: "m", size: 10)
            } else {
                drawing.text(shortened(stage.name, to: 28), x: left - 10, y: barY + 13, anchor: .end)
                drawing.text(count, x: right + 10, y: barY + 13, style: "m", size: 11)
            }
            var start = 0.0
            for (counter, style) in unused {
                guard let records = stage.unused[counter], records > 0 else { continue }
                let share = records / stage.total * 100
                let reasons = stage.reasons[counter].map { ": " + $0.joined(separator: ", ") } ?? ""
                drawing.rectangle(
                    x: x(start), y: barY, width: max(1, x(start + share) - x(start)), height: 18, style: style,
                    title:
                        "\(stage.name): \(grouped(fixed(records, decimals: 0))) \(counter), \(fixed(share, decimals: 2))%\(reasons)"
                )
                start += share
            }
        }
        return drawing
    }

    /// Names of users' own queries may be of any length.
    private static func shortened(_ name: String, to count: Int) -> String {
        name.count <= count ? name : name.prefix(count - 1) + "…"
    }

    private static func drawLegend(_ drawing: inout Drawing, x: Double) {
        for (index, (counter, style)) in unused.enumerated() {
            let start = x + Double(index) * 84
            drawing.rectangle(x: start, y: 6, width: 11, height: 11, style: style)
            drawing.text(counter, x: start + 16, y: 16, style: "m")
        }
    }
}
