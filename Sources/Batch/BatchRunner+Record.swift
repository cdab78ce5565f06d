public import Database
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
            try? log.end(id, .failed, summary: RunFailure(error).json, at: now())
            throw error
        }
    }
}
