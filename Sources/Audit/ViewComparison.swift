import Problems
import SQLite
import Stream
import Topics
import Time
import Trips

/// Reads a query's public view as any tool does, and compares its cells with the recount: value for value, as they would be printed.
///
/// The view of millions of rows would take minutes, since it writes each time anew: of a large one that is defined as the
/// declaration says, the first and the last rows are read. Such a view is a function of the stored rows, which `StoredComparison`
/// compares, and of two small tables, which `LookupComparison` does.
struct ViewComparison {
    let audit: QueryAudit
    let connection: Connection
    private let columns: [String]
    private let isDefinedAsDeclared: Bool
    private static let bounds = Dictionary(
        uniqueKeysWithValues: LookupComparison.fareBuckets.rows.map { ($0[0], Array($0[1...])) })
    /// So many rows are read at either end.
    private static let sample: Int64 = 20_000

    private var plan: QueryPlan { audit.plan }
    private var name: String { "\"\(plan.table)\"" }

    init(audit: QueryAudit, connection: Connection) throws(SQLiteError) {
        (self.audit, self.connection) = (audit, connection)
        columns = Self.columns(of: audit.plan)
        let found = try connection.value(
            "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?", .text(audit.plan.table))
        isDefinedAsDeclared = found?.text == audit.plan.createViewSQL
    }

    /// The columns that people and tools build on.
    private static func columns(of plan: QueryPlan) -> [String] {
        (plan.window.isWindowed ? ["window_start", "window_end"] : [])
            + plan.groups.flatMap { $0 == .fareBucket ? ["bucket", "fare_from", "fare_to"] : [$0.columnName] }
            + plan.aggregates.map(\.name)
    }

    /// Compares the rows of windows that start in `slice`.
    func run(_ slice: Range<EventTime>, rowCount: Int64) throws {
        let histograms = Histograms(audit.recount.buckets)
        if slice.lowerBound == .min, try !hasColumns() { return }
        guard isDefinedAsDeclared, rowCount > 2 * Self.sample else {
            return try read("SELECT * FROM \(name)", slice, histograms)
        }
        try read("SELECT * FROM \(name) LIMIT \(Self.sample)", slice, histograms)
        try read("SELECT * FROM \(name) LIMIT -1 OFFSET \(rowCount - Self.sample)", slice, histograms)
    }

    /// How many rows the view shows.
    func rowCount() throws -> Int64 { try connection.value("SELECT count(*) FROM \(name)")?.integer ?? 0 }

    private func hasColumns() throws -> Bool {
        let statement = try connection.prepare("SELECT * FROM \(name) LIMIT 0")
        let found = (0..<statement.columnCount).map(statement.columnName)
        guard found != columns else { return true }
        audit.view.differ(
            .max,
            "has the columns \(found.joined(separator: ", ")), should have \(columns.joined(separator: ", "))")
        return false
    }

    private func read(_ sql: String, _ slice: Range<EventTime>, _ histograms: Histograms) throws {
        let statement = try connection.prepare(sql)
        guard statement.columnCount == columns.count else { return }
        while try statement.step() {
            var column = 0
            var window = EventTime.min
            if plan.window.isWindowed {
                guard let start = RFC3339.parse(statement.text(0)) else {
                    audit.view.differ("window_start is \(CellText.of(statement.value(0))), which is no time")
                    continue
                }
                guard slice.contains(start) else { continue }
                (window, column) = (start, 2)
            } else if slice.lowerBound != .min {
                return
            }
            guard let group = group(statement, &column), let entry = audit.recount.table.find(window, group) else {
                // Of a view that is what it should be, the stored row behind it has been told of.
                if !isDefinedAsDeclared {
                    let cells = columns.indices.map { CellText.of(statement.value($0)) }.joined(separator: ", ")
                    audit.view.differ(window, "shows a row that there should not be: \(cells)")
                }
                continue
            }
            if !isDefinedAsDeclared, !audit.recount.table.marks[entry].insert(.shown).inserted {
                audit.view.differ(window, "\(audit.key(window, group)): is shown twice")
            }
            compare(statement, entry, window, group, column, histograms)
        }
    }

