internal import Basics
import Time
internal import Foundation
public import Problems
internal import Trips
internal import YAML

extension WorkflowSpec {
    /// Reads a workflow's file and checks it whole.
    ///
    /// - Parameters:
    ///   - zone: the zone where the file names none.
    ///   - shared: what the tenant's workflows share; nil where that is not known, and names of pools and notices are not checked.
    /// - Throws: `.configuration` with every mistake in the order of the file, `.noInput`, `.noPermission`.
    public static func load(
        path: String, zone: String, shared: SharedSettings? = nil, vocabulary: StepVocabulary = StepVocabulary()
    ) throws(Problem) -> WorkflowSpec {
        var reader = SpecReader(
            try YAMLNode.load(path: path), file: path, zone: zone, shared: shared, vocabulary: vocabulary)
        return try reader.read()
    }
}

/// Reads one workflow and collects all that is wrong with it.
struct SpecReader {
    private static let keys = [
        "name", "description", "schedule", "timezone", "start", "catchup", "concurrency", "parallel", "timeout",
        "on_failure", "params", "steps",
    ]

    private static let stepLimit = 2_000

    private let node: YAMLNode
    private let file: String
    private let defaultZone: String
    private let shared: SharedSettings?
    private let vocabulary: StepVocabulary
    private var problems = ProblemList()
    private var params: [String: String] = [:]
    private var hasSchedule = false

    init(
        _ node: YAMLNode, file: String, zone: String, shared: SharedSettings?,
        vocabulary: StepVocabulary = StepVocabulary()
    ) {
        (self.node, self.file, defaultZone, self.shared, self.vocabulary) = (node, file, zone, shared, vocabulary)
    }

    mutating func read() throws(Problem) -> WorkflowSpec {
        let node = self.node
        problems.attempt { () throws(Problem) in try node.requireOnly(keys: Self.keys, of: "workflow") }
        guard case .mapping = node.content else {
            try problems.throwIfAny()
            throw node.unexpected("a workflow")
        }
        let name = name()
        let description = optional("description") { (node) throws(Problem) in try node.text() } ?? ""
        let zone = zone()
        let schedule = zone.flatMap { self.schedule(in: $0) }
        hasSchedule = node["schedule"] != nil
        let start = zone.flatMap { self.start(in: $0) }
        let catchUp = optional("catchup") { (node) throws(Problem) in try Self.catchUp(node) } ?? .latest
        let concurrency = optional("concurrency") { (node) throws(Problem) in Int(try node.integer(in: 1...10_000)) }
        let parallel = optional("parallel") { (node) throws(Problem) in Int(try node.integer(in: 1...64)) } ?? 4
        let timeout = optional("timeout") { (node) throws(Problem) in try node.duration().wholeMs }
        readParams()
        let steps = steps()
        let onFailure = onFailure()
        try problems.throwIfAny()
        guard let name, let zone else { throw node.unexpected("a workflow") }
        return WorkflowSpec(
            name: name, description: description, schedule: schedule, zone: zone, start: start, catchUp: catchUp,
            concurrency: concurrency, parallel: parallel, timeoutMs: timeout, params: params, steps: steps,
            onFailure: onFailure, pools: shared?.pools ?? [:], file: file)
    }

    // MARK: the workflow

    private mutating func name() -> String? {
        guard let node = problems.attempt({ [node] () throws(Problem) in try node.required("name") }) else {
            return nil
        }
        return problems.attempt { () throws(Problem) in try Self.identifier(node, of: "workflow") }
    }

    private mutating func zone() -> ZoneClock? {
        guard let node = node["timezone"] else {
            return problems.attempt { [defaultZone] () throws(Problem) in try ZoneClocks.clock(defaultZone) }
        }
        return problems.attempt { () throws(Problem) in
            let name = try node.text()
            do throws(Problem) { return try ZoneClocks.clock(name) } catch {
                throw node.problem(error.message, hint: error.hint)
            }
        }
    }

    private mutating func schedule(in zone: ZoneClock) -> Schedule? {
        optional("schedule") { (node) throws(Problem) in
            let text = try node.text()
            do throws(Cron.Mistake) { return Schedule(try Cron(text), zone: zone) } catch {
                throw node.problem(error.message, atByteOfText: error.offset, hint: error.hint)
            }
        }
    }

    private mutating func start(in zone: ZoneClock) -> EventTime? {
        optional("start") { (node) throws(Problem) in
            guard let day = Self.day(try node.text()) else {
                throw node.unexpected("a day", hint: "Write it as 2024-01-31.")
            }
            return zone.startMs(ofLocalDay: day)
        }
    }

