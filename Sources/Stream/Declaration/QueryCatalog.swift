import Database
public import Problems
import YAML

/// The queries that a tenant has: the defaults and the ones of its own file.
public enum QueryCatalog {
    /// Reads and checks all queries.
    ///
    /// - Parameters:
    ///   - userFile: path of the user's own declarations; nil where there are none.
    ///   - defaults: whether the default queries come first.
    ///   - analytics: whether `AnalyticsQueries` come after them.
    ///   - analyses: names that analyses have, with the files that declare them; nothing declared here may have one.
    /// - Throws: `Problem(.configuration)` with all that is wrong in the file, each with its place; `.noInput` where the
    ///   file cannot be read.
    public static func load(
        userFile: String? = nil, defaults: Bool = true, analytics: Bool = false, analyses: [String: String] = [:]
    ) throws(Problem) -> [QueryPlan] {
        let own = try userFile.map { path throws(Problem) in try QueryDeclaration.load(path: path) } ?? .init()
        return try joined(own, defaults: defaults, analytics: analytics, analyses: analyses, knowsShipped: true)
    }

    /// As `load`, from the text of a file.
    public static func parse(
        _ text: String, file: String, defaults: Bool = false, analyses: [String: String] = [:]
    ) throws(Problem) -> [QueryPlan] {
        try joined(
            try QueryDeclaration.parse(text.utf8, file: file), defaults: defaults, analyses: analyses,
            knowsShipped: defaults)
    }

    /// The queries of these names, in the order of `plans`; all of them where no name is given.
    ///
    /// - Throws: `Problem(.usage)` for a name that none has, with the nearest.
    public static func select(_ names: [String], from plans: [QueryPlan]) throws(Problem) -> [QueryPlan] {
        if names.isEmpty { return plans }
        for name in names where !plans.contains(where: { $0.name == name }) {
            let near = nearestName(to: name, among: plans.map(\.name)).map { "Did you mean \"\($0)\"? " } ?? ""
            throw Problem(
                .usage, "unknown query \"\(name)\"",
                hint: near + "Known: \(plans.map(\.name).joined(separator: ", ")).")
        }
        return plans.filter { names.contains($0.name) }
    }

    private static func joined(
        _ file: QueryDeclaration.File, defaults: Bool, analytics: Bool = false, analyses: [String: String],
        knowsShipped: Bool
    ) throws(Problem) -> [QueryPlan] {
        var own = file
        let shipped = (
            try QueryDeclaration.parse(DefaultQueries.yaml.utf8, file: DefaultQueries.fileName).queries,
            try QueryDeclaration.parse(AnalyticsQueries.yaml.utf8, file: AnalyticsQueries.fileName).queries
        )
        // Whoever starts with what `stream queries` prints may leave shipped queries in it as they are.
        if knowsShipped {
            let plans = Set((shipped.0 + shipped.1).map(\.plan))
            own.queries.removeAll { plans.contains($0.plan) }
        }
        let all = (defaults ? shipped.0 : []) + (analytics ? shipped.1 : []) + own.queries
        var problems = ProblemList()
        // Names of shipped queries are taken whether these run or not: they may tomorrow.
        for problem in QueryDeclaration.clashes((knowsShipped ? shipped.0 + shipped.1 : []) + own.queries) {
            problems.add(problem)
        }
        for problem in own.queries.compactMap({ $0.clash(with: analyses) }) { problems.add(problem) }
        // An alert may be on any query that there can be, whichever of them are asked for now.
        let known = own.queries + shipped.0 + shipped.1
        var alerts: [AlertPlan] = []
        for declaration in own.alerts {
            if let reason = reason(declaration.name, analyses, shipped.0 + shipped.1) {
                problems.add(
                    declaration.nameNode.problem(
                        "the name \"\(declaration.name)\" \(reason)", hint: "Give the alert another name."))
            }
            let alert = problems.attempt { () throws(Problem) in try declaration.plan(among: known.map(\.plan)) }
            if case let alert?? = alert { alerts.append(alert) }
        }
        try problems.throwIfAny()
        return all.map { declaration in
            var plan = declaration.plan
            plan.alerts = alerts.filter { $0.query == plan.name }
            return plan
        }
    }

    /// Why nothing but a query can have a name, such as a vintage; nil where it can.
    ///
    /// - Parameter analyses: names that analyses have, with the files that declare them.
    public static func takenReason(_ name: String, analyses: [String: String]) throws(Problem) -> String? {
        reason(
            name, analyses,
            try QueryDeclaration.parse(DefaultQueries.yaml.utf8, file: DefaultQueries.fileName).queries
                + QueryDeclaration.parse(AnalyticsQueries.yaml.utf8, file: AnalyticsQueries.fileName).queries)
    }

    private static func reason(
        _ name: String, _ analyses: [String: String], _ shipped: [QueryDeclaration]
    ) -> String? {
        if let reason = TakenNames.reason(name) { return reason }
        let lower = name.lowercased()
        if shipped.contains(where: { $0.plan.name.lowercased() == lower || $0.plan.table == lower }) {
            return "is that of a query"
        }
        return analyses[lower].map { "is that of an analysis, in \($0)" }
    }
}
