internal import Foundation
public import Problems

extension WorkflowSpec {
    /// Sees that nobody but root and this process's user says what is run: by the workflow's file, the scripts of its steps, or by putting
    /// others in their places.
    ///
    /// - Throws: `.noPermission` with what to do; `.noInput` where the file is gone.
    func requireOurs() throws(Problem) {
        try Self.requireOurs(file, "the workflow")
        for step in steps { try step.requireOurs(in: folder) }
        if case .notify(let step) = onFailure { try step.requireOurs(in: folder) }
    }

    /// A file and the folder that it lies in.
    static func requireOurs(_ file: String, _ what: String) throws(Problem) {
        try Files.requireOurs(file, what)
        try Files.requireOurs(Files.folder(of: file), "the folder of \(what)", allowsSticky: true)
    }
}

extension WorkflowFolder {
    /// Sees that nobody else can put something into the folder, or into what its workflows share.
    ///
    /// - Throws: as `WorkflowSpec.requireOurs`.
    public func requireOurs() throws(Problem) {
        if Files.exists(path) { try Files.requireOurs(path, "the folder of workflows") }
        let shared = "\(path)/\(Self.sharedFile)"
        if Files.exists(shared) { try Files.requireOurs(shared, "the file") }
    }
}

extension StepSpec {
    /// Programs that run the file that is named first behind them.
    private static let interpreters: Set = ["sh", "bash", "dash", "zsh", "python", "python3", "perl", "ruby", "node"]

    /// The files that say what the step does, as far as they are known before it begins.
    private func scripts(in folder: String) -> [String] {
        switch action {
        case .sqlFile(let path): return [path]
        case .command(let words):
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
        default: return []
        }
    }

    /// - Parameter folder: the workflow's own.
    /// - Throws: `.noPermission` where others can say what a script of the step does.
    func requireOurs(in folder: String) throws(Problem) {
        // One that is not there is the step's to tell.
        for script in scripts(in: folder) where Files.exists(script) {
            try WorkflowSpec.requireOurs(script, "the script")
        }
    }
}
