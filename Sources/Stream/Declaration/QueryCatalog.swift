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
    /// - Throws: `Problem(.configuration)` with all that is wrong in the file, each with its place; `.noInput` where the
    ///   file cannot be read.
    public static func load(
        userFile: String? = nil, defaults: Bool = true, analytics: Bool = false
    ) throws(Problem) -> [QueryPlan] {
        let own = try userFile.map { path throws(Problem) in try QueryDeclaration.load(path: path) } ?? .init()
        return try joined(own, defaults: defaults, analytics: analytics)
    }

    /// As `load`, from the text of a file.
    public static func parse(_ text: String, file: String, defaults: Bool = false) throws(Problem) -> [QueryPlan] {
        try joined(try QueryDeclaration.parse(text.utf8, file: file), defaults: defaults)
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
        _ own: QueryDeclaration.File, defaults: Bool, analytics: Bool = false
    ) throws(Problem) -> [QueryPlan] {
        let shipped = (
            try QueryDeclaration.parse(DefaultQueries.yaml.utf8, file: DefaultQueries.fileName).queries,
            try QueryDeclaration.parse(AnalyticsQueries.yaml.utf8, file: AnalyticsQueries.fileName).queries
        )
        let all = (defaults ? shipped.0 : []) + (analytics ? shipped.1 : []) + own.queries
        var problems = ProblemList()
        for problem in QueryDeclaration.clashes(all) { problems.add(problem) }
        // An alert may be on any query that there can be, whichever of them are asked for now.
        let known = own.queries + shipped.0 + shipped.1
        var alerts: [AlertPlan] = []
        for declaration in own.alerts {
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
}
