import SQLite

/// The ids of `day_location`, which outlive those of the stream: a stream that reads everything again numbers its keys anew,
/// while days whose windows were pruned stay as they are.
struct LocationIDs {
    /// Ids are given out one after the other, and Chicago has some hundred pickup points.
    static let range: ClosedRange<Int64> = 0...4_000_000

    private var ids: [String: Int64] = [:]
    private var next: Int64 = 0
    /// Texts that `rolled_locations` lacks, with the ids that they are to have.
    private(set) var added: [(id: Int64, text: String)] = []
    /// By the stream's id; -1 where it has none.
    private var byKey: [Int64] = []

    init(on connection: Connection) throws {
        for (id, text) in try connection.rows(
            "SELECT id, location FROM rolled_locations",
            map: { row throws(SQLiteError) in (try row.integer(0, in: Self.range), try row.storedText(1)) })
        {
            ids[text] = id
            next = max(next, id + 1)
        }
    }

    /// Reads the stream's keys as they are in the present snapshot.
    mutating func readKeys(on connection: Connection) throws {
        byKey.removeAll(keepingCapacity: true)
        guard try BatchSchema.exists("keys_hotspotwindow", on: connection) else { return }
        let keys = try connection.rows(
            "SELECT id, pickup_centroid_location FROM keys_hotspotwindow WHERE id BETWEEN 0 AND 4000000 ORDER BY id"
        ) { row throws(SQLiteError) in (Int(try row.integer(0, in: Self.range)), try row.storedText(1)) }
        byKey = Array(repeating: -1, count: (keys.last?.0 ?? -1) + 1)
        for (key, text) in keys { byKey[key] = id(of: text) }
    }

    /// nil for a key that the stream does not have.
    @inline(__always)
    func id(ofKey key: Int64) -> Int64? {
        guard key >= 0, key < Int64(byKey.count), byKey[Int(key)] >= 0 else { return nil }
        return byKey[Int(key)]
    }

    /// Runs inside a transaction.
    mutating func store(on connection: Connection) throws {
        let insert = try connection.prepare("INSERT INTO rolled_locations VALUES (?, ?)")
        for (id, text) in added { try insert.run([.integer(id), .text(text)]) }
        added.removeAll()
    }

    private mutating func id(of text: String) -> Int64 {
        if let id = ids[text] { return id }
        defer { next += 1 }
        ids[text] = next
        added.append((next, text))
        return next
    }
}
