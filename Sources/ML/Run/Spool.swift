internal import Basics
internal import Foundation
internal import Problems
internal import SQLite
internal import Topics
internal import Trips

/// The rows that a pass has to send, beside the database: the source is read once and let go, however long the service takes.
///
/// SQLite keeps it in a file of its own that is gone with the process; what fits into its cache stays there.
final class Spool {
    private let connection: Connection
    private let insert: Statement
    private var next: Statement?
    private var isTaken = false
    private(set) var count = 0
    /// Rows of the source.
    private(set) var read = 0
    /// Rows that cannot be sent, and why the first of them cannot.
    private(set) var unusable: (count: Int, reason: String) = (0, "")
    /// Where reading of a topic goes on when all of it is settled.
    private(set) var offsets: String?
    /// Whether rows are taken that are settled as they are.
    private var takesAll = false

    init() throws {
        connection = try Connection(path: "")
        try connection.execute("PRAGMA synchronous=off; PRAGMA cache_size=-8000;")
        try connection.execute(
            "CREATE TABLE pending (id INTEGER PRIMARY KEY, key BLOB NOT NULL, digest INTEGER NOT NULL, body BLOB NOT NULL);"
        )
        insert = try connection.prepare("INSERT INTO pending (key, digest, body) VALUES (?, ?, ?)")
    }

    private func add(_ key: [UInt8], _ digest: Int64, _ body: [UInt8]) throws {
        insert.bind(1, digest)
        try key.withUnsafeBytes { key in
            try body.withUnsafeBytes { body in
                insert.bindBorrowed(0, blob: key)
                insert.bindBorrowed(2, blob: body)
                try insert.run()
            }
        }
        count += 1
    }

    /// Calls `body` with up to `limit` rows, in their order; with none where all were taken.
    func take(_ limit: Int) throws -> (rows: BatchRows, bodies: [[UInt8]]) {
        var (rows, bodies): (BatchRows, [[UInt8]]) = (BatchRows(), [])
        let statement = try next ?? connection.prepare("SELECT key, digest, body FROM pending ORDER BY id")
        next = statement
        while bodies.count < limit, !isTaken {
            guard try statement.step() else {
                // A statement that is stepped on from its end begins anew.
                isTaken = true
                break
            }
            let digest = statement.integer(1)
            statement.withBytes(0) { rows.append($0, digest: digest) }
            bodies.append(statement.withBytes(2) { Array($0) })
        }
        return (rows, bodies)
    }
}

// MARK: - Filling it

extension Spool {
    /// Fills it with whatever rows the source has.
    func fillForTrial(_ body: () throws -> Void) throws {
        takesAll = true
        try body()
    }

    /// Puts the rows of a view or query in that are new, or have other contents than when they were settled.
    ///
    /// - Parameter limit: no more rows than these; nil for all.
    /// - Throws: `.configuration` for SQL that cannot be run, `.badData` where two rows have one key.
    func fill(
        _ spec: ModelSpec, sql: String, _ connection: Connection, limit: Int? = nil, isStopped: () -> Bool
    ) throws {
        do {
            try connection.snapshot {
                let statement = try connection.query(sql, selects: true)
                if let name = statement.repeatedColumn {
                    throw Problem(
                        .configuration, "model \"\(spec.name)\": two columns of its source are named \"\(name)\"")
                }
                let columns = (0..<statement.columnCount).map(statement.columnName)
                var filter = try RowFilter(spec, columns, connection)
                try self.connection.transaction {
                    while try statement.step() {
                        read += 1
                        if read % 1024 == 0, isStopped() { return }
                        try take(statement, &filter)
                        if let limit, count >= limit { return }
                    }
                }
                if count > 0, limit == nil { try requireKey(spec, sql, columns, connection) }
            }
        } catch let mistake as SQLMistake {
            throw Problem(
                .configuration, "model \"\(spec.name)\": its source is no query: \(mistake.message)",
                hint: "Write one SELECT over the public views; taxi-cli show lists them.")
        } catch let error as SQLiteError where error.code == .statement {
            throw Problem(.configuration, "model \"\(spec.name)\": \(error.message)")
        }
    }

    private func take(_ statement: Statement, _ filter: inout RowFilter) throws {
        do throws(RowWriter.Unusable) { try filter.write(statement) } catch {
            if unusable.count == 0 { unusable.reason = error.reason }
            unusable.count += 1
            return
        }
        if try takesAll || filter.isPending() { try add(filter.key, filter.digest, filter.body) }
    }

    /// Of two rows with one key each would replace the other's answer, for ever.
    private func requireKey(_ spec: ModelSpec, _ sql: String, _ columns: [String], _ connection: Connection) throws {
        let keys = spec.key.map(SQLText.name).joined(separator: ", ")
        var inner = sql[...]
        while let last = inner.last, last == ";" || last.isWhitespace { inner.removeLast() }
        let statement = try connection.prepare(
            "SELECT \(keys) FROM (\(inner)\n) GROUP BY \(keys) HAVING count(*) > 1 LIMIT 1")
        guard try statement.step() else { return }
        let values = (0..<statement.columnCount).map { "\(spec.key[$0]) \(statement.text($0))" }
        throw Problem(
            .badData, "model \"\(spec.name)\": two rows of its source have the key \(values.joined(separator: ", "))",
            hint: "Name all columns that tell a row from the others under key: […].")
    }

