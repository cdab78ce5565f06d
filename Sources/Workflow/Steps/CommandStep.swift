internal import Foundation
internal import Problems
internal import YAML

/// `shell: [PROGRAM, ARGUMENT, …]`: a program and its arguments; no shell reads them.
struct CommandStep: StepAction {
    static let kind = "shell"
    static let outputs = ["exit", "output"]
    static let declared = StepKind(kind) { (declaration) throws(Problem) in try CommandStep(declaration.value) }
    /// Programs that run the file that is named first behind them.
    private static let interpreters: Set = ["sh", "bash", "dash", "zsh", "python", "python3", "perl", "ruby", "node"]

    private let words: [Template]

    init(_ node: YAMLNode) throws(Problem) {
        let items = try node.items()
        guard !items.isEmpty else { throw node.unexpected("a program and its arguments") }
        var words: [Template] = []
        for item in items { words.append(try item.template(isCommand: true)) }
        self.words = words
    }

    var templates: [Template] { words }

    func text(_ values: TemplateValues) -> String {
        words.map { shellWord(values.fillKnown($0)) }.joined(separator: " ")
    }

    func scripts(in folder: String) -> [String] {
        let texts = words.map { $0.references.isEmpty ? $0.source : nil }
        guard let program = texts[0] else { return [] }
        var names = program.contains("/") ? [program] : []
        let name = (program as NSString).lastPathComponent
        if Self.interpreters.contains(name), texts.count > 1, let script = texts[1], !script.hasPrefix("-") {
            names.append(script)
        }
        return names.map { name in
            if name.hasPrefix("/") || folder.isEmpty { return name }
            return "\(folder)/\(name.hasPrefix("./") ? String(name.dropFirst(2)) : name)"
        }
    }

    func run(_ attempt: StepAttempt) throws -> AttemptEnd { try attempt.command(words.map(attempt.fill)) }
}

/// `sh: LINE`: a line for `/bin/sh -c`.
struct ShellStep: StepAction {
    static let kind = "sh"
    static let outputs = CommandStep.outputs
    static let declared = StepKind(kind) { (declaration) throws(Problem) in
        ShellStep(line: try declaration.value.template(isCommand: true))
    }

    let line: Template

    var templates: [Template] { [line] }

    func run(_ attempt: StepAttempt) throws -> AttemptEnd {
        try attempt.command(["/bin/sh", "-c", attempt.fill(line)])
    }
}

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
