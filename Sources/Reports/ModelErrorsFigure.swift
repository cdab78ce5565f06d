import Basics
import SQLite

extension Figure {
    static let modelErrorsID = "model-errors"

    /// How far forecasts are from what came, by what they were compared by, beside those of a simple model.
    ///
    /// - Parameter table: rows of `ml_errors`, by model and dimension.
    static func modelErrors(_ table: ReportTable) -> Figure {
        var figure = Figure(
            id: modelErrorsID, title: "Forecast against what came",
            note: """
                The sum of the errors of each model of ml.yaml that is compared with something, in % of the sum of what came (WAPE), for all rows and by \
                each column that they are compared by, of that the \(barsADimension) values with the most; grey: the simple model over the same rows.
                """,
            table: table
        ) { size in draw(table, size) }
        figure.time = "all rows that are compared"
        figure.warning = warning(ErrorRow.all(table))
        return figure
    }

    private static let barsADimension = 24

    /// A row of `ml_errors`.
    private struct ErrorRow {
        var model: String
        var dimension: String
        var value: String
        var actual: Double
        var wape: Double
        var baseline: String
        var baselineWAPE: Double?
        var isWorse: Bool
        var title: String

        static func all(_ table: ReportTable) -> [ErrorRow] {
            let (models, dimensions) = (table.texts("model"), table.texts("dimension"))
            let (values, baselines) = (table.texts("value"), table.texts("baseline"))
            let (actual, wape, other) = (
                table.numbers("actual"), table.numbers("wape"), table.numbers("baseline_wape")
            )
            let (worse, mae) = (table.numbers("worse"), table.numbers("mae"))
            return table.rows.indices.compactMap { row in
                guard let error = wape[row] else { return nil }
                let name = dimensions[row] == "all" ? "all" : "\(dimensions[row]) \(values[row])"
                return ErrorRow(
                    model: models[row], dimension: dimensions[row], value: values[row], actual: actual[row] ?? 0,
                    wape: error, baseline: baselines[row], baselineWAPE: other[row], isWorse: worse[row] == 1,
                    title:
                        "\(models[row]), \(name): error \(fixed(error * 100, decimals: 1))%, mean \(fixed(mae[row] ?? 0, decimals: 2))"
                )
            }
        }
    }

    /// A model that is worse than a simple one says so.
    private static func warning(_ rows: [ErrorRow]) -> String? {
        let worse = rows.filter { $0.dimension == "all" && $0.isWorse }
        if worse.isEmpty { return nil }
        return worse.map { row in
            "Model \(row.model) is worse than \(row.baseline): its error is \(fixed(row.wape * 100, decimals: 1))%, that of \(row.baseline) "
                + "\(fixed((row.baselineWAPE ?? 0) * 100, decimals: 1))%."
        }.joined(separator: " ")
    }

    /// Of each model: all, and of each dimension the values with the most, in their order.
    private static func shown(_ rows: [ErrorRow]) -> [[ErrorRow]] {
        var groups: [[ErrorRow]] = []
        for row in rows {
            if groups.last?.first?.model == row.model, groups.last?.first?.dimension == row.dimension {
                groups[groups.count - 1].append(row)
            } else {
                groups.append([row])
            }
        }
        return groups.map { group in
            group.sorted { $0.actual > $1.actual }.prefix(barsADimension).sorted { a, b in
                if let a = Double(a.value), let b = Double(b.value) { return a < b }
                return a.value < b.value
            }
        }
    }

    private static func draw(_ table: ReportTable, _ size: FigureSize) -> Drawing {
        let all = ErrorRow.all(table)
        // A simple model that others are measured against stands beside them already.
        let baselines = Set(all.map(\.baseline))
        let groups = shown(all.filter { !$0.baseline.isEmpty || !baselines.contains($0.model) })
        let (height, headHeight) = (19.0, 30.0)
        let rows = groups.reduce(0) { $0 + $1.count }
        let top = 8.0
        let bottom = top + Double(rows) * height + Double(groups.count) * headHeight
        var drawing = Drawing(width: size.width, height: bottom + 30)
        let left = size.isNarrow ? 84.0 : 180
        let right = size.width - (size.isNarrow ? 58 : 150)
        let most = groups.joined().map { max($0.wape, $0.baselineWAPE ?? 0) * 100 }.max() ?? 0
        // One value that was hardly ever there has no say in the scale.
        let ticks = niceTicks(from: 0, to: min(200, max(1, most)), count: size.isNarrow ? 3 : 6)
        let end = ticks[ticks.count - 1]
        let x = LinearScale((0, end), to: (left, right))
        for tick in ticks {
            drawing.line(x(tick), top, x(tick), bottom, style: tick == 0 ? "x" : "g")
            drawing.text(shortNumber(tick) + "%", x: x(tick), y: bottom + 18, anchor: .middle, style: "m")
        }
        var y = top
        for group in groups {
            guard let first = group.first else { continue }
            let what = first.dimension == "all" ? "all rows" : "by \(first.dimension.replacing("_", with: " "))"
            drawing.text("\(first.model), \(what)", x: 8, y: y + 20)
            y += headHeight
            for row in group {
                if row.dimension != "all" {
                    drawing.text(String(row.value.prefix(24)), x: left - 8, y: y + 12, anchor: .end, style: "m")
                }
                let length = x(min(end, row.wape * 100)) - left
                if let other = row.baselineWAPE {
                    drawing.rectangle(
                        x: left, y: y + 9, width: max(1, x(min(end, other * 100)) - left), height: 6,
                        style: "f\(Palette.seriesCount - 1)",
                        title: "\(row.baseline): error \(fixed(other * 100, decimals: 1))%")
                }
                drawing.rectangle(
                    x: left, y: y + 2, width: max(1, length), height: row.baselineWAPE == nil ? 13 : 7, style: "f0",
                    title: row.title)
                let text = "\(fixed(row.wape * 100, decimals: 1))%"
                drawing.text(
                    row.isWorse ? (size.isNarrow ? "\(text) !" : "\(text), worse") : text, x: right + 8, y: y + 12,
                    style: "m", size: 11)
                y += height
            }
        }
        return drawing
    }
}

extension ReportReader {
    /// Rows of `ml_errors` of models that can be compared; nil where there are none.
    func modelErrors() throws -> ReportTable? {
        guard has("ml_errors") else { return nil }
        let columns: [ReportTable.Column] = [
            .init("model", .text), .init("dimension", .text), .init("value", .text), .init("rows", .count),
            .init("actual", .number), .init("mae", .number), .init("wape", .share), .init("baseline", .text),
            .init("baseline_mae", .number), .init("baseline_wape", .share), .init("worse", .flag),
        ]
        let rows = try connection.rows(
            "SELECT \(columns.map(\.name).joined(separator: ", ")) FROM ml_errors ORDER BY model, dimension <> 'all', dimension, value LIMIT 2000"
        ) { row in columns.indices.map(row.value) }
        return rows.isEmpty ? nil : ReportTable(columns: columns, rows: rows)
    }
}
