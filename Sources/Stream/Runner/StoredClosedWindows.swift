import Database
import Problems
import SQLite
import Time

/// Closed windows of one query in the tenant's database, read while the committer writes.
final class StoredClosedWindows: ClosedWindows {
    private let connection: Connection
    private let committer: EpochCommitter
    private let loader: StateLoader
    /// Holds what was read until it is released; its groups are numbered as those of the query's own state.
    private let state: QueryState
    private let select: Statement
    private let knowsWithdrawn: Bool
    /// Starts of the windows that the latest epochs store, which may not be committed yet: those that are cut, and the oldest first.
    private var recent: [[EventTime]] = []

    /// - Parameter connection: of its own, to a database that others may write to.
    init(of state: QueryState, connection: Connection, committer: EpochCommitter) throws {
        (self.connection, self.committer) = (connection, committer)
        self.state = QueryState(plan: state.plan, zone: state.zone, keys: state.keys)
        loader = StateLoader(connection: connection)
        knowsWithdrawn = try connection.hasTable("stored_withdrawn")
        select = try connection.prepare("SELECT * FROM \(state.plan.storageTable) WHERE window_start_ms = ?")
    }

    var keys: GroupKeys { state.keys }

    func window(from start: EventTime) throws -> WindowPointer? {
        do {
            if recent.contains(where: { Self.contains(start, in: $0) }) {
                try committer.waitForCommits()
                recent.removeAll()
            }
            defer { select.reset() }
            select.bind(0, start)
            guard try select.step() else { return try withdrawn(start) }
            try loader.restore(from: select, into: state)
            return state.window(from: start, revision: try select.integer(1, in: .counts))
        } catch let error as SQLiteError {
            throw Problem(error, doing: "looking for the closed windows of query \"\(state.plan.name)\"")
        }
    }

    /// One that was sent and is not there any more: its next results count on.
    private func withdrawn(_ start: EventTime) throws -> WindowPointer? {
        guard knowsWithdrawn,
            let revision = try Restatements.withdrawal(of: start, view: state.plan.table, on: connection)
        else { return nil }
        return state.window(from: start, revision: revision)
    }

    func release(_ window: WindowPointer) { state.windows.close(window) }

    func noteStored(_ starts: [EventTime]) {
        // No more than the two that are under way and this one.
        if recent.count > 2 { recent.removeFirst() }
        recent.append(starts)
    }

    func wasRaised(_ alert: String, group: Int64, ends: ClosedRange<EventTime>) throws -> Bool {
        try committer.waitForCommits()
        do {
            return try AlertStore(connection: connection).wasRaised(alert, group: group, ends: ends)
        } catch let error as SQLiteError {
            throw Problem(error, doing: "looking for alerts that were raised")
        }
    }

    private static func contains(_ start: EventTime, in starts: [EventTime]) -> Bool {
        var (low, high) = (0, starts.count)
        while low < high {
            let middle = (low + high) / 2
            if starts[middle] < start { low = middle + 1 } else { high = middle }
        }
        return low < starts.count && starts[low] == start
    }
}