    static func day(_ text: String) -> Int? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].utf8.count == 4, parts[1].utf8.count == 2, parts[2].utf8.count == 2,
            parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let year = UInt16(parts[0]), let month = UInt8(parts[1]), let day = UInt8(parts[2]),
            (1...12).contains(month),
            day >= 1, Int(day) <= Time.Calendar.days(in: Int(month), of: Int(year))
        else { return nil }
        return Time.Calendar.day(year: Int(year), month: Int(month), day: Int(day))
    }

    private static func catchUp(_ node: YAMLNode) throws(Problem) -> CatchUp {
        switch node.scalar {
        case "none", "false": return CatchUp.none
        case "latest": return .latest
        case "all", "true": return .all
        default:
            guard let text = node.scalar, let ms = parseDurationMs(text), ms > 0 else {
                throw node.unexpected(
                    "none, latest, all or a length of time",
                    hint: "\"all\" runs each missed interval, \"6h\" those that were due within six hours.")
            }
            return .within(ms: ms)
        }
    }

    private mutating func onFailure() -> FailureAction? {
        guard let node = node["on_failure"] else { return nil }
        if let step = self.node["steps"]?["on_failure"] {
            problems.add(step.problem("no step can be called on_failure where the workflow has an \"on_failure\""))
        }
        return problems.attempt { [shared] () throws(Problem) in
            try node.requireOnly(keys: ["notify", "run"], of: "failure's action")
            let entries = try node.entries()
            guard entries.count == 1 else { throw node.unexpected("one action", hint: "Give notify or run.") }
            let name = try entries[0].value.text()
            if entries[0].name == "run" { return .run(workflow: name) }
            guard let notices = shared?.notices else { return nil }
            if let step = notices[name] { return .notify(step) }
            let near = nearestName(to: name, among: notices.keys.sorted()).map { "Did you mean \"\($0)\"?" }
            throw entries[0].value.problem(
                "there is no notice \"\(name)\"", hint: near ?? "Declare it under \"notify:\" in workflows.yaml.")
        } ?? nil
    }

    private mutating func checkPool(of step: YAMLNode.Entry) {
        guard let node = step.value["pool"] else { return }
        problems.attempt { [shared] () throws(Problem) in
            let name = try node.text()
            guard let pools = shared?.pools, pools[name] == nil else { return }
            let near = nearestName(to: name, among: pools.keys.sorted()).map { "Did you mean \"\($0)\"?" }
            throw node.problem(
                "there is no pool \"\(name)\"", hint: near ?? "Declare it under \"pools:\" in workflows.yaml.")
        }
    }

    private mutating func readParams() {
        guard let node = node["params"] else { return }
        for entry in problems.attempt({ () throws(Problem) in try node.entries() }) ?? [] {
            let value = problems.attempt { () throws(Problem) in
                _ = try Self.identifier(entry.key, of: "parameter")
                return try entry.value.text()
            }
            params[entry.name] = value ?? ""
        }
    }

    // MARK: steps

    private mutating func steps() -> [StepSpec] {
        let entries = problems.attempt { [node] () throws(Problem) in
            let mapping = try node.required("steps")
            let entries = try mapping.entries()
            guard !entries.isEmpty else { throw mapping.unexpected("at least one step") }
            guard entries.count <= Self.stepLimit else {
                throw mapping.problem(
                    "a workflow has at most \(Self.stepLimit) steps, this one \(entries.count)",
                    hint: "Divide it: a step can run another workflow.")
            }
            return entries
        }
        guard let entries else { return [] }
        let names = entries.map(\.name)
        var needs: [String: [String]] = [:]
        for entry in entries { needs[entry.name] = self.needs(of: entry, among: names) }
        let graph = DAG(names, needs: needs)
        if let cycle = graph.cycle, let first = entries.first(where: { $0.name == cycle[0] }) {
            problems.add(
                (first.value["needs"] ?? first.key).problem(
                    "steps wait for each other in a circle: \(cycle.joined(separator: " needs "))",
                    hint: "Take one of these needs away."))
        }
        var reader = StepReader(
            names: names, graph: graph, params: Array(params.keys), hasSchedule: hasSchedule, file: file,
            vocabulary: vocabulary)
        for entry in entries { reader.readAction(of: entry) }
        var steps: [String: StepSpec] = [:]
        for entry in entries { steps[entry.name] = reader.read(entry, needs: needs[entry.name, default: []]) }
        for problem in reader.problems.problems { problems.add(problem) }
        for entry in entries { checkPool(of: entry) }
        return (graph.order ?? names).compactMap { steps[$0] }
    }

    private mutating func needs(of entry: YAMLNode.Entry, among names: [String]) -> [String] {
        guard let list = entry.value["needs"] else { return [] }
        var needs: [String] = []
        for item in problems.attempt({ () throws(Problem) in try list.items() }) ?? [] {
            guard let name = problems.attempt({ () throws(Problem) in try item.text() }) else { continue }
            if !names.contains(name) {
                let near = nearestName(to: name, among: names).map { "Did you mean \"\($0)\"?" }
                problems.add(item.problem("there is no step \"\(name)\"", hint: near))
            } else if needs.contains(name) {
                problems.add(item.problem("the step needs \"\(name)\" twice"))
            } else {
                needs.append(name)
            }
        }
        return needs
    }

    private mutating func optional<Value>(
        _ key: String, _ read: (YAMLNode) throws(Problem) -> Value
    ) -> Value? {
        guard let value = node[key] else { return nil }
        return problems.attempt { () throws(Problem) in try read(value) }
    }

    /// A name that can be a file's and a word of a template.
    static func identifier(_ node: YAMLNode, of what: String) throws(Problem) -> String {
        let name = try node.text()
        let isAllowed = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isAllowed, (1...64).contains(name.utf8.count), !name.hasPrefix("-") else {
            throw node.problem(
                "\"\(name)\" cannot name a \(what)", hint: "Use up to 64 letters, digits, _ and -, not - first.")
        }
        return name
    }
}

extension Duration {
    var wholeMs: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
