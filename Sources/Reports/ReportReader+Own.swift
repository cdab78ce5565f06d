import Basics
import Database
import SQLite

/// Tables of a tenant's own making: of their columns nothing is known but what their rows hold.
extension ReportReader {
    /// Why there is no chart of a table.
    struct NothingToDraw: Error { var reason: String }

    /// - Throws: `NothingToDraw` where there are no rows, or no numbers in them.
    func own(_ table: OwnTable, _ periods: [String]) throws -> OwnChart {
        guard has(table.view) else {
            throw NothingToDraw(
                reason: table.origin == .analysis ? "taxi-cli batch has not computed it" : "it has no results yet")
        }
        let statement = try connection.prepare("SELECT * FROM \(SQLText.name(table.view)) LIMIT 0")
        let columns = (0..<statement.columnCount).map(statement.columnName)
        if table.origin == .analysis { return try analysis(table, columns, periods) }
        return try query(table, columns, periods)
    }

    // MARK: Analyses

    private func analysis(_ table: OwnTable, _ columns: [String], _ periods: [String]) throws -> OwnChart {
        let shown = columns.filter { $0 != "period_kind" }
        let rows = try ownRows(
            shown.map(SQLText.name).joined(separator: ", "), of: table,
            "WHERE period_kind = ? AND period BETWEEN ? AND ? ORDER BY period",
            [.text(selection.kind.rawValue), .text(periods[0]), .text(periods[periods.count - 1])])
        let wanted = Set(periods)
        let chosen = rows.filter { $0[0].text.map(wanted.contains) ?? false }
        guard !chosen.isEmpty else {
            throw NothingToDraw(reason: "it has no rows of these periods by \(selection.kind.rawValue)")
        }
        let times = Set(chosen.compactMap { $0[0].text }).sorted()
        let isGrouped = chosen.count > times.count
        let keys = isGrouped ? table.keys.compactMap { shown.firstIndex(of: $0) } : []
        let drawn = shown.indices.filter { index in
            index > 0 && shown[index] != "partial" && !keys.contains(index) && Self.isNumeric(chosen.map { $0[index] })
        }
        guard !drawn.isEmpty else { throw NothingToDraw(reason: "its columns have no numbers") }
        let place = Dictionary(uniqueKeysWithValues: times.enumerated().map { ($1, $0) })
        var values: [String: [Int: [Double?]]] = [:]
        var sums: [String: Double] = [:]
        for row in chosen {
            guard let time = row[0].text.flatMap({ place[$0] }) else { continue }
            let name = keys.map { ReportTable.plain(row[$0], .any) }.joined(separator: ", ")
            for column in drawn {
                values[name, default: [:]][column, default: Array(repeating: nil, count: times.count)][time] =
                    Self.drawable(row[column])
            }
            sums[name, default: 0] += Self.drawable(row[drawn[0]])?.magnitude ?? 0
        }
        let names = Self.largest(sums)
        let panels = drawn.prefix(isGrouped ? OwnChart.panelCountOfGroups : OwnChart.panelCount).map { column in
            OwnChart.Panel(
                column: shown[column],
                series: names.map { .init(name: $0, values: values[$0]?[column] ?? []) })
        }
        var chart = OwnChart(
            numbers: Self.listed(shown, chosen),
            note: Self.sentence(table.about) + Self.note(names, of: sums.count, by: shown[drawn[0]])
                + "From \(table.view), an analysis of \(tenantsOwn)."
                + Self.notDrawn(drawn.dropFirst(panels.count).map { shown[$0] })
                + Self.cut(chosen.count, table),
            names: times, timeline: Timeline(times), panels: panels)
        chart.isOfPeriods = true
        return chart
    }

    // MARK: Queries

    /// Windows by hour, day or month: what a chart has room for.
    private enum Bucket: Int {
        case month = 7
        case day = 10
        case hour = 13

        var name: String { "\(self)" }

        /// Counts buckets without gaps, of a local time's text.
        func ordinal(_ text: String) -> String {
            switch self {
            case .month: "CAST(substr(\(text), 1, 4) AS INTEGER) * 12 + CAST(substr(\(text), 6, 2) AS INTEGER)"
            case .day: "unixepoch(substr(\(text), 1, 10)) / 86400"
            case .hour: "unixepoch(substr(\(text), 1, 13) || ':00') / 3600"
            }
        }
    }

