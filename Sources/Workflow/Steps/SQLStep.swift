internal import Foundation
internal import Problems
internal import SQLite

extension StepAttempt {
    /// The whole file in one transaction; `rows` counts the rows that it changed.
    func sql(_ path: String) throws -> AttemptEnd {
        guard let text = String(validating: try Files.contents(of: path), as: UTF8.self) else {
            throw Problem(.badData, "\"\(path)\" is no UTF-8")
        }
        let connection = try Connection(path: surroundings.resultsPath)
        do {
            return rows(
                try connection.transaction {
                    let before = try connection.value("SELECT total_changes()")?.integer ?? 0
                    try connection.execute(text)
                    return Int((try connection.value("SELECT total_changes()")?.integer ?? 0) - before)
                })
        } catch let error as SQLiteError where error.code == .statement || error.code == .constraint {
            throw Problem(.badData, "\"\(path)\": \(error.message)")
        }
    }
}
