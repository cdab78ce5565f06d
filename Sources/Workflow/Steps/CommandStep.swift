extension StepAttempt {
    /// A program, whose last line and exit code are the outputs.
    func command(_ arguments: [String]) throws -> AttemptEnd {
        let child = ChildProcess(arguments: arguments, environment: try environment(), folder: folder)
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
        case .stopped: return stopped
        }
    }
}