    private func query(_ table: OwnTable, _ columns: [String], _ periods: [String]) throws -> OwnChart {
        let time = ["window_start", "day"].first(where: columns.contains)
        let keys = table.keys.filter { $0 != time && columns.contains($0) }
        let others: Set<String> = ["window_start", "window_end", "day", "bucket", "fare_from", "fare_to"]
        let drawn = try numericColumns(
            columns.filter { !others.contains($0) && !keys.contains($0) }, of: table)
        guard !drawn.isEmpty else { throw NothingToDraw(reason: "its rows have no numbers") }
        guard let time else { return try untimed(table, keys, drawn) }

        let (filter, values) = windows(periods, column: time)
        let bucket = try bucket(of: table, periods)
        let panels = drawn.prefix(keys.isEmpty ? OwnChart.panelCount : OwnChart.panelCountOfGroups)
        let figures = panels.flatMap { column in
            ["mean", "least", "most"].map { (column: column, figure: $0) }
        }
        let function = ["mean": "avg", "least": "min", "most": "max"]
        let aggregates = figures.enumerated().map { index, figure in
            "\(function[figure.figure] ?? "")(\(SQLText.name(figure.column))) AS f\(index)"
        }
        let rows = try ownRows(
            """
            WITH buckets AS MATERIALIZED (
              SELECT substr(\(SQLText.name(time)), 1, \(bucket.rawValue)) AS bucket, \(series(keys)) AS series, count(1) AS windows,
                \(aggregates.joined(separator: ", "))
              FROM \(SQLText.name(table.view)) \(filter) GROUP BY 1, 2),
            largest AS (SELECT series, count(1) OVER () AS n FROM buckets GROUP BY series ORDER BY sum(abs(f0) * windows) DESC, series
              LIMIT \(OwnChart.seriesCount))
            SELECT \(bucket.ordinal("bucket")) AS ordinal, n, bucket, series, windows,
              \(figures.indices.map { "f\($0)" }.joined(separator: ", "))
            FROM buckets JOIN largest USING (series) ORDER BY bucket, series
            """, values)
        guard !rows.isEmpty else { throw NothingToDraw(reason: "it has no results of these periods") }
        var (times, ordinals) = ([String](), [Int]())
        for row in rows where times.last != row[2].text {
            times.append(row[2].text ?? "")
            ordinals.append(Int(row[0].integer ?? 0))
        }
        let place = Dictionary(times.enumerated().map { ($1, $0) }) { first, _ in first }
        var sums: [String: Double] = [:]
        for row in rows { sums[row[3].text ?? "", default: 0] += (row[5].real ?? 0).magnitude * (row[4].real ?? 0) }
        let names = Self.largest(sums)
        let empty = [Double?](repeating: nil, count: times.count)
        let charted = panels.enumerated().map { panel, column in
            OwnChart.Panel(
                column: column,
                series: names.map { name in
                    var series = OwnChart.Series(name: name, values: empty, least: empty, most: empty)
                    for row in rows where row[3].text == name {
                        guard let time = row[2].text.flatMap({ place[$0] }) else { continue }
                        series.values[time] = Self.drawable(row[5 + 3 * panel])
                        series.least[time] = Self.drawable(row[6 + 3 * panel])
                        series.most[time] = Self.drawable(row[7 + 3 * panel])
                    }
                    return series
                })
        }
        let group = keys.isEmpty ? [] : ["group"]
        let listed = rows.map { row in [row[2]] + (keys.isEmpty ? [] : [row[3]]) + row.dropFirst(4) }
        return OwnChart(
            numbers: Self.listed(
                [bucket.name] + group + ["rows"] + figures.map { "\($0.column)_\($0.figure)" }, listed),
            note: "Means of the rows of each \(bucket.name)"
                + (keys.isEmpty ? ", in a band from the least to the most. " : ". ")
                + Self.note(names, of: Int(rows[0][1].integer ?? 0), by: panels[0])
                + "From \(table.view), a query of \(tenantsOwn)." + Self.notDrawn(drawn.dropFirst(panels.count))
                + Self.cut(listed.count, table),
            names: times, timeline: Timeline(slots: ordinals.map { $0 - ordinals[0] }), panels: charted)
    }

    /// Columns that the chart has no room for.
    private static func notDrawn(_ columns: some Collection<String>) -> String {
        columns.isEmpty ? "" : " Not drawn for lack of room: \(columns.joined(separator: ", "))."
    }

