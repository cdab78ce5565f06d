internal import SQLite
internal import Trips

/// By what is known, without looking at rows, whether a view can have changed.
struct PublishMarks {
    let connection: Connection
    /// Of what all views may depend on: offsets of the zone, bounds of buckets.
    private let shared: Int64

    init(_ connection: Connection) throws {
        self.connection = connection
        var digest = ChunkDigest(columns: 1)
        for table in ["zone_offsets", "fare_buckets", "wide_fare_buckets"] where try connection.hasTable(table) {
            let rows = try connection.prepare("SELECT * FROM \(table) ORDER BY 1")
            while try rows.step() { digest.add(rows, 0..<rows.columnCount) }
        }
        shared = digest.finish()
    }

    /// Of what a view's rows are made with.
    func definition(of view: PublishedView) -> String {
        let select =
            switch view.source {
            case .windows(_, _, let select), .rows(let select): select
            }
        let own = Array(select.utf8).withUnsafeBytes(contentHash)
        return "\(String(own, radix: 16))-\(String(UInt64(bitPattern: shared), radix: 16))"
    }

    /// - Returns: "" where nothing tells, and the epoch that the rows are of.
    func mark(of view: PublishedView) throws -> (mark: String, epoch: Int64?) {
        guard let query = view.query else { return ("", nil) }
        let checkpoint = try connection.prepare("SELECT epoch, state FROM checkpoints WHERE stream = ?")
        checkpoint.bind(0, query)
        guard try checkpoint.step() else { return ("", nil) }
        let epoch = try checkpoint.integer(0, in: 0...Int64.max)
        var digest = ChunkDigest(columns: 2)
        digest.add(checkpoint)
        // Windows that were let go, in whichever of its transactions that run is.
        if case .windows(let stored, _, _) = view.source {
            let bounds = try connection.prepare("SELECT min(window_start_ms) FROM \"\(stored)\"")
            if try bounds.step() { digest.add(bounds, 0..<1) }
        }
        if try connection.hasTable("pruned_windows") {
            let pruned = try connection.prepare("SELECT before_day FROM pruned_windows WHERE view = ?")
            pruned.bind(0, view.name)
            if try pruned.step() { digest.add(pruned, 0..<1) }
        }
        return (String(UInt64(bitPattern: digest.finish()), radix: 16), epoch)
    }

    /// The last number of a group, and the digest of all up to `last`.
    func keys(_ table: String?, upTo last: Int64) throws -> (last: Int64, digest: Int64) {
        guard let table else { return (0, 0) }
        let rows = try connection.prepare("SELECT * FROM \"\(table)\" WHERE id <= ? ORDER BY id")
        rows.bind(0, last)
        var digest = ChunkDigest(columns: rows.columnCount)
        while try rows.step() { digest.add(rows) }
        let greatest = try connection.value("SELECT max(id) FROM \"\(table)\"")?.integer ?? 0
        return (greatest, digest.finish())
    }
}
