import Database
internal import Glibc
internal import Problems
internal import SQLite

extension StepAttempt {
    func waitForFile(_ name: Template) throws -> AttemptEnd {
        let path = try path(filling: name)
        return try wait(for: "file \"\(path)\"") { access(path, F_OK) == 0 }
    }

    func waitForRow(_ sql: SQLTemplate) throws -> AttemptEnd {
        try interruptible { interruption in
            let connection = try Connection(path: surroundings.resultsPath, access: .readOnly, busyTimeoutMs: 500)
            try connection.addResultFunctions()
            interruption.watch(connection)
            return try wait(for: "a row of \(sql.template.source)") {
                do { return try sql.statement(on: connection, self).step() } catch let error as SQLiteError {
                    if error.code == .busy { return false }
                    throw Problem(.badData, "\(sql.template.source): \(error.message)")
                }
            }
        }
    }

    /// Until so many records have come into a topic, all its partitions together, whether or not they are still kept.
    func waitForRecords(_ topic: String, _ offset: Int64) throws -> AttemptEnd {
        guard let records = surroundings.records else { throw Self.unknown("wait for a topic") }
        return try wait(for: "\(offset) records of topic \"\(topic)\"") { try records(topic) >= offset }
    }

    /// Of a step whose feature whoever runs the workflow did not bring along.
    static func unknown(_ what: String) -> Problem { Problem(.configuration, "nobody here can \(what)") }
}
