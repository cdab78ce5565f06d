internal import Foundation
internal import Problems
internal import YAML

/// What all workflows of a tenant share: `workflows.yaml`.
///
///     pools:
///       database: 1                  # at most one step with `pool: database` at once, over all workflows
///     notify:
///       ops: {sh: 'echo "$ERROR" | mail -s "{{ run.workflow }} failed" ops@example.org', env: {ERROR: "{{ run.error }}"}}
public struct SharedSettings: Sendable {
    /// Slots by pool.
    public var pools: [String: Int] = [:]
    /// What `on_failure: {notify: NAME}` does, by name.
    var notices: [String: StepSpec] = [:]

    public init() {}

    /// - Throws: `.configuration` with every mistake, `.noInput`, `.noPermission`.
    static func load(path: String) throws(Problem) -> SharedSettings {
        let node = try YAMLNode.load(path: path)
        var problems = ProblemList()
        var settings = SharedSettings()
        if node.isNull { return settings }
        problems.attempt { () throws(Problem) in try node.requireOnly(keys: ["pools", "notify"], of: "workflows.yaml") }
        if let pools = node["pools"] {
            for entry in problems.attempt({ () throws(Problem) in try pools.entries() }) ?? [] {
                settings.pools[entry.name] = problems.attempt { () throws(Problem) in
                    _ = try SpecReader.identifier(entry.key, of: "pool")
                    return Int(try entry.value.integer(in: 1...10_000))
                }
            }
        }
        if let notices = node["notify"] {
            let entries = problems.attempt { () throws(Problem) in try notices.entries() } ?? []
            let names = entries.map(\.name)
            // A notice knows the failed run and its interval, but none of the run's steps and parameters.
            var reader = StepReader(
                names: names, graph: DAG(names, needs: [:]), params: [], hasSchedule: true,
                file: path)
            for entry in entries { reader.readAction(of: entry) }
            for entry in entries {
                var step = reader.read(entry, needs: [])
                step?.name = FailureAction.stepName
                settings.notices[entry.name] = step
            }
            for problem in reader.problems.problems { problems.add(problem) }
        }
        try problems.throwIfAny()
        return settings
    }
}

extension FailureAction {
    /// The step of a failed run under which its notice is written down.
    static let stepName = "on_failure"
}