    /// Puts the records of a topic in, from some offsets on; of a key the newest.
    ///
    /// - Parameter from: as `offsets` was; nil for the topic's beginning.
    func fill(
        _ spec: ModelSpec, _ reader: any TopicReader, from: String?, _ results: Connection, isStopped: () -> Bool
    ) throws {
        guard let service = spec.service else {
            throw Problem(.configuration, "model \"\(spec.name)\": a topic gives no answers; name a service for it")
        }
        let columns = Self.columns(spec, service)
        let paths = columns.map { column in
            let path = column.split(separator: ".").map { ".\"\($0)\"" }.joined()
            return "json_extract(?1, \(SQLText.literal("$\(path)")))"
        }
        let values = try connection.prepare("SELECT \(paths.joined(separator: ", "))")
        var filter = try RowFilter(spec, columns, results)
        let ends = try reader.offsets()
        var next = ends.map(\.lowerBound)
        let known = from.flatMap { try? JSONDecoder().decode([String: Int64].self, from: Data($0.utf8)) } ?? [:]
        for partition in next.indices { next[partition] = max(next[partition], known["\(partition)"] ?? 0) }
        try connection.execute("CREATE UNIQUE INDEX pending_key ON pending (key)")
        let forget = try connection.prepare("DELETE FROM pending WHERE key = ?")
        let records = BatchRecords(schemas: reader.schemas)
        try connection.transaction {
            for partition in ends.indices where next[partition] < ends[partition].upperBound {
                try reader.forEachBatch(of: partition, in: next[partition]..<ends[partition].upperBound) { batch in
                    try records.load(batch)
                    for index in 0..<records.count where records.firstOffset + Int64(index) >= next[partition] {
                        read += 1
                        let value = records.withValue(index) { $0.map { Array($0) } } ?? nil
                        guard let value else { continue }
                        try take(value, values, &filter, forget)
                    }
                    return !isStopped()
                }
            }
        }
        let reached = Dictionary(uniqueKeysWithValues: ends.enumerated().map { ("\($0)", $1.upperBound) })
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        offsets = isStopped() ? nil : String(decoding: try encoder.encode(reached), as: UTF8.self)
        count = Int(try connection.integer("SELECT count(*) FROM pending", in: .counts) ?? 0)
    }

    private func take(_ value: [UInt8], _ values: Statement, _ filter: inout RowFilter, _ forget: Statement) throws {
        defer { values.reset() }
        try value.withUnsafeBytes { bytes in
            values.bindBorrowed(0, text: bytes)
            do {
                guard try values.step() else { return }
            } catch let error as SQLiteError where error.code == .statement {
                if unusable.count == 0 { unusable.reason = "a record is no JSON" }
                unusable.count += 1
                return
            }
            do throws(RowWriter.Unusable) { try filter.write(values) } catch {
                if unusable.count == 0 { unusable.reason = error.reason }
                unusable.count += 1
                return
            }
            try filter.key.withUnsafeBytes { key in
                forget.bindBorrowed(0, blob: key)
                try forget.run()
            }
            if try takesAll || filter.isPending() { try add(filter.key, filter.digest, filter.body) }
        }
    }

    private static func columns(_ spec: ModelSpec, _ service: ModelService) -> [String] {
        let sent: [String] =
            switch service.wire {
            case .json(let mapping): mapping.columns.map(\.column)
            case .kserve(let mapping): mapping.inputs.flatMap(\.columns)
            }
        return spec.key + sent.filter { !spec.key.contains($0) }
    }
}

/// Writes rows, and tells those that are settled as they are.
private struct RowFilter {
    private let writer: RowWriter
    private let settled: Statement?
    private(set) var key: [UInt8] = []
    private(set) var body: [UInt8] = []
    private(set) var digest: Int64 = 0

    init(_ spec: ModelSpec, _ columns: [String], _ connection: Connection) throws {
        writer = try RowWriter(spec, columns: columns)
        guard try ModelStore.isThere(connection) else {
            settled = nil
            return
        }
        settled = try connection.prepare("SELECT digest FROM stored_ml_rows WHERE model = ? AND key = ?")
        settled?.bind(0, spec.name)
    }

    mutating func write(_ row: Statement) throws(RowWriter.Unusable) {
        try writer.write(row, key: &key, body: &body)
        digest = Int64(bitPattern: body.withUnsafeBytes { contentHash($0) })
    }

    func isPending() throws -> Bool {
        guard let settled else { return true }
        defer { settled.reset() }
        return try key.withUnsafeBytes { bytes in
            settled.bindBorrowed(1, text: bytes)
            guard try settled.step(), !settled.isNull(0) else { return true }
            return settled.integer(0) != digest
        }
    }
}
