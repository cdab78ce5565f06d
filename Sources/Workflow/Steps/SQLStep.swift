internal import Foundation
internal import Problems
internal import SQLite

extension StepAttempt {
    private static let sqlLimitBytes = 64 << 20

    /// The whole file in one transaction; `rows` counts the rows that it changed.
    func sql(_ path: String) throws -> AttemptEnd {
        let text = try PlainFile.text(path, limitBytes: Self.sqlLimitBytes)
        return try interruptible { interruption in
            // Short waits for other writers, between which the step may be stopped.
            let connection = try Connection(path: surroundings.resultsPath, busyTimeoutMs: 500)
            interruption.watch(connection)
            let giveUp = ContinuousClock.now + .milliseconds(Connection.defaultBusyTimeoutMs)
            while true {
                do {
                    return rows(
                        try connection.transaction {
                            let before = try connection.value("SELECT total_changes()")?.integer ?? 0
                            try connection.execute(text)
                            return Int((try connection.value("SELECT total_changes()")?.integer ?? 0) - before)
                        })
                } catch let error as SQLiteError where error.code == .busy && ContinuousClock.now < giveUp {
                    if let end = forcedEnd { return end }
                } catch let error as SQLiteError where error.code == .statement || error.code == .constraint {
                    throw Problem(.badData, "\"\(path)\": \(error.message)")
                }
            }
        }
    }
}
