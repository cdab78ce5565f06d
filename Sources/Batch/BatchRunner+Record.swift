public import Database
import Foundation
import Problems
public import Time

extension BatchRunner {
    /// Runs, and notes the run in the tenant's `runs`: when it began and ended, how, and its summary.
    ///
    /// - Parameter now: the wall clock, in ms UTC.
    public static func recorded(
        in database: ResultsDatabase, now: () -> EventTime, _ body: () throws -> BatchSummary
    ) throws -> BatchSummary {
        let log = RunLog(database)
        let id = try log.begin("batch", at: now())
        do {
            let summary = try body()
            try log.end(id, .success, summary: summary.json, at: now())
            return summary
        } catch {
            // The failure itself is what the caller has to hear of, whatever the log says.
            try? log.end(id, .failed, summary: failure(error), at: now())
            throw error
        }
    }

    private static func failure(_ error: any Error) -> String? {
        let message = (error as? Problem)?.message ?? String(describing: error)
        return (try? JSONEncoder().encode(["error": message])).map { String(decoding: $0, as: UTF8.self) }
    }
}
