import Batch
import CommandLine
import Problems
import Stream
import Workflow

/// `stream queries`: the declarations to start from, and whether one's own are right.
enum StreamQueriesCommand {
    static let command = Command(
        name: "queries", summary: "print the default queries as a file to start from, or check one's own",
        discussion: """
            Queries of your own go into <home>/<tenant>/queries.yaml, or into the file of stream --queries; both are added to the \
            default queries. --check reads such a file whole, says everything that is wrong with its place, and lists what it declares.
            """,
        examples: [
            Example("taxi-cli stream queries | less", "the default declarations, with an account of the form"),
            Example(
                "taxi-cli stream queries --check queries.yaml",
                "0 if every query in it can run, 78 with all mistakes if not"),
        ],
        options: [
            Option(
                "check", value: .value("FILE"), kind: .file, help: "a file of declarations to check",
                endings: FileEndings.declarations),
            Option("analytics", help: "print the queries of stream --queries analytics instead"),
        ],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        guard let path = arguments.text("check") else {
            try arguments.output.write(arguments.isOn("analytics") ? AnalyticsQueries.yaml : DefaultQueries.yaml)
            return .success
        }
        let globals = try GlobalOptions(arguments)
        let analyses = AnalysisCatalog.names(folder: globals.analysesPath)
        let all = try QueryCatalog.load(userFile: path, analyses: analyses)
        let shipped = Set(try QueryCatalog.load().map(\.name))
        let plans = all.filter { !shipped.contains($0.name) }
        let alerts = all.flatMap(\.alerts).count
        let workflows = globals.workflowFolder
        var problems: [Problem] = []
        for alert in all.flatMap(\.alerts) {
            guard let name = alert.workflow else { continue }
            do throws(Problem) { _ = try workflows.load(name) } catch {
                problems.append(
                    Problem(
                        .configuration, "alert \"\(alert.name)\" starts workflow \"\(name)\": \(error.message)",
                        at: alert.workflowPlace, hint: error.hint, others: error.others))
            }
        }
        if var first = problems.first {
            first.others += problems.dropFirst()
            throw first
        }
        var table = Table(columns: ["query", "table", "topic", "key", "declaration", "emit"].map { Column($0) })
        for plan in plans {
            table.rows.append([
                .text(plan.name), .text(plan.table),
                .text("\(arguments.text("tenant") ?? GlobalOptions.defaultTenant)_\(plan.topicSuffix)"),
                .optional(plan.messageKey.isEmpty ? nil : plan.keyNames.joined(separator: ", ")),
                .text(plan.schemaFingerprint), .text(plan.emit.rawValue),
            ])
        }
        try arguments.write(table)
        var parts = ["\(plans.count) \(plans.count == 1 ? "query" : "queries")"]
        if alerts > 0 { parts.append("\(alerts) \(alerts == 1 ? "alert" : "alerts")") }
        try arguments.say("\(path): \(parts.joined(separator: ", ")), all right")
        return .success
    }
}
