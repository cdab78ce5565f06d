import Database
import Problems
import YAML

/// Reads one query of a file and collects all that is wrong with it.
struct DeclarationReader {
    private static let keys = [
        "name", "table", "topic", "where", "group", "window", "aggregates", "message", "key", "emit",
    ]

    private let node: YAMLNode
    private(set) var problems = ProblemList()

    init(_ node: YAMLNode) { self.node = node }

    /// The declaration, or nil where there are problems.
    mutating func read() -> QueryDeclaration? {
        let node = self.node
        problems.attempt { () throws(Problem) in try node.requireOnly(keys: Self.keys, of: "query") }
        guard case .mapping = node.content else { return nil }
        let nameNode = problems.attempt { () throws(Problem) in try node.required("name") }
        let name = nameNode.flatMap { node in
            problems.attempt { () throws(Problem) in try Names.check(node, as: .query) }
        }
        let table = checked("table", as: .table) ?? name?.lowercased()
        if let table, let place = node["table"] ?? nameNode { checkReserved(table, at: place) }
        let topic = checked("topic", as: .topic) ?? name.map { "\($0)Stream" }
        if let topic, let place = node["topic"] ?? nameNode { checkReservedTopic(topic, at: place) }
        let window =
            node["window"].map { node in
                problems.attempt { () throws(Problem) in try WindowSpec(node) }
            } ?? WindowSpec.none
        let groups = self.groups()
        let filter = node["where"].flatMap { node in
            problems.attempt { () throws(Problem) in try PredicateParser.parse(node) }
        }
        let aggregates = self.aggregates()
        checkColumns(groups, aggregates)
        let message = messageFields(aggregates)
        let key = messageKey(groups)
        let emit = window.flatMap { self.emit(for: $0) }
        guard problems.isEmpty, let name, let nameNode, let table, let topic, let window, let emit else { return nil }
        var plan = QueryPlan(
            name: name, table: table, topicSuffix: topic, window: window, groups: groups, filter: filter,
            aggregates: aggregates.map(\.plan), emit: emit, messageFields: message)
        plan.messageKey = key
        return QueryDeclaration(
            plan: plan, nameNode: nameNode, tableNode: node["table"] ?? nameNode, topicNode: node["topic"] ?? nameNode)
    }

    // MARK: names

    private mutating func checked(_ key: String, as kind: Names.Kind) -> String? {
        guard let value = node[key] else { return nil }
        return problems.attempt { () throws(Problem) in try Names.check(value, as: kind) }
    }

    private mutating func checkReserved(_ table: String, at place: YAMLNode) {
        guard let reason = TakenNames.reason(table) else { return }
        problems.add(place.problem("the name \"\(table)\" \(reason)", hint: "Choose another with \"table:\"."))
    }

    private mutating func checkReservedTopic(_ topic: String, at place: YAMLNode) {
        guard Names.isReserved(topic: topic) else { return }
        problems.add(place.problem("the topic \"\(topic)\" is taken", hint: "Choose another with \"topic:\"."))
    }

    /// No two columns of the view or of the storage may have one name; SQL does not tell letter case apart.
    private mutating func checkColumns(_ groups: [GroupKey], _ aggregates: [(plan: AggregatePlan, key: YAMLNode)]) {
        // "window", "revision" and "withdrawn" are fields of messages; rows with a "period_kind" are those of analyses.
        var taken: Set<String> = [
            "window_start", "window_end", "window_start_ms", "closed", "groups", "group_id", "window", "revision",
            "withdrawn", "period_kind",
        ]
        for group in groups { taken.formUnion(group.viewColumns + [group.name]) }
        for (plan, key) in aggregates {
            let names = Set([plan.name] + plan.columns.map(\.name)).map { $0.lowercased() }
            for name in names.sorted() where !taken.insert(name).inserted {
                problems.add(
                    key.problem("the column \"\(name)\" is there already", hint: "Give this aggregate another name."))
            }
        }
    }

    // MARK: parts

    private mutating func groups() -> [GroupKey] {
        guard let list = node["group"] else { return [] }
        guard let items = problems.attempt({ () throws(Problem) in try list.items() }) else { return [] }
        var groups: [GroupKey] = []
        for item in items {
            guard let group = problems.attempt({ () throws(Problem) in try GroupKey(item) }) else { continue }
            if groups.contains(group) {
                problems.add(item.problem("the query groups by \"\(group.name)\" twice"))
            } else {
                groups.append(group)
            }
        }
        return groups
    }

