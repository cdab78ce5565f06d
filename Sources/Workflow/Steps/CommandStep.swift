internal import Problems

extension StepAttempt {
    /// A program, whose last line and exit code are the outputs.
    func command(_ arguments: [String]) throws -> AttemptEnd {
        let environment = try environment()
        for text in arguments + environment.values where text.utf8.contains(0) {
            throw Problem(.badData, "a program cannot be given a NUL byte, which is in \"\(text.prefix(80))\"")
        }
        let child = ChildProcess(arguments: arguments, environment: environment, folder: folder)
        let end = try child.run(deadline: deadline, isStopped: isStopped, log: log, started: started)
        surroundings.programEnded()
        if end == .timedOut || end == .stopped, let run = values.runID {
            // What has left the group of the program, such as a service that it started, belongs to the step all the same.
            do throws(Problem) { try LeftProcesses.end(of: run, step: step.name) } catch {
                log.add(line: error.message)
            }
        }
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
