import Basics
import Compression
import Problems
import SQLite
import Topics
import Time
import Trips

/// What the epochs of a cohort change, kept so that results can go back to any of them (`stream --keep-history`).
///
///     epoch_history(query, last_epoch, before_epoch, epochs, first_ms, last_ms, checksum, changes)
///
/// A row is some epochs of one query that follow each other, from the one behind `before_epoch` to `last_epoch`; `epochs` is their number, 0
/// for a rewind, which leaves a row without changes. `changes` is zstd over a version (1) and then for each epoch, in their order
/// (numbers are `Varint`s):
///
///     epoch · the one before · when it was committed, ms UTC, signed · the number of its messages' mark · their producer · run ·
///     length of its entries · entries: see RowChanges, with the tables of EpochHistory.Code
///
/// The newest epochs are rows of their own; some at a time are packed together, since they look alike.
final class EpochHistory {
    /// The tables that go back. What the topics hold stays, and so do the accounts of it: outbox, sent_messages, written_dead_letters.
    enum Code: UInt8, CaseIterable {
        case rows = 1
        case keys, checkpoint, ledger, ahead, late, alerts, alertStates, unknownSchema

        var keyColumns: Int {
            switch self {
            case .rows, .keys, .checkpoint, .alerts: 1
            case .ledger: 6
            case .ahead, .unknownSchema: 4
            case .late: 3
            case .alertStates: 2
            }
        }

        /// nil where the query has none.
        func table(of plan: QueryPlan) -> String? {
            switch self {
            case .rows: plan.storageTable
            case .keys: plan.keysTable
            case .checkpoint: "checkpoints"
            case .ledger: "ledger"
            case .ahead: PassedOver.table(of: .ahead)
            case .late: "late_days"
            case .alerts: "stored_alerts"
            case .alertStates: "alert_states"
            case .unknownSchema: PassedOver.table(of: .unknownSchema)
            }
        }
    }

    static let version: UInt8 = 1
    /// So many epochs, or bytes of them, are packed together.
    private static let epochsTogether = 64
    private static let bytesTogether = 1 << 18

    private let connection: Connection
    private let queries: [String]
    private let producer: String
    private let run: String
    private let keepMs: Int64
    private let changes: RowChanges
    private let insert: Statement
    private let removeLatest: Statement
    private let prune: Statement
    /// Of each query the newest epochs, which are stored one by one.
    private var latest: [Packed?]
    private var epochsUntilPruning = 0

    /// Epochs on their way into a row.
    struct Packed {
        var before: Int64
        var last: Int64
        var epochs: Int64
        var times: ClosedRange<Int64>
        var bytes: [UInt8]
    }

