import Batch
import CommandLine
import Database
import ML
import Postgres
import Problems
import Publish
import Reports
import Shares
import Topics
import Time
import Workflow

extension GlobalOptions {
    /// The tenant's workflows, whose steps may name its declared analyses and models.
    var workflowFolder: WorkflowFolder {
        let (analyses, models, zone) = (analysesPath, MLSession.path(self), zoneIdentifier)
        var vocabulary = StepVocabulary()
        vocabulary.analyses = .init(path: analyses) { () throws(Problem) in
            try AnalysisCatalog.load(folder: analyses).map(\.name)
        }
        vocabulary.models = .init(path: models) { () throws(Problem) in
            try ModelCatalog.load(path: models, zone: zone).map(\.name)
        }
        vocabulary.checkPeriods = { (text) throws(Problem) in _ = try PeriodSelection(text) }
        return WorkflowFolder(path: workflowsFolder, zone: zone, vocabulary: vocabulary)
    }
}

/// What steps of workflows stand for, of the features that only the commands know.
struct StepFeatures: Sendable {
    let globals: GlobalOptions

    /// Gives the steps all of it.
    func equip(_ surroundings: inout StepSurroundings) {
        surroundings.inTurns = { try WorkShare.ofProcess.computing($0) }
        surroundings.programEnded = { WorkShare.ofProcess.countPrograms() }
        surroundings.report = { try report(by: $0, period: $1, $2) }
        surroundings.publish = { try publish($0, $1) }
        surroundings.records = { try records(of: $0) }
        surroundings.appendRecords = { try append($1, to: "\(globals.tenant)_\($0)", at: $2) }
        surroundings.openWorkflow = { try openWorkflow($0) }
        surroundings.askModel = { try askModel($0, $1) }
    }

    /// A batch step: what `taxi-cli batch` does, or a part of it, on a database of its own, since steps have threads of their own.
    ///
    /// - Returns: rows of the analysis; of `extract` the trips, of `preprocess` the days.
    func batch(_ analysis: String, by: String?, period: String?, _ interruption: StepInterruption) throws -> Int {
        let database = try ResultsDatabase(path: globals.resultsPath, zone: globals.zoneIdentifier)
        interruption.watch(database.connection)
        let kinds = by.flatMap { PeriodKind(rawValue: $0) }.map { [$0] }
        let selection = try PeriodSelection(period ?? "all")
        let runner = BatchRunner(
            database, zone: try ZoneClock(identifier: globals.zoneIdentifier), isStopped: { interruption.isDue })
        switch analysis {
        case "extract": return try runner.extract(kinds: kinds, periods: selection)
        case "preprocess": return try runner.preprocess(kinds: kinds, periods: selection)
        default: break
        }
        let (analyses, options) = try BatchCommand.plan(["all"].contains(analysis) ? [] : [analysis], globals)
        let summary = try BatchRunner.recorded(in: database, now: { systemTime() }) {
            try runner.run(analyses: analyses, kinds: kinds, periods: selection, options: options)
        }
        return (analyses.map(\.view) + options.declared.map(\.name)).reduce(0) { $0 + (summary.rows[$1] ?? 0) }
    }

    private func report(by: String?, period: String?, _ interruption: StepInterruption) throws -> String {
        let database = try ResultsDatabase.openReadOnly(path: globals.resultsPath)
        interruption.watch(database.connection)
        let zone = try database.zone
        let selection = try ReportCommand.selection(
            by: PeriodKind(rawValue: by ?? "month") ?? .month, PeriodSelection(period ?? "all"))
        return try Report(
            database.connection, selection: selection, tenant: globals.tenant,
            made: try ZoneClock(identifier: zone).iso(ms: systemTime()), zone: zone,
            own: OwnTables.declared(by: globals)
        ).html
    }

    private func publish(_ request: PublishRequest, _ interruption: StepInterruption) throws -> (Int, [String]) {
        var job = try PublishJob(globals, PostgresURL(request.url), views: request.views)
        job.password = request.password
        job.options.reader = request.reader
        job.isStopped = { interruption.isDue }
        job.opened = { interruption.watch($0) }
        let summary = try job.run()
        let lines = summary.changed.map { "\($0.name): \($0.written) rows written, \($0.deleted) deleted" }
        return (summary.written + summary.deleted, summary.notes + lines)
    }

    /// 0 for a topic that is not there yet.
    private func records(of topic: String) throws -> Int64 {
        guard let store = try globals.openTopicsIfAny() else { return 0 }
        for name in [topic, "\(globals.tenant)_\(topic)"] where try store.hasTopic(name) {
            return try store.describe(name).partitions.reduce(0) { $0 + $1.endOffset }
        }
        return 0
    }

    private func append(_ records: [(key: String, value: String)], to topic: String, at time: EventTime) throws {
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

    /// - Throws: `.unavailable` where the service is left alone for a while.
    private func askModel(_ name: String, _ interruption: StepInterruption) throws -> Int {
        let session = try MLSession(globals)
        try session.requireOurs()
        let summary = try session.pass(session.model(name), nil) { interruption.isDue }
        if let reason = summary.away { throw Problem(.unavailable, "model \"\(name)\": \(reason)") }
        if let reason = summary.setAsideReason {
            throw Problem(.badData, "model \"\(name)\": \(summary.setAside) rows were set aside: \(reason)")
        }
        return summary.answered
    }

    private func openWorkflow(_ name: String) throws -> (spec: WorkflowSpec, history: RunHistory, logs: RunLogs) {
        let spec = try globals.workflowFolder.load(name)
        let database = try ResultsDatabase(path: globals.resultsPath, zone: globals.zoneIdentifier)
        return (spec, try RunHistory(database), RunLogs(folder: "\(globals.workflowsFolder)/.logs"))
    }
}
