import Database
import Problems
import SQLite
import Time

/// What is stored of one query, window by window, while it is restated; nobody writes meanwhile.
final class StoredRowsReader: ClosedWindows {
    private let connection: Connection
    private let loader: StateLoader
    /// Holds what was read until it is released; its groups are numbered as those of the query's own state.
    private let state: QueryState
    private let hasWithdrawn: Bool

    init(_ state: QueryState, _ loader: StateLoader) throws {
        (self.loader, connection) = (loader, loader.connection)
        self.state = QueryState(plan: state.plan, zone: state.zone, keys: state.keys)
        hasWithdrawn = try connection.hasTable("stored_withdrawn")
    }

    var keys: GroupKeys { state.keys }

    /// Whether some window is open.
    var hasOpen: Bool {
        get throws {
            try connection.value("SELECT 1 FROM \(state.plan.storageTable) WHERE closed = 0 LIMIT 1") != nil
        }
    }

    /// Where the windows start that are stored.
    func starts(in range: Range<EventTime>) throws -> [EventTime] {
        try connection.rows(
            "SELECT window_start_ms FROM \(state.plan.storageTable) WHERE window_start_ms >= ? AND window_start_ms < ? ORDER BY window_start_ms",
            .integer(range.lowerBound), .integer(range.upperBound)
        ) { row throws(SQLiteError) in try row.integer(0, in: .times) }
    }

    /// One that was withdrawn has no groups.
    func window(from start: EventTime) throws -> WindowPointer? {
        let select = try connection.prepare(
            "SELECT * FROM \(state.plan.storageTable) WHERE window_start_ms = ?")
        select.bind(0, start)
        if try select.step() {
            try loader.restore(from: select, into: state)
            return state.window(from: start, revision: try select.integer(1, in: .counts))
        }
        guard hasWithdrawn,
            let revision = try Restatements.withdrawal(of: start, view: state.plan.table, on: connection)
        else { return nil }
        return state.window(from: start, revision: revision)
    }

    /// All groups of a query without windows; nil where there are none.
    func allGroups() throws -> WindowPointer? {
        let rows = try connection.prepare("SELECT * FROM \(state.plan.storageTable)")
        while try rows.step() { try loader.restore(from: rows, into: state) }
        return state.windows.open.values.first
    }

    func release(_ window: WindowPointer) { state.windows.close(window) }

    func noteStored(_ starts: [EventTime]) {}

    func wasRaised(_ alert: String, group: Int64, ends: ClosedRange<EventTime>) throws -> Bool {
        try AlertStore(connection: connection).wasRaised(alert, group: group, ends: ends)
    }
}
