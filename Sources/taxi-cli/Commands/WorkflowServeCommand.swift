import CommandLine
import Database
import Foundation
import Glibc
import Monitoring
import Problems
import Shares
import Synchronization
import Topics
import Time
import Workflow

/// `workflow serve`: the scheduler.
enum WorkflowServeCommand {
    static let keepLogs = Option(
        "keep-logs", value: .value("TIME"), kind: .duration, default: "30d", configKey: "workflow.keep-logs",
        help: "serve and run --due take away logs of runs that ended longer ago; the history stays")

    static let command = Command(
        name: "serve", summary: "run workflows when they are due, until it is stopped",
        discussion: """
            One scheduler serves all tenants of a home (or only --tenant), and sees workflows that are new, changed or gone by itself. It starts \
            what is due, what trigger has queued and what alerts ask for, and goes on with runs whose process was killed. After SIGTERM or \
            Ctrl-C steps get SIGTERM, and the next scheduler goes on with their runs. A second scheduler of the same home or tenant ends with exit code 75.
            """,
        examples: [
            Example("taxi-cli workflow serve", "in the foreground, as a service runs it"),
            Example("taxi-cli workflow serve --keep-logs 7d", "with logs of a week"),
        ],
        options: [keepLogs, WatchService.listenOption], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let globals = try GlobalOptions(arguments)
        let isAll = !globals.isTenantNamed
        // The default tenant comes into being as for any command.
        try globals.prepareTenant(arguments.program)
        try globals.tenantHome.requireOurs()
        let lock = try ServeLock(home: globals.home, tenant: isAll ? nil : globals.tenantHome)
        defer { withExtendedLifetime(lock) {} }
        Interruption.install()
        let live = LiveSession(globals.tenantHome, command: "workflow serve", nowMs: systemTime())
        defer { live.end(nowMs: systemTime()) }
        let watch = try WatchService.beside(globals, arguments, isAll: isAll)
        defer { watch?.stop() }
        var services: [String: TenantService] = [:]
        WorkShare.ofProcess.ready()
        let whose = isAll ? "\"\(globals.home)\"" : "tenant \"\(globals.tenant)\""
        try arguments.say("the scheduler of \(whose) is at work; Ctrl-C stops it")
        while !Interruption.isRequested {
            let names = isAll ? try TenantHome.tenants(in: globals.home) : [globals.tenant]
            for name in names where services[name] == nil {
                let home = try globals.tenantHome.of(tenant: name)
                guard !isAll || Files.exists(home.workflows) else { continue }
                services[name] = TenantService(home, arguments)
            }
            for _ in 0..<10 where !Interruption.isRequested { usleep(500_000) }
        }
        try arguments.say("stopping: steps that run are ended, and their runs go on with the next scheduler")
        for service in services.values { service.join() }
        return .success
    }

    /// In which step a run failed, and why.
    private static func reason(_ run: StoredRun, _ session: WorkflowSession) -> String {
        let attempts = (try? session.openHistoryIfAny()?.attempts(of: run.id)) ?? []
        guard let failed = attempts.last(where: { $0.state == .failed }) else { return "" }
        return " in step \(failed.step): \(printable(failed.error ?? "no reason is known"))"
    }

    /// What happened, on a line.
    static func line(_ event: Scheduler.Event, _ session: WorkflowSession) -> String {
        let (tenant, names) = (session.globals.tenant, session.intervalNames())
        // Whoever reads a log of last week needs the offset, but no milliseconds.
        let iso = session.zone.iso(ms: systemTime())
        let time = iso.prefix(19) + iso.dropFirst(23)
        func name(_ run: StoredRun) -> String {
            run.workflow + (names(run).map { " \($0)" } ?? "") + " (\(run.id))"
        }
        switch event {
        case .began(let run): return "\(time) \(tenant): \(name(run)) begins, \(run.trigger)"
        case .ended(let run, let state):
            return "\(time) \(tenant): \(name(run)) \(state)\(state == "failed" ? reason(run, session) : "")"
        case .problem(let problem): return "\(problem)"
        case .notice(let text): return "\(time) \(tenant): \(text)"
        }
    }
}

/// One tenant's scheduler, on a thread of its own.
private final class TenantService: Sendable {
    private let ended = DispatchSemaphore(value: 0)

    init(_ tenant: TenantHome, _ arguments: ParsedArguments) {
        let thread = Thread { [ended] in
            var last = ""
            while !Interruption.isRequested {
                // One that was removed may be made again, but not by us.
                guard tenant.exists else {
                    usleep(500_000)
                    continue
                }
                do {
                    try Self.serve(tenant, arguments)
                } catch {
                    // A full disk or a lock held for long: it may be better the next time.
                    if "\(error)" != last { try? arguments.errors.writeLine("\(tenant.tenant): \(error)") }
                    last = "\(error)"
                    for _ in 0..<10 where !Interruption.isRequested { usleep(500_000) }
                }
            }
            ended.signal()
        }
        thread.name = "workflows of \(tenant.tenant)"
        thread.start()
    }

    func join() { ended.wait() }

    private static func serve(_ tenant: TenantHome, _ arguments: ParsedArguments) throws {
        let own = try settings(of: tenant, arguments)
        let session = try WorkflowSession(own)
        let history = try session.openHistory(arguments.program)
        let scheduler = Scheduler(
            folder: session.folder, history: history, surroundings: session.surroundings, logs: session.logs
        ) { event in
            try? arguments.say(WorkflowServeCommand.line(event, session))
        }
        try scheduler.run(keepLogsMs: own.durationMs("keep-logs") ?? 0, until: { Interruption.isRequested })
    }

    /// The command's options with the tenant's own taxi.yaml.
    private static func settings(of tenant: TenantHome, _ arguments: ParsedArguments) throws -> ParsedArguments {
        var words = ["workflow", "serve", "--tenant", tenant.tenant, "--home", tenant.home]
        if case .flag = arguments.origin("keep-logs") {
            words += ["--keep-logs"] + arguments.texts("keep-logs").suffix(1)
        }
        return try arguments.program.resolve(words, as: arguments)
    }
}
