internal import Foundation
internal import Problems
internal import SQLite

extension StepAttempt {
    /// The whole file in one transaction; `rows` counts the rows that it changed.
    func sql(_ path: String) throws -> AttemptEnd {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let connection = try Connection(path: surroundings.resultsPath)
        do {
            return rows(
                try connection.transaction {
                    let before = try connection.value("SELECT total_changes()")?.integer ?? 0
                    try connection.run(script: text)
                    return Int((try connection.value("SELECT total_changes()")?.integer ?? 0) - before)
                })
        } catch let mistake as SQLMistake {
            let lines = text.utf8.prefix(mistake.offset ?? 0).split(separator: 0x0a, omittingEmptySubsequences: false)
            let place = mistake.offset == nil ? "" : ":\(max(1, lines.count)):\((lines.last?.count ?? 0) + 1)"
            throw Problem(.badData, "\"\(path)\"\(place): \(mistake.message)")
        }
    }
}
