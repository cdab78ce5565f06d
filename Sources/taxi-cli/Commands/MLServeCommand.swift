import CommandLine
import Database
import Foundation
import Glibc
import ML
import Monitoring
import Problems
import SQLite
import Shares
import Synchronization
import Telemetry
import Topics
import Time

/// `ml serve`: asks models when they are due.
enum MLServeCommand {
    static let command = Command(
        name: "serve", summary: "ask models when they are due or their results come, until it is stopped",
        discussion: """
            Each model has a thread of its own: one whose service is slow or away holds up nobody else, and no stream. A service that fails again and \
            again is left alone for a while. Changes of ml.yaml are seen by themselves; one with mistakes is told of, and the models stay as they were. \
            A second one for the same tenant ends with exit code 75.
            """,
        examples: [
            Example("taxi-cli ml serve", "in the foreground, as a service runs it"),
            Example("taxi-cli ml serve --listen 127.0.0.1:9464", "with /metrics and /healthz beside"),
        ], options: [WatchService.listenOption], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let session = try MLSession(arguments)
        try session.globals.prepareTenant(arguments.program)
        try session.requireOurs()
        let lock = try PassLock(
            folder: session.globals.tenantFolder, name: "serve",
            busy: "the models of tenant \"\(session.globals.tenant)\" are served already, by another process")
        defer { withExtendedLifetime(lock) {} }
        var models = try session.models()
        Interruption.install()
        let live = LiveSession(session.globals.tenantHome, command: "ml serve", nowMs: systemTime())
        defer { live.end(nowMs: systemTime()) }
        let watch = try WatchService.beside(session.globals, arguments)
        defer { watch?.stop() }
        var seen = stamp(session.path)
        var served = models.map { ServedModel($0, session, live.metrics, arguments) }
        WorkShare.ofProcess.ready()
        try arguments.say(
            "\(models.count) models of tenant \"\(session.globals.tenant)\" are served; Ctrl-C stops it")
        while !Interruption.isRequested {
            usleep(500_000)
            let now = stamp(session.path)
            if now == seen { continue }
            seen = now
            do {
                models = try session.models()
                for model in served { model.stop() }
                for model in served { model.join() }
                served = models.map { ServedModel($0, session, live.metrics, arguments) }
                try arguments.say("ml.yaml was read again: \(models.count) models")
            } catch {
                try arguments.errors.writeLine("\(error)")
                try arguments.say("the models stay as they were")
            }
        }
        try arguments.say("stopping: what was sent and not answered is sent again by the next")
        for model in served { model.stop() }
        for model in served { model.join() }
        return .success
    }

    /// Tells a file from what it was before.
    private static func stamp(_ path: String) -> [Int] {
        var status = stat()
        guard stat(path, &status) == 0 else { return [] }
        return [Int(status.st_ino), Int(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
    }
}

/// One model, on a thread of its own.
private final class ServedModel: Sendable {
    private let spec: ModelSpec
    private let session: MLSession
    private let metrics: LiveMetrics
    private let arguments: ParsedArguments
    private let isStopped = Atomic(false)
    private let ended = DispatchSemaphore(value: 0)
    private let told = Mutex("")

    init(_ spec: ModelSpec, _ session: MLSession, _ metrics: LiveMetrics, _ arguments: ParsedArguments) {
        (self.spec, self.session, self.metrics, self.arguments) = (spec, session, metrics, arguments)
        let thread = Thread { [self] in
            run()
            ended.signal()
        }
        thread.name = "model \(spec.name)"
        thread.start()
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }
    func join() { ended.wait() }

    private var isEnding: Bool { isStopped.load(ordering: .relaxed) || Interruption.isRequested }

    private func run() {
        if case .byHand = spec.trigger { return }
        var watched: (connection: Connection, version: Int64?)?
        var readyAt: EventTime = 0
        let since = systemTime()
        // A pass that finds nothing new writes nothing.
        var passed: EventTime?
        while !isEnding {
            do {
                let now = systemTime()
                if now >= readyAt, try isDue(now, passed, since, &watched) {
                    let began = monotonicMs()
                    try pass()
                    passed = systemTime()
                    // Where results change all the time, a fifth of the time is enough for looking through them.
                    readyAt = systemTime() + max(1000, 4 * min(monotonicMs() - began, 60_000))
                }
            } catch {
                say("\(error)")
                readyAt = systemTime() + 30_000
            }
            for _ in 0..<5 where !isEnding { usleep(50_000) }
        }
    }

    private func isDue(
        _ now: EventTime, _ passed: EventTime?, _ since: EventTime,
        _ watched: inout (connection: Connection, version: Int64?)?
    ) throws -> Bool {
        guard let database = try ResultsDatabase.openReadOnlyIfAny(path: session.globals.resultsPath) else {
            return false
        }
        let status = try ModelStatus.all(on: database.connection).first { $0.model == spec.name }
        if let until = status?.openUntil, until > now { return false }
        // What was left in doubt does not wait for its time.
        if let status, status.failures > 0 || status.batchesInDoubt > 0 { return true }
        guard case .result(let name) = spec.trigger else {
            let last = [passed, status?.passed].compactMap { $0 }.max()
            return spec.due(after: last, since: since).map { $0 <= now } ?? false
        }
        if let connection = watched?.connection, (try? connection.requireFile()) == nil { watched = nil }
        let connection = watched?.connection ?? database.connection
        let version = try connection.dataVersion()
        if watched?.version == version { return false }
        watched = (connection, version)
        // A query that has not stored anything yet has no view.
        return try connection.value("SELECT 1 FROM sqlite_schema WHERE lower(name) = lower(?)", .text(name)) != nil
    }

    private func pass() throws {
        let summary: PassSummary
        do {
            summary = try WorkShare.ofProcess.computing {
                try session.pass(spec, metrics) { [self] in isEnding }
            }
        } catch let problem as Problem where problem.code == .tryAgain {
            return
        }
        if let reason = summary.away { return say("\(spec.name): left alone for a while: \(reason)") }
        if let reason = summary.setAsideReason {
            say("\(spec.name): \(summary.setAside) rows were set aside: \(reason)")
        } else if let reason = summary.unusableReason {
            say("\(spec.name): \(summary.unusable) rows cannot be sent: \(reason)")
        } else {
            told.withLock { $0 = "" }
        }
    }

    /// What is the same as before is told once.
    private func say(_ line: String) {
        let isNew = told.withLock { told in
            defer { told = line }
            return told != line
        }
        if isNew { try? arguments.errors.writeLine(line) }
    }
}
