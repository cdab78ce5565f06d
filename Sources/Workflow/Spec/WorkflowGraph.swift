/// The steps of a workflow and what each needs, to be drawn.
public struct WorkflowGraph: Sendable {
    public struct Node: Sendable {
        public var name: String
        public var kind: String
        public var needs: [String]
        /// 0 for a step that needs none, else one more than the furthest of those it needs.
        public var level: Int
    }

    /// Each behind those that it needs.
    public let nodes: [Node]

    public init(_ spec: WorkflowSpec) {
        var levels: [String: Int] = [:]
        // Steps come after those that they need.
        for step in spec.steps { levels[step.name] = (step.needs.compactMap { levels[$0] }.max() ?? -1) + 1 }
        nodes = spec.steps.map {
            Node(name: $0.name, kind: $0.action.kind, needs: $0.needs, level: levels[$0.name] ?? 0)
        }
    }
}
