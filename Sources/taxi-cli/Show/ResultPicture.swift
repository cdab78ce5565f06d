import CommandLine
import Database
import SQLite

/// Rows of a view as a person reads them: numbers right-aligned, fractions in %, bars beside ranks, sparklines below trends.
struct ResultPicture {
    let view: ResultView
    let rows: [[SQLValue]]

    /// A cell for programs: as the database has it, whatever its column is called; the bytes of a blob in base 16.
    static func plain(_ value: SQLValue) -> Table.Value {
        switch value {
        case .null: .null
        case .integer(let value): .integer(value)
        case .real(let value): .real(value, decimals: 2)
        case .text(let text): .text(text)
        case .blob(let bytes): .text(bytes.hex)
        }
    }

    var table: Table { table(barWidth: Self.usualBarWidth) }

    func table(barWidth: Int) -> Table {
        let numeric = view.columns.indices.map { column in
            rows.contains { $0[column] != .null } && rows.allSatisfy { $0[column].real != nil || $0[column] == .null }
        }
        var table = Table(
            columns: view.columns.indices.map {
                Column(view.columns[$0], numeric[$0] ? .right : .left, keepsEnd: view.columns[$0] == "run_id")
            },
            rows: rows.map { row in row.indices.map { shown(row[$0], column: $0) } })
        if barWidth > 0, let bars = bars(width: barWidth) { append(bars, to: &table) }
        return table
    }

    /// The table without the columns that there is no room for, least important first, and those columns' names.
    ///
    /// Trends have twice the columns that a terminal has room for, and a sparkline of each below. Bars take what room is left: one that
    /// was cut would be a wrong number.
    func fitted(width: Int) -> (table: Table, leftOut: [String]) {
        guard view.isPeriodic else { return withoutSpare(table, width: width) }
        var table = table(barWidth: 0)
        let narrowestBar = view.hasPlaces ? Self.gapWidth + Self.narrowestBarWidth : 0
        func drop(_ name: String) {
            guard let index = table.columns.firstIndex(where: { $0.name == name }) else { return }
            table.removeColumn(at: index)
        }
        // What every row says need not stand in each.
        if rows.allSatisfy({ $0[0] == rows[0][0] }) { drop("period_kind") }
        var leftOut: [String] = []
        func textWidth() -> Int {
            table.text(width: nil).split(separator: "\n").map { displayWidth(of: String($0)) }.max() ?? 0
        }
        func isTooWide() -> Bool { textWidth() + narrowestBar > width }
        let running = view.columns.reversed().filter { $0.hasSuffix("_so_far") || $0.hasSuffix("_in_year") }
        let spare = view.isRanked ? spareOfRanks : view.isMix ? Self.spareOfMixes : Self.spareColumns + running
        for name in spare where view.columns.contains(name) && isTooWide() {
            drop(name)
            leftOut.append(name)
        }
        // Of other analyses nobody knows what is important but who has declared them, the first column first.
        while !view.isRanked, !view.isMix, isTooWide(), table.columns.count > 3, let last = table.columns.last?.name {
            drop(last)
            leftOut.append(last)
        }
        let room = width - textWidth() - Self.gapWidth
        if room >= Self.narrowestBarWidth, let bars = bars(width: min(room, Self.widestBarWidth)) {
            append(bars, to: &table)
        }
        return (table, leftOut)
    }

    /// Where a window ends its start says too; how a run went, its summary in full.
    private func withoutSpare(_ table: Table, width: Int) -> (table: Table, leftOut: [String]) {
        var (table, leftOut) = (table, [String]())
        for name in ["summary", "window_end", "ended"] where table.isTooWide(for: width) {
            guard let index = table.columns.firstIndex(where: { $0.name == name }) else { continue }
            table.removeColumn(at: index)
            leftOut.append(name)
        }
        return (table, leftOut)
    }

