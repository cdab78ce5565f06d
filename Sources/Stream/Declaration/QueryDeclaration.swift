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

    /// All queries of a file's text.
    ///
    /// - Throws: `Problem(.configuration)` with the first thing that is wrong and all further ones in `others`.
    static func parse(_ text: some Sequence<UInt8>, file: String) throws(Problem) -> [QueryDeclaration] {
        try read(try YAMLNode.parse(text, file: file, callsHoldCommas: true))
    }

    static func load(path: String) throws(Problem) -> [QueryDeclaration] {
        try read(try YAMLNode.load(path: path, callsHoldCommas: true))
    }

    private static func read(_ root: YAMLNode) throws(Problem) -> [QueryDeclaration] {
        if root.isNull { return [] }
        var problems = ProblemList()
        problems.attempt { () throws(Problem) in try root.requireOnly(keys: ["queries"], of: "query file") }
        guard let list = root["queries"], !list.isNull else {
            try problems.throwIfAny()
            return []
        }
        var declarations: [QueryDeclaration] = []
        for item in try list.items() {
            var reader = DeclarationReader(item)
            if let declaration = reader.read() { declarations.append(declaration) }
            for problem in reader.problems.problems { problems.add(problem) }
        }
        for problem in clashes(declarations) { problems.add(problem) }
        try problems.throwIfAny()
        return declarations
    }

    /// A problem for each query whose name, view or topic an earlier one has already.
    static func clashes(_ declarations: [QueryDeclaration]) -> [Problem] {
        var problems: [Problem] = []
        var (names, tables, topics): ([String: String], [String: String], [String: String]) = ([:], [:], [:])
        for declaration in declarations {
            let plan = declaration.plan
            // Names differ in letter case only where a person means the same.
            if names.updateValue(plan.name, forKey: plan.name.lowercased()) != nil {
                problems.append(
                    declaration.nameNode.problem(
                        "there is a query \"\(plan.name)\" already", hint: "Give this one another name."))
                continue
            }
            if let other = tables.updateValue(plan.name, forKey: plan.table) {
                problems.append(
                    declaration.tableNode.problem(
                        "query \"\(other)\" has the table \"\(plan.table)\" already",
                        hint: "Give this one another with \"table:\"."))
            }
            if let other = topics.updateValue(plan.name, forKey: plan.topicSuffix.lowercased()) {
                problems.append(
                    declaration.topicNode.problem(
                        "query \"\(other)\" has the topic \"\(plan.topicSuffix)\" already",
                        hint: "Give this one another with \"topic:\"."))
            }
        }
        return problems
    }
}
