/// The steps of a workflow as a picture of text: one line a step, behind those that it needs.
///
///     extract ─┬─ clean ─── fare-trend
///
/// would need crossing lines for most workflows; so each step stands on its level, with what it needs named.
public struct WorkflowGraph: Sendable {
    public struct Node: Sendable {
        public var name: String
        public var kind: String
        public var needs: [String]
        /// 0 for a step that needs none, else one more than the furthest of those it needs.
        public var level: Int
    }

    /// Level by level, within one in the order of the file.
    public let nodes: [Node]

    public init(_ spec: WorkflowSpec) {
        var levels: [String: Int] = [:]
        // Steps come after those that they need.
        for step in spec.steps { levels[step.name] = (step.needs.compactMap { levels[$0] }.max() ?? -1) + 1 }
        let nodes = spec.steps.map {
            Node(name: $0.name, kind: $0.action.kind, needs: $0.needs, level: levels[$0.name] ?? 0)
        }
        self.nodes = (0...(nodes.map(\.level).max() ?? 0)).flatMap { level in nodes.filter { $0.level == level } }
    }
}

extension WorkflowGraph {
    /// One line a step: indented by its level, with its kind and what it needs.
    public var text: String {
        nodes.map { node in
            let arm = node.level == 0 ? "" : String(repeating: "   ", count: node.level - 1) + "└─ "
            let needs = node.needs.isEmpty ? "" : "  <- \(node.needs.joined(separator: ", "))"
            return "\(arm)\(node.name)  (\(node.kind))\(needs)\n"
        }.joined()
    }
}
