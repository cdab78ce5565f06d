internal import Foundation
internal import Glibc
internal import Problems
internal import YAML

/// `workflow: NAME` with `params`: runs another workflow of the same folder to its end; `run_id` is its output.
///
/// One that has a schedule is run for its newest interval that is due. An interval has one run for ever: where that one succeeded
/// the step is content with it, where it failed it goes on with it.
public struct WorkflowStep: Sendable {
    static let keys = ["params"]

    let name: String
    let params: [(name: String, value: Template)]

    init(_ node: YAMLNode, of step: YAMLNode) throws(Problem) {
        name = try SpecReader.identifier(node, of: "workflow")
        var params: [(name: String, value: Template)] = []
        for entry in try step["params"]?.entries() ?? [] { params.append((entry.name, try entry.value.template())) }
        self.params = params
        try WorkflowCalls(file: node.location.file).check(name, at: node)
    }

    var templates: [Template] { params.map(\.value) }

    func run(_ attempt: StepAttempt) throws -> AttemptEnd {
        guard let open = attempt.surroundings.openWorkflow else { throw StepAttempt.unknown("run a workflow") }
        let (spec, history, logs) = try open(name)
        var values: [String: String] = [:]
        for (name, template) in params { values[name] = try attempt.fill(template) }
        let runner = WorkflowRunner(
            spec, history: history, surroundings: attempt.surroundings, logs: logs, isInterrupted: attempt.isStopped
        ) { event in
            if case .ended(let step, _, let state, let error, _) = event {
                attempt.log.add(line: "\(spec.name)/\(step): \(state.rawValue)\(error.map { ", \($0)" } ?? "")")
            }
        }
        let interval = spec.schedule.flatMap { $0.interval(dueBy: attempt.surroundings.now()) }
        let result: WorkflowRunner.Result
        // An earlier attempt of this step may have left a run without an interval behind.
        let parent = "\(attempt.values.runID ?? "")/\(attempt.step.name)"
        let left = try interval.map { try history.run(of: spec.name, $0) } ?? history.child(of: parent)
        if var there = left, interval != nil || there.shownState != "success" {
            attempt.log.add(line: "run \(there.id) is there: \(there.shownState)")
            while there.shownState == "running" {
                if attempt.isStopped() { return attempt.stopped }
                if let deadline = attempt.deadline, ContinuousClock.now >= deadline { return attempt.timedOut }
                usleep(200_000)
                there = try history.run(there.id)
            }
            if there.shownState == "success" {
                return AttemptEnd(state: .success, outputs: ["run_id": there.id])
            }
            result = try runner.resume(there)
        } else {
            result = try runner.run(interval, trigger: .manual, params: values, parent: parent)
        }
        if result.state == "success" { return AttemptEnd(state: .success, outputs: ["run_id": result.run.id]) }
        if attempt.isStopped() { return attempt.stopped }
        return AttemptEnd(
            state: .failed, error: "run \(result.run.id) of workflow \"\(name)\": \(result.state)",
            outputs: ["run_id": result.run.id])
    }
}

/// Which workflows of a folder run which others.
struct WorkflowCalls {
    private let file: String
    /// By workflow: those that its steps run.
    private var calls: [String: [String]] = [:]
    /// The name of the workflow in `file`.
    private var own = ""

    /// - Parameter file: of one workflow; the others lie beside it. What cannot be read is not among them.
    init(file: String) {
        self.file = file
        let folder = (file as NSString).deletingLastPathComponent
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.isEmpty ? "." : folder)) ?? []
        for name in names.sorted() where name.hasSuffix(".yaml") || name.hasSuffix(".yml") {
            let path = folder.isEmpty ? name : "\(folder)/\(name)"
            guard let root = try? YAMLNode.load(path: path), let workflow = root["name"]?.scalar,
                case .mapping(let steps)? = root["steps"]?.content
            else { continue }
            calls[workflow] = steps.compactMap { $0.value["workflow"]?.scalar }
            if path == file { own = workflow }
        }
    }

    /// - Throws: `Problem` at `place` where there is no workflow `name` beside this one, or it comes back to this one.
    func check(_ name: String, at place: YAMLNode) throws(Problem) {
        guard calls[name] != nil else {
            let near = nearestName(to: name, among: calls.keys.filter { $0 != own }.sorted())
            throw place.problem(
                "there is no workflow \"\(name)\" in this folder",
                hint: near.map { "Did you mean \"\($0)\"?" } ?? "Put a file with \"name: \(name)\" beside this one.")
        }
        if let way = way(from: name, seen: []) {
            throw place.problem(
                "workflows run each other in a circle: \(([own] + way).joined(separator: " runs "))",
                hint: "Take one of these steps away.")
        }
    }

    /// From `name` to this workflow, both ends included; nil where there is none.
    private func way(from name: String, seen: Set<String>) -> [String]? {
        if name == own { return [name] }
        guard !seen.contains(name) else { return nil }
        for next in calls[name] ?? [] {
            if let rest = way(from: next, seen: seen.union([name])) { return [name] + rest }
        }
        return nil
    }
}
