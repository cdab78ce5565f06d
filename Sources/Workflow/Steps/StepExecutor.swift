internal import Foundation
internal import Glibc
internal import Problems
internal import SQLite
public import Trips

/// What steps need of the world around them.
public struct StepSurroundings: Sendable {
    /// Runs an analysis: its name (or all), the kind of period, the periods; gives the number of rows.
    public typealias Batch =
        @Sendable (_ analysis: String, _ by: String?, _ period: String?) throws -> Int

    public var resultsPath: String
    public var environment: [String: String]
    public var now: @Sendable () -> EventTime
    /// The feature above this one that a batch step stands for; features do not import each other.
    public var batch: Batch

    public init(
        resultsPath: String, environment: [String: String], now: @escaping @Sendable () -> EventTime,
        batch: @escaping Batch
    ) {
        (self.resultsPath, self.environment, self.now, self.batch) = (resultsPath, environment, now, batch)
    }
}

/// How one attempt of a step ended.
struct AttemptEnd: Sendable {
    var state: RunPlan.StepState
    /// One line.
    var error: String?
    var outputs: [String: String] = [:]
}

/// Runs one attempt of one step; on a thread of its own, which it blocks.
struct StepExecutor {
    let step: StepSpec
    let values: TemplateValues
    let surroundings: StepSurroundings
    /// The workflow's own folder, in which its programs run.
    let folder: String
    let log: StepLog
    let isStopped: @Sendable () -> Bool
    let started: (Int32) throws -> Void

    func run() -> AttemptEnd {
        do {
            let deadline = step.timeoutMs.map { ContinuousClock.now + .milliseconds($0) }
            switch step.action {
            case .shell(let line): return try command(["/bin/sh", "-c", values.fill(line)], deadline)
            case .command(let words):
                return try command(words.map { (word) throws(Unfilled) in try values.fill(word) }, deadline)
            case .sqlFile(let path): return try sql(path)
            case .batch(let analysis, let by, let period):
                let rows = try surroundings.batch(
                    analysis, by, period.map { (text) throws(Unfilled) in try values.fill(text) })
                log.add(line: "\(rows) rows")
                return AttemptEnd(state: .success, outputs: ["rows": "\(rows)"])
            case .waitForFile(let template):
                let name = try values.fill(template)
                let path = name.hasPrefix("/") || folder.isEmpty ? name : "\(folder)/\(name)"
                return try wait(for: "file \"\(path)\"", deadline) { access(path, F_OK) == 0 }
            case .waitForRow(let template): return try waitForRow(values.fill(template), deadline)
            }
        } catch {
            let message = (error as? Problem).map { $0.message + ($0.hint.map { " (\($0))" } ?? "") } ?? "\(error)"
            log.add(line: message)
            return AttemptEnd(state: .failed, error: message)
        }
    }

    private func command(_ arguments: [String], _ deadline: ContinuousClock.Instant?) throws -> AttemptEnd {
        var environment = surroundings.environment
        for (name, template) in step.environment { environment[name] = try values.fill(template) }
        let child = ChildProcess(arguments: arguments, environment: environment, folder: folder)
        let end = try child.run(deadline: deadline, isStopped: isStopped, log: log, started: started)
        let last = log.lastLine
        switch end {
        case .exit(0):
            return AttemptEnd(state: .success, outputs: ["exit": "0", "output": String(last.prefix(1000))])
        case .exit(let code):
            let said = last.isEmpty ? "" : ": \(last.prefix(200))"
            return AttemptEnd(
                state: .failed, error: "ended with exit code \(code)\(said)", outputs: ["exit": "\(code)"])
        case .signal(let signal): return AttemptEnd(state: .failed, error: "was ended by signal \(signal)")
        case .timedOut: return timedOut
        case .stopped: return AttemptEnd(state: .cancelled, error: "was stopped")
        }
    }

    private var timedOut: AttemptEnd {
        let message = "took longer than \(step.timeoutMs ?? 0) ms"
        log.add(line: message)
        return AttemptEnd(state: .failed, error: message)
    }

    /// The whole file in one transaction; `rows` counts the rows that it changed.
    private func sql(_ path: String) throws -> AttemptEnd {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let connection = try Connection(path: surroundings.resultsPath)
        do {
            let rows = try connection.transaction {
                let before = try connection.value("SELECT total_changes()")?.integer ?? 0
                try connection.execute(text)
                return (try connection.value("SELECT total_changes()")?.integer ?? 0) - before
            }
            log.add(line: "\(rows) rows")
            return AttemptEnd(state: .success, outputs: ["rows": "\(rows)"])
        } catch let error as SQLiteError where error.code == .statement || error.code == .constraint {
            throw Problem(.badData, "\"\(path)\": \(error.message)")
        }
    }

    private func waitForRow(_ sql: String, _ deadline: ContinuousClock.Instant?) throws -> AttemptEnd {
        let connection = try Connection(path: surroundings.resultsPath, access: .readOnly)
        return try wait(for: "a row of \(sql)", deadline) {
            do throws(SQLiteError) { return try connection.value(sql) != nil } catch {
                if error.code == .busy { return false }
                throw Problem(.badData, "\(sql): \(error.message)")
            }
        }
    }

    private func wait(
        for what: String, _ deadline: ContinuousClock.Instant?, until isThere: () throws -> Bool
    ) throws -> AttemptEnd {
        log.add(line: "waiting for \(what)")
        while try !isThere() {
            if isStopped() { return AttemptEnd(state: .cancelled, error: "was stopped") }
            if let deadline, ContinuousClock.now >= deadline { return timedOut }
            usleep(200_000)
        }
        log.add(line: "there it is")
        return AttemptEnd(state: .success)
    }
}
