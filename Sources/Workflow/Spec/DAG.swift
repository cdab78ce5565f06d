/// Names and what each needs: puts them in order, or names a cycle.
struct DAG {
    private let names: [String]
    private let needs: [String: [String]]

    /// - Parameter needs: names that are not among `names` are ignored: whoever reads the file has said so already.
    init(_ names: [String], needs: [String: [String]]) {
        let known = Set(names)
        self.names = names
        self.needs = needs.mapValues { $0.filter(known.contains) }
    }

    /// Each name behind those it needs, otherwise in the given order; nil where there is a cycle.
    ///
    /// Source: Kahn, "Topological sorting of large networks", CACM 5(11), 1962.
    var order: [String]? {
        var places: [String: Int] = [:]
        for (place, name) in names.enumerated() { places[name] = place }
        var left = names.map { needs[$0, default: []].count }
        var dependents = [[Int]](repeating: [], count: names.count)
        for (place, name) in names.enumerated() {
            for need in needs[name, default: []] { if let other = places[need] { dependents[other].append(place) } }
        }
        var (ordered, ready): ([Int], [Int]) = ([], names.indices.filter { left[$0] == 0 })
        while !ready.isEmpty {
            ordered += ready
            var next: [Int] = []
            for place in ready.flatMap({ dependents[$0] }) {
                left[place] -= 1
                if left[place] == 0 { next.append(place) }
            }
            ready = next.sorted()
        }
        return ordered.count == names.count ? ordered.map { names[$0] } : nil
    }

    /// Names each of which needs the next, the last being the first again; nil where there is no cycle.
    var cycle: [String]? {
        guard order == nil else { return nil }
        var finished: Set<String> = []
        for name in names where !finished.contains(name) {
            // The way from `name`, and for each of its names the needs that were not looked at yet.
            var way = [name]
            var open = [needs[name, default: []][...]]
            var onWay: Set<String> = [name]
            while let current = way.last {
                guard let need = open[open.count - 1].popFirst() else {
                    way.removeLast()
                    open.removeLast()
                    onWay.remove(current)
                    finished.insert(current)
                    continue
                }
                if onWay.contains(need), let start = way.firstIndex(of: need) { return way[start...] + [need] }
                guard !finished.contains(need) else { continue }
                way.append(need)
                open.append(needs[need, default: []][...])
                onWay.insert(need)
            }
        }
        return nil
    }

    /// All that a name needs, and what those need.
    func ancestors(of name: String) -> Set<String> {
        var (found, left): (Set<String>, [String]) = ([], needs[name, default: []])
        while let next = left.popLast() {
            if found.insert(next).inserted { left += needs[next, default: []] }
        }
        return found
    }
}
