import Batch
import CommandLine
import Database
import Foundation
import ML
import Monitoring
import Problems
import SQLite
import Stream
import Telemetry
import Topics
import Time

/// A tenant's models and what they work with.
struct MLSession: Sendable {
    let globals: GlobalOptions
    let zone: ZoneClock

    init(_ arguments: ParsedArguments) throws {
        globals = try GlobalOptions(arguments)
        zone = try ZoneClock(identifier: globals.zoneIdentifier)
    }

    init(_ globals: GlobalOptions) throws {
        self.globals = globals
        zone = try ZoneClock(identifier: globals.zoneIdentifier)
    }

    /// Where the models are declared.
    var path: String { Self.path(globals) }

    static func path(_ globals: GlobalOptions) -> String { "\(globals.tenantFolder)/ml.yaml" }

    /// - Throws: what `ModelCatalog.load` throws, besides that there is no file: that means no models.
    func models() throws -> [ModelSpec] {
        do throws(Problem) {
            return try ModelCatalog.load(path: path, zone: globals.zoneIdentifier, names: Self.names(globals))
        } catch {
            guard error.code == .noInput, !Files.exists(path) else { throw error }
            try globals.requireTenant()
            return []
        }
    }

    /// What the models' names may mean; where the declarations of queries have mistakes, `stream` tells of them.
    private static func names(_ globals: GlobalOptions) -> ModelNames {
        var names = ModelNames()
        guard let plans = try? globals.declaredQueries([AnalyticsQueries.name]) else { return names }
        for plan in plans { names.topics[plan.topicSuffix] = "the results of query \(plan.name)" }
        var views = plans.map(\.table) + Array(AnalysisCatalog.names(folder: globals.analysesPath).keys)
        do {
            if let database = try ResultsDatabase.openReadOnlyIfAny(path: globals.resultsPath) {
                views += try database.connection.rows("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
                {
                    (row) throws(SQLiteError) in row.text(0)
                }
            }
        } catch { return names }
        names.views = Set(views.map { $0.lowercased() })
        return names
    }

    /// - Throws: `.noPermission` where others can say whom the tenant's rows and secrets are sent to.
    func requireOurs() throws(Problem) {
        if globals.tenantHome.exists { try globals.tenantHome.requireOurs() }
        if Files.exists(path) { try Files.requireOurs(path, "the file") }
    }

    /// - Throws: `.usage` for a model that is not declared, with the nearest.
    func model(_ name: String) throws -> ModelSpec {
        let models = try models()
        if let model = models.first(where: { $0.name == name }) { return model }
        let near = nearestName(to: name, among: models.map(\.name)).map { "Did you mean \"\($0)\"?" }
        throw Problem(
            .usage, "no model is called \"\(name)\"",
            hint: near ?? (models.isEmpty ? "Declare models in \"\(path)\"." : "taxi-cli ml list shows them."))
    }

    func surroundings(_ metrics: LiveMetrics? = nil) -> ModelSurroundings {
        let globals = globals
        var surroundings = ModelSurroundings(
            tenant: globals.tenant, environment: ProcessInfo.processInfo.environment, now: { systemTime() },
            openTopics: { try globals.openTopics() })
        if let metrics {
            surroundings.count = { model, outcome in
                metrics.counter(.mlRequests, ["model": model, "outcome": outcome]).add()
            }
        }
        return surroundings
    }

    /// One pass over a model's source, on a database of its own and under its lock.
    func pass(
        _ spec: ModelSpec, _ metrics: LiveMetrics?, again: (all: Bool, setAside: Bool) = (false, false),
        onProgress: @escaping (PassSummary) -> Void = { _ in }, _ isStopped: @escaping @Sendable () -> Bool
    ) throws -> PassSummary {
        let lock = try PassLock(
            folder: globals.tenantFolder, name: "model-\(spec.name)",
            busy: "model \"\(spec.name)\" is at work already, in another process")
        defer { withExtendedLifetime(lock) {} }
        let database = try ResultsDatabase(path: globals.resultsPath, zone: globals.zoneIdentifier)
        if again.all || again.setAside {
            _ = try ModelStore(database.connection).forget(spec.name, setAside: !again.all)
        }
        let run = ModelRun(spec, database, surroundings(metrics))
        run.onProgress = onProgress
        return try run.pass(isStopped)
    }

    /// What is known of the models that have run, by name.
    func statuses() throws -> [String: ModelStatus] {
        guard let database = try globals.openResultsIfAny() else { return [:] }
        let all = try explaining("reading what is known of models") { try ModelStatus.all(on: database.connection) }
        return Dictionary(uniqueKeysWithValues: all.map { ($0.model, $0) })
    }
}

extension CompletedNames {
    static let models: Option.Names = { line, _ in try MLSession(line).models().map(\.name) }
}
