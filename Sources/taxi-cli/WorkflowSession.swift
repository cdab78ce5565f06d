import CommandLine
import Database
import Foundation
import Monitoring
import Problems
import Telemetry
import Topics
import Time
import Workflow

/// What the `workflow` commands open: where a tenant's workflows, their history and logs are.
struct WorkflowSession {
    let globals: GlobalOptions
    let zone: ZoneClock
    let folder: WorkflowFolder
    let logs: RunLogs
    let environment: [String: String]

    init(_ arguments: ParsedArguments) throws {
        try self.init(GlobalOptions(arguments), environment: arguments.environment)
    }

    init(_ globals: GlobalOptions, environment: [String: String]) throws {
        self.globals = globals
        zone = try ZoneClock(identifier: globals.zoneIdentifier)
        folder = globals.workflowFolder
        logs = RunLogs(folder: "\(globals.workflowsFolder)/.logs")
        self.environment = environment
    }

    /// The history for a command that runs something; the tenant's folder and database come into being.
    ///
    /// - Throws: `.noPermission` where others can say what is run.
    func openHistory(_ program: Program) throws -> RunHistory {
        try globals.prepareTenant(program)
        try globals.tenantHome.requireOurs()
        try folder.requireOurs()
        return try RunHistory(ResultsDatabase(path: globals.resultsPath, zone: globals.zoneIdentifier))
    }

    /// The history for a command that only looks; nil where nothing has run yet.
    func openHistoryIfAny() throws -> RunHistory? { try globals.openResultsIfAny().map { try RunHistory($0) } }

    /// - Throws: `.noInput` where nothing has run yet.
    func requireHistory() throws -> RunHistory {
        if let history = try openHistoryIfAny() { return history }
        throw Problem(
            .noInput, "no workflow of tenant \"\(globals.tenant)\" has run yet",
            hint: "taxi-cli workflow run NAME runs one, taxi-cli workflow serve all that are due.")
    }

    /// The workflow of a run, by the file that it was run from.
    func spec(of run: StoredRun) throws -> WorkflowSpec {
        let spec = try folder.load(run.file)
        guard spec.name == run.workflow else {
            throw Problem(
                .noInput, "\"\(run.file)\" holds workflow \"\(spec.name)\" now, not \"\(run.workflow)\"",
                hint: "Put the workflow back where it was when the run began.")
        }
        return spec
    }

    /// What steps find around them. Programs see the same home and tenant, so that a taxi-cli among them works on them too.
    var surroundings: StepSurroundings {
        var environment = environment
        environment["TAXI_HOME"] = globals.home
        environment["TAXI_TENANT"] = globals.tenant
        let features = StepFeatures(globals: globals)
        var surroundings = StepSurroundings(
            resultsPath: globals.resultsPath, environment: environment, now: { systemTime() },
            batch: { try features.batch($0, by: $1, period: $2, $3) })
        surroundings.heldJumpMs = { SystemClock.heldJumpMs }
        features.equip(&surroundings)
        let home = globals.tenantHome
        surroundings.countModelRequest = { model, isAnswered in
            // What is not counted costs no step.
            try? MetricsDatabase(home).count(
                .mlRequests, [.init("model", model), .init("outcome", isAnswered ? "success" : "failed")])
        }
        return surroundings
    }

    /// Says that the scheduler's notes on a workflow were made by a clock that ran ahead.
    func warnIfAhead(_ spec: WorkflowSpec, in history: RunHistory?, _ arguments: ParsedArguments) throws {
        guard let until = try history?.enteredAhead(spec, now: systemTime()) else { return }
        try arguments.say(
            "warning: \(spec.name) was looked at by a clock that ran ahead, until \(spec.zone.iso(ms: until)); "
                + "taxi-cli workflow serve, or workflow run --due, takes that back")
    }

    /// The time of an option that may be without an offset, which is wall time of `zone`.
    func time(_ text: TimeText?, in zone: ZoneClock) -> EventTime? {
        text.map { $0.utcMs { zone.utcMs(localSeconds: $0) } }
    }
}