    /// The group that a row names; nil for one that the recount has not met.
    private func group(_ row: Statement, _ column: inout Int) -> Int64? {
        var parts: [GroupNumbers.Part] = []
        for group in plan.groups {
            switch group {
            case .day:
                guard row.isText(column), let day = Self.day(row.text(column)) else { return nil }
                parts.append(.integer(day))
            case .field(let field) where field.kind == .string:
                guard row.isText(column) else { return nil }
                parts.append(.text(row.withBytes(column) { Array($0) }))
            default:
                guard row.isInteger(column) else { return nil }
                parts.append(.integer(row.integer(column)))
            }
            column += group == .fareBucket ? 3 : 1
        }
        if plan.keysTable != nil {
            return GroupNumbers.key(parts).withUnsafeBufferPointer { audit.recount.numbers.find($0) }
        }
        if case .integer(let value)? = parts.first { return value }
        return 0
    }

    /// The day of `2024-03-01`, written in this way and no other.
    private static func day(_ text: String) -> Int64? {
        let parts = text.split(separator: "-").compactMap { Int($0) }
        guard parts.count == 3, 0...9999 ~= parts[0], 1...12 ~= parts[1], 1...31 ~= parts[2] else { return nil }
        let day = Calendar.day(year: parts[0], month: parts[1], day: parts[2])
        return Calendar.text(ofDay: day) == text ? Int64(day) : nil
    }

    private func compare(
        _ row: Statement, _ entry: Int, _ window: EventTime, _ group: Int64, _ firstColumn: Int,
        _ histograms: Histograms
    ) {
        let table = audit.recount.table
        func require(_ column: Int, _ expected: SQLValue) {
            let found = row.value(column)
            if found != expected { differ(window, group, columns[column], CellText.of(found), CellText.of(expected)) }
        }
        if plan.window.isWindowed {
            require(0, .text(audit.time(window)))
            require(1, .text(audit.time(audit.recount.end(ofWindowFrom: window))))
        }
        if let bucket = columns.firstIndex(of: "fare_from"), plan.groups.contains(.fareBucket) {
            let expected = Self.bounds[row.value(bucket - 1)] ?? [.null, .null]
            require(bucket, expected[0])
            require(bucket + 1, expected[1])
        }
        guard isStoredRight(entry) else { return }
        var (column, word, histogram) = (firstColumn, 0, 0)
        for aggregate in plan.aggregates {
            let value = ResultCells.result(
                aggregate, words: table.words + entry * table.stride + word,
                histogram: aggregate.hasHistogram ? histograms.of(entry, histogram) : [])
            if !isSame(row, column, value, aggregate), !audit.mayLack(window) || !aggregate.hasHistogram {
                let found = row.isNull(column) ? "null" : row.text(column)
                differ(window, group, aggregate.name, found, ResultCells.text(value, decimals: aggregate.decimals))
            }
            column += 1
            word += aggregate.words
            if aggregate.hasHistogram { histogram += 1 }
        }
    }

    /// A cell whose stored words differ has been told of already.
    private func isStoredRight(_ entry: Int) -> Bool { !audit.recount.table.marks[entry].contains(.wrong) }

    private func isSame(_ row: Statement, _ column: Int, _ value: Int64?, _ aggregate: AggregatePlan) -> Bool {
        row.value(column) == ResultCells.sql(value, decimals: aggregate.decimals)
    }

    private func differ(_ window: EventTime, _ group: Int64, _ column: String, _ found: String, _ expected: String) {
        audit.view.differ(
            window, "\(audit.key(window, group)): \(column) is shown as \(found), should be \(expected)")
    }
}