    /// An aggregate takes up to four columns of storage, and a table of SQLite has 2,000.
    private static let mostAggregates = 256

    private mutating func aggregates() -> [(plan: AggregatePlan, key: YAMLNode)] {
        let node = self.node
        guard
            let entries = problems.attempt({ () throws(Problem) in
                let mapping = try node.required("aggregates")
                let entries = try mapping.entries()
                guard !entries.isEmpty else { throw mapping.unexpected("at least one aggregate") }
                guard entries.count <= Self.mostAggregates else {
                    throw mapping.problem(
                        "\(entries.count) aggregates are more than a table has room for",
                        hint:
                            "A query has at most \(Self.mostAggregates): declare several with the same window and groups."
                    )
                }
                return entries
            })
        else { return [] }
        var aggregates: [(plan: AggregatePlan, key: YAMLNode)] = []
        for entry in entries {
            let name = problems.attempt { () throws(Problem) in try Names.check(entry.key, as: .aggregate) }
            let plan = problems.attempt { () throws(Problem) in
                try AggregateParser.parse(entry.value, name: entry.name)
            }
            if name != nil, let plan { aggregates.append((plan, entry.key)) }
        }
        return aggregates
    }

    private mutating func messageFields(_ aggregates: [(plan: AggregatePlan, key: YAMLNode)]) -> [Int] {
        guard let list = node["message"] else { return Array(aggregates.indices) }
        guard let items = problems.attempt({ () throws(Problem) in try list.items() }) else { return [] }
        let names = aggregates.map(\.plan.name)
        var fields: [Int] = []
        for item in items {
            guard let name = problems.attempt({ () throws(Problem) in try item.text() }) else { continue }
            if let index = names.firstIndex(of: name) {
                if fields.contains(index) { problems.add(item.problem("\"\(name)\" is in the message twice")) }
                fields.append(index)
            } else if node["aggregates"]?[name] == nil {
                // One that is declared, but wrong, has its own message already.
                let near = nearestName(to: name, among: names).map { "Did you mean \"\($0)\"?" }
                problems.add(item.problem("the query has no aggregate \"\(name)\"", hint: near))
            }
        }
        return fields
    }

    private mutating func messageKey(_ groups: [GroupKey]) -> [Int] {
        guard let list = node["key"], let items = problems.attempt({ () throws(Problem) in try list.items() }) else {
            return []
        }
        if items.isEmpty {
            problems.add(
                list.problem("the key has no group", hint: "Name some of the query's groups, or leave \"key:\" out."))
        }
        let names = groups.map(\.name)
        var key: [Int] = []
        for item in items {
            guard let name = problems.attempt({ () throws(Problem) in try item.text() }) else { continue }
            if let index = names.firstIndex(of: name) {
                if key.contains(index) { problems.add(item.problem("\"\(name)\" is in the key twice")) }
                key.append(index)
            } else if !namesGroup(name) {
                // One that is named there, but wrong, has its own message already.
                let near = nearestName(to: name, among: names).map { "Did you mean \"\($0)\"?" }
                let hint = names.isEmpty ? "A key is made of groups, and the query has none." : near
                problems.add(item.problem("the query does not group by \"\(name)\"", hint: hint))
            }
        }
        return key
    }

    private func namesGroup(_ name: String) -> Bool {
        ((try? node["group"]?.items()) ?? []).contains { (try? $0.text()) == name }
    }

    private mutating func emit(for window: WindowSpec) -> EmitMode? {
        guard let value = node["emit"] else { return window.isWindowed ? .append : .complete }
        let modes = EmitMode.allCases.map(\.rawValue)
        guard let word = problems.attempt({ () throws(Problem) in try value.choice(among: modes, of: "emit mode") }),
            let mode = EmitMode(rawValue: word)
        else { return nil }
        switch (mode, window.isWindowed) {
        case (.append, false):
            problems.add(
                value.problem(
                    "\"append\" gives a window's result when it closes, and this query has no window",
                    hint: "Declare a window, or emit update or complete."))
        case (.complete, true):
            problems.add(
                value.problem(
                    "\"complete\" gives the whole result each time, and that of a query with windows never stops growing",
                    hint: "Emit update or append, or leave out the window."))
        default: break
        }
        return mode
    }
}
