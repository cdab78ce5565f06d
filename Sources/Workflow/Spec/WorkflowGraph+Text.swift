extension WorkflowGraph {
    /// One line a step, with lines from each step down to those that need it:
    ///
    ///     ●    extract     (batch)
    ///     ├─●  clean       (batch)
    ///     ● │  side        (sh)
    ///     ●─┘  last        (sh)
    public var text: String {
        // A lane leads from a step to those below that need it and have not been drawn yet; nil is free.
        var lanes: [Set<String>?] = []
        var rows: [(picture: String, node: Node)] = []
        for node in nodes {
            let incoming = lanes.indices.filter { lanes[$0]?.contains(node.name) == true }
            for lane in incoming { lanes[lane]?.remove(node.name) }
            let column = column(for: incoming, &lanes)
            rows.append((Self.row(lanes, incoming, column), node))
            for lane in incoming where lanes[lane]?.isEmpty == true { lanes[lane] = nil }
            let dependents = Set(nodes.filter { $0.needs.contains(node.name) }.map(\.name))
            lanes[column] = dependents.isEmpty ? nil : dependents
            while case .some(.none) = lanes.last { lanes.removeLast() }
        }
        let width = rows.map(\.picture.count).max() ?? 0
        let names = nodes.map(\.name.count).max() ?? 0
        return rows.map { picture, node in
            Self.padded(picture, width) + "  " + Self.padded(node.name, names) + "  (\(node.kind))\n"
        }.joined()
    }

    /// The lane in which a step stands: one that ends in it, else a free one.
    private func column(for incoming: [Int], _ lanes: inout [Set<String>?]) -> Int {
        if let ending = incoming.first(where: { lanes[$0]?.isEmpty == true }) { return ending }
        let after = incoming.last.map { $0 + 1 } ?? 0
        if let free = lanes.indices.first(where: { $0 >= after && lanes[$0] == nil }) { return free }
        lanes.append(nil)
        return lanes.count - 1
    }

    private static func row(_ lanes: [Set<String>?], _ incoming: [Int], _ column: Int) -> String {
        let others = incoming.filter { $0 != column }
        let (left, right) = (min(others.min() ?? column, column), max(others.max() ?? column, column))
        var text = ""
        for lane in lanes.indices {
            let isWithin = (left...right).contains(lane)
            let goesOn = lanes[lane].map { !$0.isEmpty } ?? false
            switch (lane == column, others.contains(lane)) {
            case (true, _): text += "●"
            case (_, true):
                let isLast = lane == left || lane == right
                text +=
                    goesOn ? (isLast ? (lane < column ? "├" : "┤") : "┼") : isLast ? (lane < column ? "└" : "┘") : "┴"
            default: text += goesOn ? (isWithin ? "┼" : "│") : isWithin ? "─" : " "
            }
            if lane + 1 < lanes.count { text += lane >= left && lane < right ? "─" : " " }
        }
        return text
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
