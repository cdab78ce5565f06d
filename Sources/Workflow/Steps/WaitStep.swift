internal import Glibc
internal import Problems
internal import SQLite

extension StepAttempt {
    func waitForFile(_ name: String) throws -> AttemptEnd {
        let path = path(name)
        return try wait(for: "file \"\(path)\"") { access(path, F_OK) == 0 }
    }

    func waitForRow(_ template: Template) throws -> AttemptEnd {
        let sql = try fillSQL(template)
        let connection = try Connection(path: surroundings.resultsPath, access: .readOnly)
        return try wait(for: "a row of \(sql.text)") {
            do {
                return try connection.query(sql.text, parameters: sql.parameters).step()
            } catch let mistake as SQLMistake {
                throw Problem(.badData, "\(sql.text): \(mistake.message)")
            } catch let error as SQLiteError where error.code == .busy {
                return false
            } catch let error as SQLiteError {
                throw Problem(.badData, "\(sql.text): \(error.message)")
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
