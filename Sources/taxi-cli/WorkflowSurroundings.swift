import Batch
import Database
import Foundation
import Problems
import Reports
import Topics
import Trips
import Workflow

/// What the steps of workflows find around them: the one place where they meet the other features.
///
/// Steps have threads of their own, so each opens a database of its own.
extension WorkflowSession {
    /// Programs see the same home and tenant, so that a taxi-cli among them works on them too.
    var surroundings: StepSurroundings {
        let session = self
        var environment = environment
        environment["TAXI_HOME"] = globals.home
        environment["TAXI_TENANT"] = globals.tenant
        var surroundings = StepSurroundings(
            resultsPath: globals.resultsPath, environment: environment, now: { systemTime() },
            batch: { try session.batch($0, by: $1, period: $2) })
        surroundings.report = { try session.report(by: $0, period: $1) }
        surroundings.records = { topic in
            let (store, name) = try session.globals.openTopic(topic)
            return try store.describe(name).partitions.reduce(0) { $0 + $1.endOffset }
        }
        surroundings.appendRecords = { try session.append(to: $0, $1, $2) }
        surroundings.openWorkflow = { name in
            (try session.folder.load(name), try RunHistory(session.openResults()), session.logs)
        }
        return surroundings
    }

    private func openResults() throws -> ResultsDatabase {
        try ResultsDatabase(path: globals.resultsPath, zone: globals.zoneIdentifier)
    }

    /// What `taxi-cli batch` does. `extract` sees that the results reach the period's end, and `preprocess` adds up its days.
    ///
    /// - Returns: rows written; days added up for `preprocess`, periods for `extract`.
    private func batch(_ analysis: String, by: String?, period: String?) throws -> Int {
        let database = try openResults()
        let selection = try PeriodSelection(period ?? "all")
        let analyses: [Analysis] =
            switch analysis {
            case "all": Analysis.allCases
            case "extract", "preprocess": [.fareTrend]
            default: Analysis.allCases.filter { $0.rawValue == analysis }
            }
        let summary = try BatchRunner.recorded(in: database, now: { systemTime() }) {
            try BatchRunner(database, zone: zone).run(
                analyses: analyses, kinds: by.flatMap { PeriodKind(rawValue: $0) }.map { [$0] }, periods: selection)
        }
        switch analysis {
        case "extract":
            // Of all periods the newest is never complete.
            if selection != .all, let partial = summary.partial.first {
                throw Problem(
                    .tryAgain, "the results do not reach the end of \(partial) yet",
                    hint: "Wait for the stream, with retries and a backoff.")
            }
            return summary.periods.values.reduce(0) { $0 + $1.count }
        case "preprocess": return summary.daysRolledUp
        default: return analyses.reduce(0) { $0 + (summary.rows[$1.view] ?? 0) }
        }
    }

    private func report(by: String?, period: String?) throws -> String {
        let database = try ResultsDatabase.openReadOnly(path: globals.resultsPath)
        let zone = try database.zone
        return try Report(
            database.connection, selection: ReportCommand.selection(by: by, period: period), tenant: globals.tenant,
            made: try ZoneClock(identifier: zone).iso(ms: systemTime()), zone: zone
        ).html
    }

    private func append(to suffix: String, _ records: [(key: String, value: String)], _ time: EventTime) throws {
        let topic = "\(globals.tenant)_\(suffix)"
        let store = try globals.openTopics()
        try store.requireTopic(topic)
        let batch = PendingBatch(
            topic: topic, partition: 0,
            records: records.map {
                TopicRecord(key: Array($0.key.utf8), value: Array($0.value.utf8), timestamp: time)
            })
        guard let batch else { return }
        try store.makeWriter().append([batch], mark: nil)
    }
}
