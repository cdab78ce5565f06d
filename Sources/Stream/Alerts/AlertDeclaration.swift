import Problems
import YAML

/// An alert as a file declares it; what it says of its query is read when all queries are known.
struct AlertDeclaration {
    private static let keys = ["name", "on", "if", "for", "cooldown", "run"]

    private let node: YAMLNode
    let name: String
    let nameNode: YAMLNode
    private let windows: Int
    private let cooldownMs: Int64?
    private let workflow: String?

    /// Reads what does not depend on the query; nil where something is wrong, with its problems noted.
    init?(_ node: YAMLNode, _ problems: inout ProblemList) {
        problems.attempt { () throws(Problem) in try node.requireOnly(keys: Self.keys, of: "declared alert") }
        guard case .mapping = node.content else { return nil }
        for key in ["name", "on", "if"] where node[key] == nil {
            problems.add(node.problem("key \"\(key)\" of the alert is missing"))
        }
        func read<Value>(_ key: String, _ body: (YAMLNode) throws(Problem) -> Value) -> Value? {
            node[key].flatMap { node in problems.attempt { () throws(Problem) in try body(node) } }
        }
        let name = read("name") { (node) throws(Problem) in try Names.check(node, as: .alert) }
        let windows = read("for") { (node) throws(Problem) in try Self.windows(node) }
        let cooldown = read("cooldown") { (node) throws(Problem) in try node.duration() }
        let workflow = read("run") { (node) throws(Problem) in try Names.check(node, as: .workflow) }
        guard let name, let nameNode = node["name"] else { return nil }
        (self.node, self.name, self.nameNode, self.workflow) = (node, name, nameNode, workflow)
        self.windows = windows ?? 1
        cooldownMs = cooldown.map { $0.components.seconds * 1000 + $0.components.attoseconds / 1_000_000_000_000_000 }
    }

    /// `3 windows`, `1 window` or `3`.
    private static func windows(_ node: YAMLNode) throws(Problem) -> Int {
        let words = try node.text().split(separator: " ")
        guard let word = words.first, let count = Int(word), (1...10_000).contains(count),
            words.count == 1 || (words.count == 2 && ["window", "windows"].contains(words[1]))
        else { throw node.unexpected("a number of windows", hint: "Write it as 3 windows.") }
        return count
    }

    /// The alert with the query that it is on, which is one of `plans`.
    ///
    /// - Throws: `Problem` with all that is wrong with its query and its condition.
    func plan(among plans: [QueryPlan]) throws(Problem) -> AlertPlan? {
        // A missing key has its message already.
        guard let on = node["on"], let condition = node["if"] else { return nil }
        let query = try on.text()
        guard let plan = plans.first(where: { $0.name == query }) else {
            let near = nearestName(to: query, among: plans.map(\.name)).map { "Did you mean \"\($0)\"? " } ?? ""
            throw on.problem(
                "there is no query \"\(query)\"", hint: near + "Known: \(plans.map(\.name).joined(separator: ", ")).")
        }
        guard plan.window.isWindowed else {
            throw on.problem(
                "query \"\(query)\" has no windows, and alerts look at windows when they close",
                hint: "Declare a query with a window, such as {tumbling: day}.")
        }
        return AlertPlan(
            name: name, query: query, condition: try AlertConditionParser.parse(condition, for: plan), windows: windows,
            cooldownMs: cooldownMs, workflow: workflow, workflowPlace: node["run"]?.location)
    }
}
