internal import Basics
internal import Foundation
internal import Problems
internal import YAML

/// Reads the steps of a workflow, each with what it knows of the others.
struct StepReader {
    private static let common = [
        "needs", "when", "if", "retries", "backoff", "timeout", "allow_failure", "env", "pool",
    ]

    private let names: [String]
    private let graph: DAG
    private let params: [String]
    private let hasSchedule: Bool
    private let folder: String
    private let vocabulary: StepVocabulary
    private(set) var problems = ProblemList()
    private var actions: [String: any StepAction] = [:]
    /// Read where a step runs another workflow.
    private let calls: WorkflowCalls

    /// - Parameter file: that the steps stand in.
    init(
        names: [String], graph: DAG, params: [String], hasSchedule: Bool, file: String,
        vocabulary: StepVocabulary = StepVocabulary()
    ) {
        (self.names, self.graph, self.params) = (names, graph, params)
        (self.hasSchedule, self.vocabulary) = (hasSchedule, vocabulary)
        folder = (file as NSString).deletingLastPathComponent
        calls = WorkflowCalls(file: file)
    }

    /// To be called for all steps before `read`: references to a step's outputs depend on what it does.
    mutating func readAction(of entry: YAMLNode.Entry) {
        let node = entry.value
        _ = problems.attempt { () throws(Problem) in try SpecReader.identifier(entry.key, of: "step") }
        let names = StepKind.all.map(\.name)
        func keys(of kind: String) -> [String] { StepKind.named(kind)?.keys ?? [] }
        let ownKeys = StepKind.all.flatMap(\.keys).filter { !names.contains($0) }
        problems.attempt { () throws(Problem) in
            try node.requireOnly(
                keys: names + Self.common + Set(ownKeys).sorted(), of: "step")
        }
        guard case .mapping(let entries) = node.content else { return }
        let given = entries.filter { names.contains($0.name) }
        // A key of one kind may be a kind by itself, as ml's sql is.
        let kind =
            given.first { kind in given.contains { keys(of: kind.name).contains($0.name) } } ?? given.first
        guard let kind else {
            problems.add(
                entry.key.problem(
                    "step \"\(entry.name)\" does nothing", hint: "Give it one of \(names.joined(separator: ", "))."))
            return
        }
        let taken = keys(of: kind.name)
        for other in given where other.name != kind.name && !taken.contains(other.name) {
            problems.add(other.key.problem("a step does one thing: \"\(kind.name)\" is given already"))
        }
        for other in entries where ownKeys.contains(other.name) && !taken.contains(other.name) {
            let owners = StepKind.all.filter { $0.keys.contains(other.name) }.map(\.name)
            problems.add(
                other.key.problem("\"\(other.name)\" belongs to a step with \(owners.joined(separator: " or "))"))
        }
        let declaration = StepDeclaration(
            value: kind.value, step: node, folder: folder, vocabulary: vocabulary, calls: calls)
        actions[entry.name] = problems.attempt { () throws(Problem) in
            try StepKind.named(kind.name)?.read(declaration)
        }.flatMap { $0 }
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
                return try entry.value.template()
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
        if let node = entry.value["if"], let condition {
            let right = condition.right.references.map { ($0.reference, $0.offset + condition.rightOffset) }
            check(condition.left.references.map { ($0.reference, $0.offset) } + right, at: node, entry.name)
        }
        // Paths of sql files are none, and what is no template has nothing in it that could be filled in.
        let keys = StepKind.all.map(\.name).filter { $0 != "sql" || actions[entry.name]?.kind == "ml" }
        let templates = Set(keys + StepKind.all.flatMap(\.keys) + ["env"]).sorted().compactMap { entry.value[$0] }
        for node in templates.flatMap(Self.scalars) {
            guard let text = node.scalar, let template = try? Template(text) else { continue }
            check(template.references.map { ($0.reference, $0.offset) }, at: node, entry.name)
        }
    }

    private mutating func check(
        _ references: [(Template.Reference, Int)], at node: YAMLNode, _ step: String
    ) {
        for (reference, offset) in references {
            guard let (message, hint) = mistake(in: reference, of: step) else { continue }
            problems.add(node.problem(message, atByteOfText: offset, hint: hint))
        }
    }

    private func mistake(in reference: Template.Reference, of step: String) -> (String, String?)? {
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
            guard graph.ancestors(of: step).contains(name) else {
                return ("step \"\(name)\" may not have ended here", "Add it to \"needs\".")
            }
            guard let action = actions[name] else { return nil }
            let keys = ["state"] + type(of: action).outputs
            return keys.contains(key)
                ? nil
                : (
                    "step \"\(name)\" has no \"\(key)\"",
                    (near(key, keys).map { "\($0) " } ?? "") + "Known: \(keys.joined(separator: ", "))."
                )
        case .runID, .environment, .file, .failure: return nil
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

extension YAMLNode {
    /// The text of a scalar as a template. One that is `$NAME` and nothing else is that variable, as `{{ env.NAME }}` is.
    ///
    /// - Parameter isCommand: what a program or a shell reads, which may mean something else by `$NAME`.
    func template(isCommand: Bool = false) throws(Problem) -> Template {
        var text = try text()
        if !isCommand, let name = Template.variable(text) { text = "{{ env.\(name) }}" }
        do throws(Template.Mistake) { return try Template(text) } catch {
            throw problem(error.message, atByteOfText: error.offset, hint: error.hint)
        }
    }

    /// As `template`, of a URL that HTTP is spoken to, as far as it is known before a run.
    func webAddress() throws(Problem) -> Template {
        let template = try template()
        guard template.couldBegin(withOneOf: ["http://", "https://"]) else {
            throw unexpected("a URL", hint: "Begin it with https:// or http://.")
        }
        return template
    }
}
