internal import Foundation
internal import Problems
internal import YAML

/// Reads the steps of a workflow, each with what it knows of the others.
struct StepReader {
    private static let kinds = ["batch", "shell", "sh", "sql", "wait"]
    private static let common = [
        "needs", "when", "if", "retries", "backoff", "timeout", "allow_failure", "env", "by", "period", "pool",
    ]
    private static let analyses = ["fare-trend", "accumulated", "area-hotspots", "location-hotspots", "all"]

    private let names: [String]
    private let graph: DAG
    private let params: [String]
    private let hasSchedule: Bool
    private let folder: String
    private(set) var problems = ProblemList()
    private var actions: [String: StepAction] = [:]

    init(names: [String], graph: DAG, params: [String], hasSchedule: Bool, folder: String) {
        (self.names, self.graph, self.params) = (names, graph, params)
        (self.hasSchedule, self.folder) = (hasSchedule, folder)
    }

    /// To be called for all steps before `read`: references to a step's outputs depend on what it does.
    mutating func readAction(of entry: YAMLNode.Entry) {
        let node = entry.value
        _ = problems.attempt { () throws(Problem) in try SpecReader.identifier(entry.key, of: "step") }
        problems.attempt { () throws(Problem) in try node.requireOnly(keys: Self.kinds + Self.common, of: "step") }
        guard case .mapping(let entries) = node.content else { return }
        let given = entries.filter { Self.kinds.contains($0.name) }
        guard let kind = given.first else {
            problems.add(
                entry.key.problem(
                    "step \"\(entry.name)\" does nothing", hint: "Give it one of \(Self.kinds.joined(separator: ", "))."
                ))
            return
        }
        for other in given.dropFirst() {
            problems.add(other.key.problem("a step does one thing: \"\(kind.name)\" is given already"))
        }
        for key in ["by", "period"] where kind.name != "batch" {
            if let place = entries.first(where: { $0.name == key }) {
                problems.add(place.key.problem("\"\(key)\" belongs to a batch step"))
            }
        }
        actions[entry.name] = problems.attempt { [self] () throws(Problem) in
            try action(kind.name, kind.value, of: node)
        }
    }

    /// The step, or nil where its action is wrong.
    mutating func read(_ entry: YAMLNode.Entry, needs: [String]) -> StepSpec? {
        let node = entry.value
        let when = optional(node, "when") { (node) throws(Problem) in
            StepCondition(
                rawValue: try node.choice(among: StepCondition.allCases.map(\.rawValue), of: "condition"))
                ?? .allSuccess
        }
        let condition = optional(node, "if") { (node) throws(Problem) in
            try Self.located(node) { (text) throws(Template.Mistake) in try Comparison(text) }
        }
        let retries = optional(node, "retries") { (node) throws(Problem) in Int(try node.integer(in: 0...1000)) }
        let backoff = optional(node, "backoff") { (node) throws(Problem) in try Self.backoff(node) }
        let timeout = optional(node, "timeout") { (node) throws(Problem) in try node.duration().wholeMs }
        let allowFailure = optional(node, "allow_failure") { (node) throws(Problem) in try node.boolean() }
        let environment = environment(node)
        checkReferences(of: entry, condition)
        guard let action = actions[entry.name] else { return nil }
        return StepSpec(
            name: entry.name, action: action, needs: needs, when: when ?? .allSuccess, condition: condition,
            retries: retries ?? 0, backoff: backoff ?? Backoff(firstMs: 1000, limitMs: 300_000), timeoutMs: timeout,
            allowFailure: allowFailure ?? false, pool: node["pool"]?.scalar, environment: environment)
    }

    // MARK: kinds

    private func action(_ kind: String, _ value: YAMLNode, of step: YAMLNode) throws(Problem) -> StepAction {
        switch kind {
        case "sh": return .shell(try Self.template(value))
        case "shell":
            let items = try value.items()
            guard !items.isEmpty else { throw value.unexpected("a program and its arguments") }
            var words: [Template] = []
            for item in items { words.append(try Self.template(item)) }
            return .command(words)
        case "sql":
            let path = path(try value.text())
            guard FileManager.default.isReadableFile(atPath: path) else {
                throw value.problem("cannot read file \"\(path)\"", hint: "Paths begin at the workflow's own folder.")
            }
            return .sqlFile(path: path)
        case "batch":
            let by = try step["by"]?.choice(among: ["month", "quarter", "year"], of: "kind of period")
            var period: Template?
            if let node = step["period"] { period = try Self.template(node) }
            return .batch(analysis: try value.choice(among: Self.analyses, of: "analysis"), by: by, period: period)
        default:
            try value.requireOnly(keys: ["file", "sql"], of: "wait")
            let entries = try value.entries()
            guard entries.count == 1 else { throw value.unexpected("one thing to wait for", hint: "Give file or sql.") }
            let template = try Self.template(entries[0].value)
            return entries[0].name == "file" ? .waitForFile(template) : .waitForRow(template)
        }
    }