    /// - Parameter keepMs: how long epochs are kept, by the clock of their commit.
    init(_ connection: Connection, plans: [QueryPlan], producer: String, run: String, keepMs: Int64) throws {
        (self.connection, self.producer, self.run, self.keepMs) = (connection, producer, run, keepMs)
        queries = plans.map(\.name)
        latest = plans.map { _ in nil }
        let owners = Dictionary(uniqueKeysWithValues: plans.enumerated().map { ($1.name, $0) })
        var alerts: [String: Int] = [:]
        for (index, plan) in plans.enumerated() { for alert in plan.alerts { alerts[alert.name] = index } }
        var tables: [String: RowChanges.Table] = [:]
        for (index, plan) in plans.enumerated() {
            for code in Code.allCases {
                guard let table = code.table(of: plan) else { continue }
                let owner: RowChanges.Table.Owner =
                    switch code {
                    case .rows, .keys: .one(index)
                    case .checkpoint, .ahead, .unknownSchema: .column(0, owners)
                    case .late: .column(1, owners)
                    case .alerts: .column(3, owners)
                    case .alertStates: .column(0, alerts)
                    // What was rejected is rejected for all of them.
                    case .ledger: .column(4, owners, shared: plans.count)
                    }
                tables[table] = RowChanges.Table(code: code.rawValue, keyColumns: code.keyColumns, owner: owner)
            }
        }
        changes = RowChanges(connection, tables: tables, owners: plans.count + 1)
        insert = try connection.prepare("INSERT OR REPLACE INTO epoch_history VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        removeLatest = try connection.prepare("DELETE FROM epoch_history WHERE query = ? AND last_epoch > ?")
        prune = try connection.prepare("DELETE FROM epoch_history WHERE query = ? AND last_ms < ?")
    }

    /// Notes what `body` changes as an epoch of the queries. Inside its transaction; to be forgotten where that fails.
    func record(
        _ checkpoints: [(query: String, checkpoint: QueryCheckpoint)], sequence: Int64, nowMs: Int64,
        _ body: () throws -> Void
    )
        throws
    {
        changes.begin()
        defer { changes.end() }
        try body()
        try changes.finish()
        for (query, checkpoint) in checkpoints {
            guard let owner = queries.firstIndex(of: query) else { continue }
            try store(owner, checkpoint.epoch, sequence, nowMs)
        }
        epochsUntilPruning -= 1
        guard epochsUntilPruning < 0 else { return }
        epochsUntilPruning = Self.epochsTogether
        for query in queries {
            prune.bind(0, query)
            prune.bind(1, nowMs - keepMs)
            try prune.run()
        }
    }

    private func store(_ owner: Int, _ epoch: Int64, _ sequence: Int64, _ nowMs: Int64) throws {
        var section: [UInt8] = []
        section.reserveCapacity(changes.entries[owner].count + 128)
        Varint.append(UInt64(epoch), to: &section)
        Varint.append(UInt64(epoch - 1), to: &section)
        Varint.append(signed: nowMs, to: &section)
        Varint.append(UInt64(sequence), to: &section)
        RowValues.append(producer, to: &section)
        RowValues.append(run, to: &section)
        let shared = changes.entries[queries.count]
        Varint.append(UInt64(changes.entries[owner].count + shared.count), to: &section)
        section += changes.entries[owner]
        section += shared
        let one = Packed(
            before: epoch - 1, last: epoch, epochs: 1, times: nowMs...nowMs, bytes: [Self.version] + section)
        var all = one
        if let latest = latest[owner] {
            all = latest
            all.last = epoch
            all.epochs += 1
            all.times = min(nowMs, all.times.lowerBound)...max(nowMs, all.times.upperBound)
            all.bytes += section
        }
        guard all.epochs >= Self.epochsTogether || all.bytes.count >= Self.bytesTogether else {
            latest[owner] = all
            return try Self.insert(one, of: queries[owner], with: insert)
        }
        latest[owner] = nil
        if all.epochs > 1 {
            removeLatest.bind(0, queries[owner])
            removeLatest.bind(1, all.before)
            try removeLatest.run()
        }
        try Self.insert(all, of: queries[owner], with: insert)
    }

    private static func insert(_ packed: Packed, of query: String, with insert: Statement) throws {
        let changes = try packed.bytes.withUnsafeBytes { try BlockCodec.zstandard.pack($0) }
        insert.bind(0, query)
        insert.bind(1, packed.last)
        insert.bind(2, packed.before)
        insert.bind(3, packed.epochs)
        insert.bind(4, packed.times.lowerBound)
        insert.bind(5, packed.times.upperBound)
        insert.bind(6, checksum(of: packed, query, changes))
        try changes.withUnsafeBytes { bytes in
            insert.bindBorrowed(7, blob: bytes)
            try insert.run()
        }
    }

    /// Puts epochs in the place of what is stored of them.
    static func insert(_ packed: Packed, of query: String, on connection: Connection) throws {
        let insert = try connection.prepare("INSERT OR REPLACE INTO epoch_history VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        try self.insert(packed, of: query, with: insert)
    }

    /// - Parameter changes: as they are stored.
    static func checksum(of packed: Packed, _ query: String, _ changes: [UInt8]) -> Int64 {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(changes.count + query.utf8.count + 64)
        RowValues.append(query, to: &bytes)
        for number in [packed.last, packed.before, packed.epochs, packed.times.lowerBound, packed.times.upperBound] {
            Varint.append(signed: number, to: &bytes)
        }
        bytes += changes
        return Int64(bitPattern: bytes.withUnsafeBytes { contentHash($0) })
    }

    /// Forgets the past of a query: it does not lead to its results any more.
    ///
    /// - Returns: whether there was any.
    static func remove(_ query: String, from connection: Connection) throws(SQLiteError) -> Bool {
        try connection.execute("DELETE FROM epoch_history WHERE query = ?", .text(query))
        return connection.changedRows > 0
    }
}
