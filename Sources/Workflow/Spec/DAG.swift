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
        var (done, ordered, left): (Set<String>, [String], [String]) = ([], [], names)
        while !left.isEmpty {
            let ready = left.filter { needs[$0, default: []].allSatisfy(done.contains) }
            if ready.isEmpty { return nil }
            ordered += ready
            done.formUnion(ready)
            left.removeAll(where: done.contains)
        }
        return ordered
    }

    /// Names each of which needs the next, the last being the first again; nil where there is no cycle.
    var cycle: [String]? {
        var finished: Set<String> = []
        for name in names {
            var path: [String] = []
            if let found = search(name, path: &path, finished: &finished) { return found }
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

    private func search(_ name: String, path: inout [String], finished: inout Set<String>) -> [String]? {
        if let start = path.firstIndex(of: name) { return path[start...] + [name] }
        if finished.contains(name) { return nil }
        path.append(name)
        for need in needs[name, default: []] {
            if let found = search(need, path: &path, finished: &finished) { return found }
        }
        path.removeLast()
        finished.insert(name)
        return nil
    }
}
