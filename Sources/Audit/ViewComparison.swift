import Problems
import SQLite
import Stream
import Trips

/// Reads a query's public view as any tool does, and compares its cells with the recount.
///
/// The view of millions of rows would take minutes, since it writes each time anew: of a large one that is defined as the
/// declaration says, the first and the last rows are read; what lies behind all of them, `StoredComparison` compares.
struct ViewComparison {
    let audit: QueryAudit
    let connection: Connection
    /// So many rows are read at either end.
    private static let sample: Int64 = 20_000

    private var plan: QueryPlan { audit.plan }

    /// Compares the rows of windows that start in `slice`.
    func run(_ slice: Range<EventTime>, rowCount: Int64) throws {
        let histograms = Histograms(audit.recount.buckets)
        let name = "\"\(plan.table)\""
        guard try isDefinedAsDeclared() || rowCount <= 2 * Self.sample else {
            return try read("SELECT * FROM \(name)", slice, histograms)
        }
        if rowCount <= 2 * Self.sample {
            try read("SELECT * FROM \(name)", slice, histograms)
        } else {
            try read("SELECT * FROM \(name) LIMIT \(Self.sample)", slice, histograms)
            try read("SELECT * FROM \(name) LIMIT -1 OFFSET \(rowCount - Self.sample)", slice, histograms)
        }
    }

    /// How many rows the view shows.
    func rowCount() throws -> Int64 { try connection.value("SELECT count(*) FROM \"\(plan.table)\"")?.integer ?? 0 }

    private func isDefinedAsDeclared() throws -> Bool {
        let found = try connection.value(
            "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?", .text(plan.table))
        return found?.text == plan.createViewSQL
    }

    private func read(_ sql: String, _ slice: Range<EventTime>, _ histograms: Histograms) throws {
        let statement = try connection.prepare(sql)
        while try statement.step() {
            var column = 0
            var window = EventTime.min
            if plan.window.isWindowed {
                guard let start = RFC3339.parse(statement.text(0)) else {
                    audit.view.differ("window_start is \"\(statement.text(0))\", which is no time")
                    continue
                }
                guard slice.contains(start) else { continue }
                (window, column) = (start, 2)
            } else if slice.lowerBound != .min {
                return
            }
            guard let group = group(statement, &column), let entry = audit.recount.table.find(window, group) else {
                // A row that should not be there has been told of where it is stored.
                continue
            }
            compare(statement, entry, window, group, column, histograms)
        }
    }

    /// The group that a row names; nil for one that the recount has not met.
    private func group(_ row: Statement, _ column: inout Int) -> Int64? {
        var parts: [GroupNumbers.Part] = []
        for group in plan.groups {
            switch group {
            case .day: parts.append(.integer(Self.day(row.text(column)) ?? .min))
            case .field(let field) where field.kind == .string:
                parts.append(.text(row.withBytes(column) { Array($0) }))
            default: parts.append(.integer(row.integer(column)))
            }
            column += group == .fareBucket ? 3 : 1
        }
        if plan.keysTable != nil {
            return GroupNumbers.key(parts).withUnsafeBufferPointer { audit.recount.numbers.find($0) }
        }
        if case .integer(let value)? = parts.first { return value }
        return 0
    }

    private static func day(_ text: String) -> Int64? {
        let parts = text.split(separator: "-").compactMap { Int($0) }
        return parts.count == 3 ? Int64(Calendar.day(year: parts[0], month: parts[1], day: parts[2])) : nil
    }

    private func compare(
        _ row: Statement, _ entry: Int, _ window: EventTime, _ group: Int64, _ firstColumn: Int,
        _ histograms: Histograms
    ) {
        let table = audit.recount.table
        if plan.window.isWindowed {
            let times = [window, audit.recount.end(ofWindowFrom: window)].map { audit.zone.iso(ms: $0) }
            for (index, time) in times.enumerated() where row.text(index) != time {
                differ(window, group, ["window_start", "window_end"][index], "\"\(row.text(index))\"", "\"\(time)\"")
            }
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
        guard let value else { return row.isNull(column) }
        if row.isNull(column) { return false }
        if aggregate.decimals == 0 { return row.integer(column) == value }
        let expected = Double(value) / Double(ResultCells.power(aggregate.decimals))
        // SQLite works a quantile out in another order of operations; all else is the double nearest to the amount.
        guard aggregate.hasHistogram else { return row.real(column) == expected }
        return abs(row.real(column) - expected) <= 1.01 / Double(ResultCells.power(aggregate.decimals))
    }

    private func differ(_ window: EventTime, _ group: Int64, _ column: String, _ found: String, _ expected: String) {
        audit.view.differ(
            window, "\(audit.key(window, group)): \(column) is shown as \(found), should be \(expected)")
    }
}
