import Problems
import YAML

/// A query as a file declares it: the checked plan, and where its names stand, for messages about clashes.
///
///     queries:
///       - name: cashByCompany
///         where: payment_type = 'Cash' and fare >= 5.00
///         group: [company]
///         window: {sliding: 1h, every: 15m}
///         aggregates: {trips: count(), fares: sum(fare), p90: quantile(fare, 0.9)}
///         emit: append
struct QueryDeclaration {
    var plan: QueryPlan
    var nameNode: YAMLNode
    var tableNode: YAMLNode
    var topicNode: YAMLNode

    /// What a file declares.
    struct File {
        var queries: [QueryDeclaration] = []
        var alerts: [AlertDeclaration] = []
    }

    /// All queries and alerts of a file's text.
    ///
    /// - Throws: `Problem(.configuration)` with the first thing that is wrong and all further ones in `others`.
    static func parse(_ text: some Sequence<UInt8>, file: String) throws(Problem) -> File {
        try read(try YAMLNode.parse(text, file: file, callsHoldCommas: true))
    }

    static func load(path: String) throws(Problem) -> File {
        try read(try YAMLNode.load(path: path, callsHoldCommas: true))
    }

    private static func read(_ root: YAMLNode) throws(Problem) -> File {
        if root.isNull { return File() }
        var problems = ProblemList()
        problems.attempt { () throws(Problem) in try root.requireOnly(keys: ["queries", "alerts"], of: "query file") }
        func items(_ key: String) throws(Problem) -> [YAMLNode] {
            guard let list = root[key], !list.isNull else { return [] }
            return try list.items()
        }
        var file = File()
        for item in try items("queries") {
            var reader = DeclarationReader(item)
            if let declaration = reader.read() { file.queries.append(declaration) }
            for problem in reader.problems.problems { problems.add(problem) }
        }
        for item in try items("alerts") {
            guard let alert = AlertDeclaration(item, &problems) else { continue }
            if file.alerts.contains(where: { $0.name.lowercased() == alert.name.lowercased() }) {
                problems.add(
                    alert.nameNode.problem(
                        "there is an alert \"\(alert.name)\" already", hint: "Give this one another name."))
            }
            file.alerts.append(alert)
        }
        for problem in clashes(file.queries) { problems.add(problem) }
        try problems.throwIfAny()
        return file
    }

    /// A problem for each query whose name, tables or topic an earlier one has already.
    static func clashes(_ declarations: [QueryDeclaration]) -> [Problem] {
        var problems: [Problem] = []
        var (names, tables, topics): ([String: String], [String: String], [String: QueryPlan]) = ([:], [:], [:])
        for declaration in declarations {
            let plan = declaration.plan
            // Names differ in letter case only where a person means the same.
            if names.updateValue(plan.name, forKey: plan.name.lowercased()) != nil {
                problems.append(
                    declaration.nameNode.problem(
                        "there is a query \"\(plan.name)\" already", hint: "Give this one another name."))
                continue
            }
            let schema = [plan.table, plan.storageTable, plan.keysTable, plan.dayIndex].compactMap { $0 }
            if let other = schema.compactMap({ tables[$0] }).first {
                problems.append(
                    declaration.tableNode.problem(
                        "query \"\(other)\" has the table \"\(plan.table)\" already",
                        hint: "Give this one another with \"table:\"."))
            }
            for name in schema { tables[name] = plan.name }
            // Kafka takes no two topics that differ in "." and "_" alone, since names of metrics do not tell them apart.
            let topic = String(plan.topicSuffix.lowercased().map { $0 == "." ? "_" : $0 })
            if let other = topics.updateValue(plan, forKey: topic) {
                let isSame = other.topicSuffix.lowercased() == plan.topicSuffix.lowercased()
                problems.append(
                    declaration.topicNode.problem(
                        "query \"\(other.name)\" has the topic \"\(isSame ? plan.topicSuffix : other.topicSuffix)\" already",
                        hint: "Give this one another with \"topic:\"."
                            + (isSame ? "" : " Kafka takes \".\" and \"_\" in names of topics for the same.")))
            }
        }
        return problems
    }

    /// The problem of a name that an analysis has: its view would be in the way, and whoever looked for one would find the other.
    ///
    /// - Parameter analyses: names of analyses, with the files that declare them.
    func clash(with analyses: [String: String]) -> Problem? {
        if let file = analyses[plan.table] {
            return tableNode.problem(
                "there is an analysis \"\(plan.table)\" already, in \(file)",
                hint: "Give this query another table with \"table:\", or another name.")
        }
        return analyses[plan.name.lowercased()].map { file in
            nameNode.problem(
                "there is an analysis \"\(plan.name.lowercased())\" already, in \(file)",
                hint: "Give this query another name.")
        }
    }
}
