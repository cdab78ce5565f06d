internal import Foundation
internal import Glibc
internal import HTTP
internal import Problems

/// How one attempt of a step ended.
struct AttemptEnd: Sendable {
    var state: RunPlan.StepState
    /// One line.
    var error: String?
    /// Whether another attempt would fail alike: something is declared or set up wrong, which no wait mends.
    var isPermanent = false
    var outputs: [String: String] = [:]
}

/// One attempt of a step, and what every kind of step works with. It runs on a thread of its own, which it blocks.
struct StepAttempt {
    let step: StepSpec
    let values: TemplateValues
    let surroundings: StepSurroundings
    /// The workflow's own folder, at which relative paths begin.
    let folder: String
    let log: StepLog
    let isStopped: @Sendable () -> Bool
    /// Told the number of the step's process.
    let started: (Int32) throws -> Void
    /// Of the clock that never jumps; nil for none, and before it runs.
    private(set) var deadline: ContinuousClock.Instant?

    /// Does what the step says, to its end; an error is a failure with its message.
    func run() -> AttemptEnd {
        var attempt = self
        attempt.deadline = step.timeoutMs.map { ContinuousClock.now + .milliseconds($0) }
        defer { log.end() }
        var end: AttemptEnd
        do {
            // Looked at again: the scheduler that began the run may have been at work for a year.
            try step.requireOurs(in: folder)
            end = try step.action.run(attempt)
        } catch {
            let message = (error as? Problem).map { $0.message + ($0.hint.map { " (\($0))" } ?? "") } ?? "\(error)"
            // What was interrupted because it had to end says so in many ways.
            if let forced = attempt.forcedEnd {
                end = forced
            } else {
                log.add(line: message)
                let code = (error as? Problem)?.code
                end = AttemptEnd(
                    state: .failed, error: message, isPermanent: code == .configuration || code == .usage)
            }
        }
        // All of it goes to the database as well, where a secret has no more business than in the log.
        end.error = end.error.map(log.masked)
        for (key, value) in end.outputs where !Self.ownOutputs.contains(key) { end.outputs[key] = log.masked(value) }
        return end
    }

    /// Outputs that taxi-cli itself makes up: numbers and ids, in which a short secret could stand by chance.
    private static let ownOutputs: Set = ["exit", "rows", "bytes", "status", "run_id"]

    /// The template's text. What a secret file holds is kept out of the log from here on.
    ///
    /// - Throws: `Unfilled`, and `Problem` for a file that is no place for a secret.
    func fill(_ template: Template) throws -> String {
        var values = values
        for case (.file(let path), _) in template.references {
            let secret = try SecretFile.read(self.path(path))
            log.hide(secret)
            values.files[path] = secret
        }
        return try values.fill(template)
    }

    /// The path of a file that a template names. What a parameter, an alert or an earlier step fills in may name a file, but not climb
    /// out of the folder that the workflow's author wrote.
    ///
    /// - Throws: as `fill`, and `.badData` where a `..` or a leading `/` comes from there.
    func path(filling template: Template) throws -> String {
        var (text, isGiven): ([UInt8], [Bool]) = ([], [])
        for piece in template.pieces {
            let part = Array(try fill(Template(piece)).utf8)
            text += part
            isGiven += [Bool](repeating: piece.isGiven, count: part.count)
        }
        let name = String(decoding: text, as: UTF8.self)
        if text.first == UInt8(ascii: "/"), isGiven.first == true {
            throw Problem(
                .badData, "the path \"\(name)\" begins with a \"/\" that was filled in",
                hint: "A parameter may name a file below a folder, and no folder: write that into the workflow.")
        }
        var start = 0
        for part in text.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            let range = start..<start + part.count
            if part.elementsEqual("..".utf8), isGiven[range].contains(true) {
                throw Problem(
                    .badData, "the path \"\(name)\" has a \"..\" that was filled in",
                    hint: "A parameter may name a file below the folder, but none outside of it.")
            }
            start += part.count + 1
        }
        guard !text.contains(0) else { throw Problem(.badData, "a path cannot hold a NUL byte") }
        return path(name)
    }

    func path(_ name: String) -> String { name.hasPrefix("/") || folder.isEmpty ? name : "\(folder)/\(name)" }

    /// The variables that the step sees: those of taxi-cli, and its own over them.
    func environment() throws -> [String: String] {
        var environment = surroundings.environment
        for (name, template) in step.environment { environment[name] = try fill(template) }
        return environment
    }

    var timedOut: AttemptEnd {
        let message = "took longer than \(step.timeoutMs ?? 0) ms"
        log.add(line: message)
        return AttemptEnd(state: .failed, error: message)
    }

    var stopped: AttemptEnd { AttemptEnd(state: .cancelled, error: "was stopped") }

    var isOverdue: Bool { deadline.map { ContinuousClock.now >= $0 } ?? false }

    /// How it ends because it has to end now; nil where it may go on.
    var forcedEnd: AttemptEnd? { isStopped() ? stopped : isOverdue ? timedOut : nil }

    func rows(_ count: Int) -> AttemptEnd {
        log.add(line: "\(count) rows")
        return AttemptEnd(state: .success, outputs: ["rows": "\(count)"])
    }

    /// Sends a request that ends where the step does, and hands its answer on, whatever the status.
    func send(_ request: HTTPRequest, then use: (HTTPResponse) throws -> AttemptEnd) throws -> AttemptEnd {
        var request = request
        // Rounded up: libcurl's clock must not be ahead of the deadline.
        let began = ContinuousClock.now
        if let deadline { request.timeoutMs = max(1, (deadline - began).wholeMs + 1) }
        log.add(line: "\(request.method) \(request.place)")
        let response: HTTPResponse
        do throws(Problem) {
            response = try request.send(isStopped: { isStopped() || isOverdue })
        } catch {
            if let end = forcedEnd { return end }
            // libcurl's clock is not set right little by little as the system's is, so that its time may be over first.
            if let deadline, (deadline - .now) * 100 < deadline - began + .milliseconds(500) { return timedOut }
            throw error
        }
        log.add(line: "status \(response.status), \(response.bodyBytes) bytes")
        return try use(response)
    }

    /// Runs `body`; what it does on the connections that it hands over ends when the step has to.
    func interruptible<Result>(_ body: (StepInterruption) throws -> Result) throws -> Result {
        let interruption = StepInterruption(isStopped: isStopped, deadline: deadline)
        defer { interruption.end() }
        var result: Result?
        try surroundings.inTurns { result = try body(interruption) }
        guard let result else { preconditionFailure("inTurns calls its argument") }
        return result
    }

    /// Looks five times a second until `isThere`.
    func wait(for what: String, until isThere: () throws -> Bool) throws -> AttemptEnd {
        log.add(line: "waiting for \(what)")
        while try !isThere() {
            if let end = forcedEnd { return end }
            usleep(200_000)
        }
        log.add(line: "there it is")
        return AttemptEnd(state: .success)
    }
}