    /// An area's number can go, since its name stands beside it; a location has no name.
    private var spareOfRanks: [String] {
        ["partial", "days"] + (view.columns.contains("area_name") ? ["pickup_community_area"] : [])
            + ["top10_days", "persistent"]
    }

    private static let spareOfMixes = [
        "partial", "minutes", "miles", "total", "trips_change_year", "share_year_before", "fare_a_minute",
        "trips_change", "tips",
        "fare", "share_before", "fare_a_mile", "tip_share",
    ]

    /// Where nobody's screen says how wide.
    private static let usualBarWidth = 20
    private static let narrowestBarWidth = 6
    private static let widestBarWidth = 40
    /// Between columns.
    private static let gapWidth = 2

    private static let spareColumns = [
        "fare_p99", "fare_p10", "total_sum", "total_mean", "tips_sum", "fare_p25", "fare_p75", "tips_mean", "fare_p90",
        "fare_sum_change_year", "fare_sum_change",
    ]

    /// A cell for people. What a column's name says of its values holds for views of taxi-cli alone.
    private func shown(_ value: SQLValue, column: Int) -> Table.Value {
        switch (value, view.unit(ofColumn: column)) {
        case (.integer(let flag), .flag): .text(flag == 0 ? "" : "yes")
        case (.integer(let value), .count): .count(value)
        case (.real(let value), .share): .share(value)
        case (.real(let value), .money) where value.magnitude < 1e15: .cents(Int64((value * 100).rounded()))
        case (.blob(let bytes), _): .text("\(bytes.count) bytes")
        default: view.plain(value, column: column)
        }
    }

    private func append(_ bars: [String], to table: inout Table) {
        table.columns.append(Column(""))
        for (index, bar) in bars.enumerated() { table.rows[index].append(.text(bar)) }
    }

    /// A bar a row, as long as its pickups or trips are of its period's most; nil where a period has one row.
    private func bars(width: Int) -> [String]? {
        guard let period = view.columns.firstIndex(of: "period"),
            let pickups = view.barColumn.flatMap({ view.columns.firstIndex(of: $0) })
        else { return nil }
        var most: [String: Double] = [:]
        for row in rows { most[row[period].text ?? "", default: 0].formMaximum(row[pickups].real ?? 0) }
        return rows.map { row in
            Charts.bar((row[pickups].real ?? 0) / (most[row[period].text ?? ""] ?? 1), width: width)
        }
    }

    /// A line for each column of numbers, its first and last value beside it; empty unless the rows are a trend.
    ///
    /// - Parameter width: columns of the terminal, which the lines fit into.
    func sparklines(width: Int) -> String {
        guard view.isPeriodic, !view.hasPlaces, view.name != Coverage.view, rows.count > 2,
            rows.allSatisfy({ $0[0] == rows[0][0] })
        else {
            return ""
        }
        let columns = view.columns.indices.dropFirst(2).filter { index in
            view.columns[index] != "partial" && rows.contains { $0[index].real != nil }
        }
        var table = Table(columns: [Column("", .left), Column("", .right), Column("", .left)])
        for column in columns {
            let name = view.columns[column]
            let known = rows.map { $0[column] }.filter { $0 != .null }
            table.rows.append([
                .text(name), shown(known[0], column: column), shown(known[known.count - 1], column: column),
            ])
        }
        let textWidth = table.text(width: nil).split(separator: "\n").map { displayWidth(of: String($0)) }.max() ?? 0
        let room = max(8, min(60, width - textWidth - Self.gapWidth))
        table.columns.insert(Column("", .left), at: 2)
        for (row, column) in columns.enumerated() {
            table.rows[row].insert(.text(Charts.sparkline(rows.map { $0[column].real }, width: room)), at: 2)
        }
        // Without the heading, which is blank.
        return table.text(width: nil).split(separator: "\n").dropFirst().map { $0 + "\n" }.joined()
    }
}

extension Double {
    fileprivate mutating func formMaximum(_ other: Double) { self = max(self, other) }
}

extension [UInt8] {
    fileprivate var hex: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
