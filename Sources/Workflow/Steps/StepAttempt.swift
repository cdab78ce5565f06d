internal import Foundation
internal import Glibc
internal import HTTP
internal import Problems

/// One attempt of a step while it goes on: what every kind of step works with. On a thread of its own, which it blocks.
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
    /// Of the clock that never jumps; nil for none.
    let deadline: ContinuousClock.Instant?

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

    func rows(_ count: Int) -> AttemptEnd {
        log.add(line: "\(count) rows")
        return AttemptEnd(state: .success, outputs: ["rows": "\(count)"])
    }

    /// Sends a request that ends where the step does, and hands its answer on, whatever the status.
    func send(_ request: HTTPRequest, then use: (HTTPResponse) throws -> AttemptEnd) throws -> AttemptEnd {
        var request = request
        // Rounded up: libcurl's clock must not be ahead of the deadline.
        if let deadline { request.timeoutMs = max(1, (deadline - .now).wholeMs + 1) }
        log.add(line: "\(request.method) \(request.place)")
        let response: HTTPResponse
        do throws(Problem) {
            response = try request.send(isStopped: isStopped)
        } catch {
            if isStopped() { return stopped }
            if let deadline, ContinuousClock.now >= deadline { return timedOut }
            throw error
        }
        log.add(line: "status \(response.status), \(response.bodyBytes) bytes")
        return try use(response)
    }

    /// Looks five times a second until `isThere`.
    func wait(for what: String, until isThere: () throws -> Bool) throws -> AttemptEnd {
        log.add(line: "waiting for \(what)")
        while try !isThere() {
            if isStopped() { return stopped }
            if let deadline, ContinuousClock.now >= deadline { return timedOut }
            usleep(200_000)
        }
        log.add(line: "there it is")
        return AttemptEnd(state: .success)
    }
}