    /// Groups without a time, the largest first.
    private func untimed(_ table: OwnTable, _ keys: [String], _ drawn: [String]) throws -> OwnChart {
        let panels = drawn.prefix(OwnChart.panelCountOfGroups)
        let rows = try ownRows(
            "\(series(keys)), \(panels.map(SQLText.name).joined(separator: ", "))", of: table,
            "ORDER BY abs(\(SQLText.name(panels[0]))) DESC, 1 LIMIT \(OwnChart.rowCount)", [])
        guard rows.count > 1 else { throw NothingToDraw(reason: "it has one row alone, which taxi-cli show prints") }
        let shown = rows.prefix(OwnChart.barCount)
        return OwnChart(
            numbers: Self.listed([keys.joined(separator: ", ")] + panels, rows),
            note: Self.note(shown.map { _ in "" }, of: rows.count, by: panels[0])
                + "From \(table.view), a query of \(tenantsOwn), over all time."
                + Self.notDrawn(drawn.dropFirst(panels.count)),
            names: shown.map { $0[0].text ?? "" }, timeline: nil,
            panels: panels.enumerated().map { index, column in
                .init(column: column, series: [.init(name: column, values: shown.map { Self.drawable($0[index + 1]) })])
            })
    }

    private var tenantsOwn: String { "the tenant's own" }

    /// An hour where that makes a hundred points or so, a day for two years, else a month.
    private func bucket(of table: OwnTable, _ periods: [String]) throws -> Bucket {
        let stored = "stored_\(table.view)"
        var days = Double(PeriodText(text: periods[0]).kind == .month ? 31 * periods.count : 366 * periods.count)
        if selection.scope == .all {
            let spans = try connection.rows(
                "SELECT count(1) FROM pragma_table_info(?) WHERE name = 'window_start_ms'", .text(stored)
            ) { $0.integer(0) }
            guard spans.first == 1 else { return days > 800 ? .month : .day }
            let ms = try connection.value(
                "SELECT max(window_start_ms) - min(window_start_ms) FROM \(SQLText.name(stored))")
            days = (ms?.real ?? 0) / 86_400_000
        }
        return days <= 4 && table.keys.first != "day" ? .hour : days <= 800 ? .day : .month
    }

    /// Of some columns those that have numbers and nothing else in the first rows.
    private func numericColumns(_ columns: [String], of table: OwnTable) throws -> [String] {
        guard !columns.isEmpty else { return [] }
        let rows = try ownRows(columns.map(SQLText.name).joined(separator: ", "), of: table, "LIMIT 200", [])
        return columns.indices.filter { index in Self.isNumeric(rows.map { $0[index] }) }.map { columns[$0] }
    }

    // MARK: Rows

    /// The text that names a row's group.
    private func series(_ keys: [String]) -> String {
        keys.isEmpty ? "''" : keys.map { "coalesce(\(SQLText.name($0)), '')" }.joined(separator: " || ', ' || ")
    }

    private func ownRows(
        _ columns: String, of table: OwnTable, _ rest: String, _ values: [SQLValue]
    ) throws -> [[SQLValue]] {
        try ownRows("SELECT \(columns) FROM \(SQLText.name(table.view)) \(rest)", values)
    }

    private func ownRows(_ sql: String, _ values: [SQLValue]) throws -> [[SQLValue]] {
        let statement = try connection.prepare(sql)
        try statement.bind(values)
        var rows: [[SQLValue]] = []
        while try statement.step() { rows.append((0..<statement.columnCount).map(statement.value)) }
        return rows
    }

    private static func isNumeric(_ values: [SQLValue]) -> Bool {
        values.contains { $0.real != nil } && values.allSatisfy { $0 == .null || $0.real != nil }
    }

    /// Beyond it a double has no digits behind the point, and a chart no room.
    private static func drawable(_ value: SQLValue) -> Double? { value.real.flatMap { abs($0) <= 1e15 ? $0 : nil } }

    private static func largest(_ sums: [String: Double]) -> [String] {
        sums.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(OwnChart.seriesCount).map(\.key)
    }

    private static func listed(_ columns: [String], _ rows: [[SQLValue]]) -> ReportTable {
        ReportTable(
            columns: columns.enumerated().map { index, name in
                let isText = rows.contains { if case .text = $0[index] { true } else { false } }
                return .init(name, isText ? .text : .any)
            }, rows: Array(rows.prefix(OwnChart.rowCount)))
    }

    /// That not all rows are listed, where there are too many for a page.
    private static func cut(_ count: Int, _ table: OwnTable) -> String {
        count <= OwnChart.rowCount
            ? ""
            : " The numbers are the first \(OwnChart.rowCount) of \(count) rows; taxi-cli show \(table.view) has all there is."
    }

    private static func note(_ names: [String], of count: Int, by column: String) -> String {
        count > names.count ? "The \(names.count) of \(count) groups with the largest sums of \(column). " : ""
    }

    private static func sentence(_ about: String) -> String {
        guard let first = about.first else { return "" }
        return first.uppercased() + about.dropFirst() + (about.hasSuffix(".") ? " " : ". ")
    }
}
