import Batch
import CommandLine
import Database
import Glibc
import Problems
import SQLite
import SchemaRegistry
import Stream
import Topics
import Workflow

/// Names that completion offers, each kind as `Option.names`. They are read from files of the tenant alone, of which none is made or
/// changed, and no broker is asked: a Tab key must not wait for a cluster that is away.
enum CompletedNames {
    /// What `show` knows: queries by the names that they were declared with, and all other views.
    static let tables: Option.Names = { line, _ in
        let globals = try GlobalOptions(line)
        let queries = (try? globals.knownQueries()) ?? [:]
        return try ResultCatalog.names(on: results(globals)).map { queries[$0] ?? $0 }
    }

    static let queries: Option.Names = { line, _ in try plans(line).map(\.name) }
    static let alerts: Option.Names = { line, _ in try plans(line).flatMap(\.alerts).map(\.name).sorted() }

    static let tenants: Option.Names = { line, _ in try TenantHome.tenants(in: GlobalOptions(line).home) }

    /// Without the tenant's prefix, unless somebody has begun to write it.
    static let topics: Option.Names = { line, begun in
        let globals = try GlobalOptions(line)
        let prefix = "\(globals.tenant)_"
        let names: [String]
        if globals.broker == .embedded {
            names = try EmbeddedTopicStore(path: globals.topicsPath, access: .untouched).topicNames().sorted()
        } else {
            let own =
                try globals.declaredQueries().map(\.topicSuffix) + [
                    "ingestData", "deadLetter", "deadLetterReplay", "late", "alerts", "control",
                ]
            names = own.sorted().map { prefix + $0 }
        }
        let isFull = !begun.isEmpty && (prefix.hasPrefix(begun) || begun.hasPrefix(prefix))
        return isFull ? names : names.map { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : $0 }
    }

    static let subjects: Option.Names = { line, _ in
        try LocalRegistry(path: GlobalOptions(line).tenantHome.schemasDB).subjectNames(deleted: false)
    }

    static let workflows: Option.Names = { line, _ in
        try GlobalOptions(line).workflowFolder.all().compactMap { try? $0.workflow.get().name }
    }

    /// Ids of runs of workflows, the newest first; with --interval, by which a workflow stands for its run, workflows.
    static let runs: Option.Names = { line, _ in
        if line.isDeclared("interval"), line.text("interval") != nil { return try workflows(line, "") }
        return try texts("SELECT run_id FROM workflow_runs ORDER BY coalesce(started, '~') DESC LIMIT 500", line)
    }

    /// Of the run that stands before it.
    static let steps: Option.Names = { line, _ in
        try texts(
            "SELECT DISTINCT step FROM workflow_steps WHERE run_id LIKE ?1 || '%' OR run_id LIKE '%' || ?1 ORDER BY step",
            line, .text(line.positionals.first ?? ""))
    }

    static let analyses: Option.Names = { line, _ in
        let globals = try GlobalOptions(line)
        return Analysis.allCases.map(\.rawValue) + (try declaredAnalyses(globals)) + ["all"]
    }

    static let declaredAnalyses: Option.Names = { line, _ in try declaredAnalyses(GlobalOptions(line)) }

    static let vintages: Option.Names = { line, _ in
        try texts("SELECT vintage FROM batch_vintages ORDER BY vintage", line)
    }

    private static func declaredAnalyses(_ globals: GlobalOptions) throws -> [String] {
        try AnalysisCatalog.load(folder: globals.analysesPath).map(\.name)
    }

    private static func plans(_ line: ParsedArguments) throws -> [QueryPlan] {
        try GlobalOptions(line).declaredQueries(line.isDeclared("queries") ? line.texts("queries") : [])
    }

    private static func texts(_ sql: String, _ line: ParsedArguments, _ value: SQLValue? = nil) throws -> [String] {
        let statement = try results(GlobalOptions(line)).prepare(sql)
        if let value { try statement.bind([value]) }
        var texts: [String] = []
        while try statement.step() { texts.append(statement.text(0)) }
        return texts
    }

    private static func results(_ globals: GlobalOptions) throws -> Connection {
        try Connection(path: globals.resultsPath, access: .untouched, busyTimeoutMs: 0)
    }
}

/// How the names of files end that commands take.
enum FileEndings {
    static let trips = ["csv", "csv.gz", "csv.zst"]
    static let declarations = ["yaml", "yml"]
    static let archives = ["tar", "tar.gz", "tar.zst"]
}
