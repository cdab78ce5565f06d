import Foundation
package import SQLite
package import Testing

/// What stands in the databases that the program left, read as any tool would: read-only, through public views.
extension TaxiCLI {
    package typealias Row = [SQLValue]

    package func query(_ sql: String, database: String? = nil) throws -> [Row] {
        try Connection(path: database ?? resultsPath, access: .readOnly).rows(sql) { row throws(SQLiteError) in
            (0..<row.columnCount).map(row.value)
        }
    }

    package func columns(of view: String) throws -> [String] {
        try query("SELECT name FROM pragma_table_info('\(view)') ORDER BY cid").compactMap { $0[0].text }
    }

    package func number(_ sql: String, database: String? = nil) throws -> Int64 {
        try query(sql, database: database).first?.first?.integer ?? 0
    }

    /// Every row of the given views, in one order whatever order they were written in.
    package func contents(of views: [String] = TaxiCLI.queryViews) throws -> [String: [String]] {
        var contents: [String: [String]] = [:]
        for view in views { contents[view] = try query("SELECT * FROM \(view)").map { "\($0)" }.sorted() }
        return contents
    }

    /// How many records a topic holds, over all partitions; 0 where there is no such topic.
    package func recordCount(_ topic: String) throws -> Int64 {
        try number(
            "SELECT sum(end_offset - start_offset) FROM partitions JOIN topics ON id = topic_id WHERE name = '\(topic)'",
            database: topicsPath)
    }

    package static let queryViews = [
        "sumfarewindow", "tripstotal", "hotspotcommunitywindow", "hotspotwindow", "faredistribution",
    ]
}

extension TaxiCLI {
    /// A home in which all commands have run: 2,000 trips of five days around the spring change of clocks, in `trips.csv` and in the
    /// topic, with all results and analytics. Each call gives a copy.
    package static func filled() throws -> TaxiCLI {
        let original = try template.get()
        let copy = try TaxiCLI()
        for name in ["trips.csv", "data"] {
            try FileManager.default.copyItem(atPath: original(name), toPath: copy(name))
        }
        return copy
    }

    private static let template = Result<TaxiCLI, any Error> {
        let taxi = try TaxiCLI(folder: templateFolder())
        // It is there until the tests end: no value's end would come by then.
        atexit { try? FileManager.default.removeItem(atPath: templateFolder()) }
        try taxi.succeed(
            "data", "generate", "--rows", "2000", "--from", "2024-03-08", "--to", "2024-03-12", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start")
        try taxi.succeed("stream", "--until-end")
        try taxi.succeed("batch")
        return taxi
    }
}

private func templateFolder() -> String { NSTemporaryDirectory() + "/taxi-cli-tests-template-\(getpid())" }

/// A JSON object on one line, such as a summary.
package func jsonObject(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> [String: Any] {
    try #require(
        try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "no JSON object: \(text)",
        sourceLocation: sourceLocation)
}

/// A repository's own data, or real data beside it; nil, and a line that says so, where it is not there.
package func sharedFile(_ path: String) -> String? {
    // Tests/CommandSupport/… → the repository → the folder that it lies in; a worktree lies one deeper.
    var folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    for _ in 0..<7 {
        folder.deleteLastPathComponent()
        let candidate = folder.appendingPathComponent("shared/\(path)").path
        if FileManager.default.fileExists(atPath: candidate) { return candidate }
    }
    print("skipped: there is no ../shared/\(path) beside the repository")
    return nil
}
