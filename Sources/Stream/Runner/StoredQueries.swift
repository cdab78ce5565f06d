public import SQLite

/// The queries that have results in a tenant's database, whether they are declared now or not.
public enum StoredQueries {
    /// Their names, in alphabetical order.
    public static func names(on connection: Connection) throws(SQLiteError) -> [String] {
        try connection.rows("SELECT stream FROM checkpoints ORDER BY stream") {
            row throws(SQLiteError) in try row.storedText(0)
        }
    }

    /// Those that have counted something.
    public static func namesWithResults(on connection: Connection) throws -> Set<String> {
        Set(try CheckpointStore(connection: connection).all([]).filter { $0.2.counts.results > 0 }.map(\.0))
    }

    /// Queries that no stream has run since others went on, with how many records of a source they lack: somebody forgot them, as those
    /// of `--queries analytics`. One sentence for all; nil where there are none.
    public static func leftBehind(on connection: Connection) throws -> String? {
        let checkpoints = try CheckpointStore(connection: connection).all([])
        var furthest: [String: Int64] = [:]
        for (_, _, checkpoint) in checkpoints {
            for (source, position) in checkpoint.positions {
                furthest[source] = max(furthest[source] ?? 0, position.total)
            }
        }
        let behind = checkpoints.compactMap { name, _, checkpoint -> (name: String, records: Int64)? in
            let lacking = checkpoint.positions.map { (furthest[$0] ?? 0) - $1.total }.max() ?? 0
            return lacking > 0 ? (name, lacking) : nil
        }
        guard let most = behind.map(\.records).max() else { return nil }
        let names = behind.map(\.name).joined(separator: ", ")
        return
            "\(names) \(behind.count == 1 ? "was" : "were") not run with the other queries, and \(behind.count == 1 ? "lacks" : "lack") up to \(most) records: stream --queries analytics runs those of analytics, stream --query NAME one alone"
    }
}

extension QueryCheckpoint.SourcePosition {
    fileprivate var total: Int64 { offsets.reduce(0) { $0.addingReportingOverflow($1).partialValue } }
}