    private func path(_ text: String) -> String {
        text.hasPrefix("/") || folder.isEmpty ? text : "\(folder)/\(text)"
    }

    // MARK: parts

    private static func backoff(_ node: YAMLNode) throws(Problem) -> Backoff {
        let text = try node.text()
        let parts = text.components(separatedBy: "..")
        let times = parts.compactMap { parseDurationMs($0) }
        guard times.count == parts.count, (1...2).contains(times.count), let first = times.first,
            let limit = times.last,
            first > 0, limit >= first
        else { throw node.unexpected("a wait between attempts", hint: "Write 10s, or 10s..5m for one that doubles.") }
        return Backoff(firstMs: first, limitMs: limit)
    }

    private mutating func environment(_ step: YAMLNode) -> [(name: String, value: Template)] {
        guard let node = step["env"] else { return [] }
        var variables: [(name: String, value: Template)] = []
        for entry in problems.attempt({ () throws(Problem) in try node.entries() }) ?? [] {
            let value = problems.attempt { () throws(Problem) in
                guard !entry.name.isEmpty, !entry.name.contains("=") else {
                    throw entry.key.problem("\"\(entry.name)\" cannot name a variable")
                }
                return try Self.template(entry.value)
            }
            if let value { variables.append((entry.name, value)) }
        }
        return variables
    }

    private mutating func optional<Value>(
        _ node: YAMLNode, _ key: String, _ read: (YAMLNode) throws(Problem) -> Value
    ) -> Value? {
        guard let value = node[key] else { return nil }
        return problems.attempt { () throws(Problem) in try read(value) }
    }

    private static func template(_ node: YAMLNode) throws(Problem) -> Template {
        try located(node) { (text) throws(Template.Mistake) in try Template(text) }
    }

    private static func located<Value>(
        _ node: YAMLNode, _ read: (String) throws(Template.Mistake) -> Value
    ) throws(Problem) -> Value {
        let text = try node.text()
        do throws(Template.Mistake) { return try read(text) } catch {
            throw node.problem(error.message, atByteOfText: error.offset, hint: error.hint)
        }
    }

    // MARK: references

    /// Every scalar of the step that may be a template names only what is there when the step runs.
    private mutating func checkReferences(of entry: YAMLNode.Entry, _ condition: Comparison?) {
        let ancestors = graph.ancestors(of: entry.name)
        if let node = entry.value["if"], let condition {
            let right = condition.right.references.map { ($0.reference, $0.offset + condition.rightOffset) }
            check(condition.left.references.map { ($0.reference, $0.offset) } + right, at: node, ancestors)
        }
        let templates = ["sh", "shell", "period", "wait", "env"].compactMap { entry.value[$0] }
        for node in templates.flatMap(Self.scalars) {
            guard let text = node.scalar, let template = try? Template(text) else { continue }
            check(template.references.map { ($0.reference, $0.offset) }, at: node, ancestors)
        }
    }

    private mutating func check(
        _ references: [(Template.Reference, Int)], at node: YAMLNode, _ ancestors: Set<String>
    ) {
        for (reference, offset) in references {
            guard let (message, hint) = mistake(in: reference, ancestors) else { continue }
            problems.add(node.problem(message, atByteOfText: offset, hint: hint))
        }
    }

    private func mistake(in reference: Template.Reference, _ ancestors: Set<String>) -> (String, String?)? {
        func near(_ name: String, _ names: [String]) -> String? {
            nearestName(to: name, among: names.sorted()).map { "Did you mean \"\($0)\"?" }
        }
        switch reference {
        case .interval, .intervalStart, .intervalEnd:
            return hasSchedule ? nil : ("a workflow without a schedule has no interval", "Give it a schedule.")
        case .param(let name):
            return params.contains(name)
                ? nil : ("there is no parameter \"\(name)\"", near(name, params) ?? "Declare it under \"params:\".")
        case .step(let name, let key):
            guard names.contains(name) else { return ("there is no step \"\(name)\"", near(name, names)) }
            guard ancestors.contains(name) else {
                return ("step \"\(name)\" may not have ended here", "Add it to \"needs\".")
            }
            guard let action = actions[name] else { return nil }
            let keys = ["state"] + action.outputs
            return keys.contains(key)
                ? nil
                : (
                    "step \"\(name)\" has no \"\(key)\"",
                    (near(key, keys).map { "\($0) " } ?? "") + "Known: \(keys.joined(separator: ", "))."
                )
        case .runID, .environment, .failure: return nil
        }
    }

    private static func scalars(_ node: YAMLNode) -> [YAMLNode] {
        switch node.content {
        case .scalar: [node]
        case .sequence(let items): items.flatMap(scalars)
        case .mapping(let entries): entries.flatMap { scalars($0.value) }
        }
    }
}
