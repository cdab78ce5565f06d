internal import Database
internal import Foundation
internal import Glibc
internal import Problems
internal import YAML

/// `workflow: NAME` with `params`: runs another workflow of the same folder to its end; `run_id` is its output.
///
/// One that has a schedule is run for its newest interval that is due. An interval has one run for ever: where that one succeeded
/// the step is content with it, where it failed it goes on with it. So it is with what an earlier attempt of the step has left
/// behind, by a failure or because its process was killed. A run that somebody else has under way is waited for.
struct WorkflowStep: StepAction {
    static let kind = "workflow"
    static let outputs = ["run_id"]
    static let declared = StepKind(kind, keys: ["params"]) { (declaration) throws(Problem) in
        try WorkflowStep(declaration.value, of: declaration.step, declaration.calls)
    }

    let name: String
    let params: [(name: String, value: Template)]

    init(_ node: YAMLNode, of step: YAMLNode, _ calls: WorkflowCalls) throws(Problem) {
        name = try SpecReader.identifier(node, of: "workflow")
        var params: [(name: String, value: Template)] = []
        for entry in try step["params"]?.entries() ?? [] {
            let value = try entry.value.template()
            let isSecret = value.references.contains { if case .file = $0.reference { true } else { false } }
            guard !isSecret else {
                throw entry.value.problem(
                    "a secret cannot be a parameter, which is written into the history",
                    hint: "Let the workflow \"\(name)\" name the file itself.")
            }
            params.append((entry.name, value))
        }
        self.params = params
        try calls.check(name, at: node)
    }

    var templates: [Template] { params.map(\.value) }

    func run(_ attempt: StepAttempt) throws -> AttemptEnd {
        guard let open = attempt.surroundings.openWorkflow else { throw StepAttempt.unknown("run a workflow") }
        let (spec, history, logs) = try open(name)
        var values: [String: String] = [:]
        for (name, template) in params { values[name] = try attempt.fill(template) }
        let runner = WorkflowRunner(
            spec, history: history, surroundings: attempt.surroundings, logs: logs,
            inheritedSecrets: attempt.log.mask.secrets,
            isInterrupted: { attempt.isStopped() || attempt.isOverdue }
        ) { event in
            if case .ended(let step, _, let state, let error, _) = event {
                attempt.log.add(line: "\(spec.name)/\(step): \(state.rawValue)\(error.map { ", \($0)" } ?? "")")
            }
        }
        let interval = spec.schedule.flatMap { $0.interval(dueBy: attempt.surroundings.now()) }
        let parent = "\(attempt.values.runID ?? "")/\(attempt.step.name)"
        var lastReason = ""
        while true {
            if let end = attempt.forcedEnd { return end }
            let there =
                try left(by: parent, attempt, history) ?? interval.flatMap { try history.run(of: spec.name, $0) }
            do {
                let result: WorkflowRunner.Result
                switch there {
                case nil: result = try runner.run(interval, trigger: .manual, params: values, parent: parent)
                case let run? where run.shownState == "success":
                    return AttemptEnd(state: .success, outputs: ["run_id": run.id])
                case let run?:
                    // Nobody but this step drives what it began: where this very process has it, an attempt was abandoned.
                    let isLost = run.parent == parent && run.process == .current
                    result = try runner.resume(run, isLost: isLost)
                }
                return end(result, attempt)
            } catch let problem as Problem where problem.code == .tryAgain {
                // Somebody else has it, or others are under way: it is looked at again.
                if problem.message != lastReason { attempt.log.add(line: problem.message) }
                lastReason = problem.message
                usleep(200_000)
            }
        }
    }

    /// What an earlier attempt of this step has begun, or gone on with, and not brought to success: a retry goes on with it, whichever
    /// interval is the newest by now.
    private func left(by parent: String, _ attempt: StepAttempt, _ history: RunHistory) throws -> StoredRun? {
        let earlier = try history.attempts(of: attempt.values.runID ?? "").filter { $0.step == attempt.step.name }
        // Where the step has succeeded with it and runs all the same, somebody wants all of it anew.
        func isTold(_ run: StoredRun) -> Bool {
            earlier.contains { $0.state == .success && $0.outputs["run_id"] == run.id }
        }
        let begun = try history.runs(begunBy: parent)
        if !begun.isEmpty { return begun.first { !isTold($0) } }
        let ended = earlier.filter { $0.outputs["run_id"] != nil }.max { $0.attempt < $1.attempt }
        guard let ended, ended.state != .success, let id = ended.outputs["run_id"] else { return nil }
        return try history.runIfAny(id)
    }

    private func end(_ result: WorkflowRunner.Result, _ attempt: StepAttempt) -> AttemptEnd {
        let outputs = ["run_id": result.run.id]
        if result.state == "success" { return AttemptEnd(state: .success, outputs: outputs) }
        return attempt.forcedEnd
            ?? AttemptEnd(
                state: .failed, error: "run \(result.run.id) of workflow \"\(name)\": \(result.state)",
                outputs: outputs)
    }
}

/// Which workflows of a folder run which others; the folder is read when it is first asked.
final class WorkflowCalls {
    private let file: String
    private lazy var found = Self.read(file)

    /// - Parameter file: of one workflow; the others lie beside it. What cannot be read is not among them.
    init(file: String) { self.file = file }

    /// By workflow those that its steps run, and the name of the workflow in `file`.
    private static func read(_ file: String) -> (calls: [String: [String]], own: String) {
        var (calls, own): ([String: [String]], String) = ([:], "")
        let folder = (file as NSString).deletingLastPathComponent
        let names = Files.names(in: folder.isEmpty ? "." : folder) ?? []
        for name in names.sorted() where name.hasSuffix(".yaml") || name.hasSuffix(".yml") {
            let path = folder.isEmpty ? name : "\(folder)/\(name)"
            guard YAMLNode.isPlainFile(path), let root = try? YAMLNode.load(path: path),
                let workflow = root["name"]?.scalar, case .mapping(let steps)? = root["steps"]?.content
            else { continue }
            calls[workflow] = steps.compactMap { $0.value["workflow"]?.scalar }
            if path == file { own = workflow }
        }
        return (calls, own)
    }

    /// - Throws: `Problem` at `place` where there is no workflow `name` beside this one, or it comes back to this one.
    func check(_ name: String, at place: YAMLNode) throws(Problem) {
        let (calls, own) = found
        guard calls[name] != nil else {
            let near = nearestName(to: name, among: calls.keys.filter { $0 != own }.sorted())
            throw place.problem(
                "there is no workflow \"\(name)\" in this folder",
                hint: near.map { "Did you mean \"\($0)\"?" } ?? "Put a file with \"name: \(name)\" beside this one.")
        }
        if let way = way(from: name) {
            throw place.problem(
                "workflows run each other in a circle: \(([own] + way).joined(separator: " runs "))",
                hint: "Take one of these steps away.")
        }
    }

    /// From `name` to this workflow, both ends included; nil where there is none. Each workflow is looked at once.
    private func way(from name: String) -> [String]? {
        let (calls, own) = found
        var cameFrom = [name: name]
        var queue = [name]
        while let next = queue.popLast() {
            if next == own {
                var way = [own]
                while let before = cameFrom[way[0]], before != way[0] { way.insert(before, at: 0) }
                return way
            }
            for other in calls[next] ?? [] where cameFrom[other] == nil {
                cameFrom[other] = next
                queue.append(other)
            }
        }
        return nil
    }
}
