public import Problems

extension WorkflowSpec {
    /// What is wrong with the files of secrets that its steps name and that are there: a file that others may read is refused when
    /// the step runs, and better known before. One that is not there may come with the machine that runs the workflow.
    public var secretProblems: [Problem] {
        var paths: [String] = []
        for template in steps.flatMap(\.templates) {
            for (reference, _) in template.references {
                guard case .file(let name) = reference else { continue }
                let path = name.hasPrefix("/") || folder.isEmpty ? name : "\(folder)/\(name)"
                if !paths.contains(path) { paths.append(path) }
            }
        }
        return paths.filter { Files.exists($0) }.compactMap { path in
            do throws(Problem) {
                _ = try SecretFile.read(path)
                return nil
            } catch {
                var problem = error
                problem.message = "\(file): \(problem.message)"
                return problem
            }
        }
    }
}
