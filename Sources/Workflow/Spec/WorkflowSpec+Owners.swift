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
    /// - Parameter folder: the workflow's own.
    /// - Throws: `.noPermission` where others can say what a script of the step does.
    func requireOurs(in folder: String) throws(Problem) {
        // One that is not there is the step's to tell.
        for script in action.scripts(in: folder) where Files.exists(script) {
            try WorkflowSpec.requireOurs(script, "the script")
        }
    }
}
