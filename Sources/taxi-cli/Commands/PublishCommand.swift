import Basics
import CommandLine
import Database
import Glibc
import Postgres
import Problems
import Publish
import SQLite
import Shares
import Stream

/// `publish`: public views as tables of a PostgreSQL.
enum PublishCommand {
    static let command = Command(
        name: "publish", summary: "publish the public views as tables in PostgreSQL, changed rows only",
        discussion: """
            Each view becomes a table of its name, with types that BI tools like (timestamptz, date, numeric), a primary key and comments, \
            in the schema that the URL names (?schema=NAME), else one named after the tenant. A pass is one transaction: readers see one \
            moment, and one that is killed has not been. The other parts of the URL are libpq's (sslmode, …). The password comes from \
            --password-file, PGPASSWORD or ~/.pgpass.
            """,
        examples: [
            Example("taxi-cli publish postgres://taxi@db.example/bi", "all views, into schema chicago"),
            Example(
                "taxi-cli publish 'postgres://taxi@db.example/bi?schema=taxi&sslmode=verify-full' --reader grafana --watch",
                "as results change, for a role that only reads, until Ctrl-C"),
            Example(
                "taxi-cli publish postgres:///bi --views tripstotal,fare_trend", "two views, through the local socket"),
        ],
        arguments: [Argument("URL", help: "postgres://USER@HOST:PORT/DATABASE[?schema=NAME&sslmode=…]")],
        options: [
            Option(
                "views", value: .repeated("VIEW"), configKey: "publish.views",
                help: "only these views or queries (several with commas)", names: CompletedNames.tables),
            Option(
                "queries", value: .repeated("FILE"), kind: .file, configKey: "stream.queries",
                help: "where queries are declared, as for stream: by that their tables have types and keys",
                names: { _, _ in [AnalyticsQueries.name] }, endings: FileEndings.declarations),
            Option(
                "reader", value: .value("ROLE"), configKey: "publish.reader",
                help: "let this role read the tables; it is made where there is none"),
            Option(
                "password-file", value: .value("FILE"), kind: .file, configKey: "publish.password-file",
                help: "a file of mode 0600 with the password"),
            Option("watch", short: "w", help: "publish again as results change, until Ctrl-C"),
            Option(
                "every", value: .value("TIME"), kind: .duration, default: "5s", configKey: "publish.every",
                help: "how often to look", needs: "watch"),
            Option("all", help: "compare every row with the server's, whatever earlier passes have noted"),
            Option("replace", help: "take over a schema of another tenant or database, and tables in the way"),
        ],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let globals = try GlobalOptions(arguments)
        let url = try PostgresURL(arguments.positionals[0])
        if url.hasPassword {
            try arguments.say(
                """
                warning: the password in the URL can be read in "ps" and in the shell's history: use --password-file, PGPASSWORD or \
                ~/.pgpass
                """
            )
        }
        let names = arguments.texts("views").flatMap { $0.split(separator: ",").map(String.init) }
        var job = try PublishJob(globals, url, views: names)
        job.password = try arguments.text("password-file").map { path throws(Problem) in
            try PublishJob.password(in: path)
        }
        job.queries = arguments.texts("queries").filter { $0 != AnalyticsQueries.name }
        job.options.reader = arguments.text("reader")
        if let reader = job.options.reader { try Identifier.check(reader, of: "a role") }
        job.options.comparesAll = arguments.isOn("all")
        job.options.replaces = arguments.isOn("replace")
        Interruption.install()
        guard arguments.isOn("watch") else { return try once(job, arguments) }
        return try watch(job, everyMs: max(200, arguments.durationMs("every") ?? 5000), arguments)
    }

    private static func once(_ job: PublishJob, _ arguments: ParsedArguments) throws -> ExitStatus {
        let line = arguments.progressLine()
        do {
            let began = monotonicMs()
            let summary = try job.run(talk(line, arguments))
            line.clear()
            for note in summary.notes { try arguments.say(note) }
            try arguments.write(table(summary))
            try arguments.say("\(text(summary)) in \(seconds(monotonicMs() - began))")
            return .success
        } catch let problem as Problem where problem.code == .tryAgain && Interruption.isRequested {
            line.clear()
            try arguments.say("stopped; the tables are what they were")
            return .interrupted
        }
    }

    private static func talk(_ line: ProgressLine, _ arguments: ParsedArguments) -> PublishTalk {
        PublishTalk(
            waits: {
                try? arguments.say("another publish writes into this schema; waiting for its end (Ctrl-C stops it)")
            },
            progress: { table, rows in line.update { "\(table): \(grouped(rows)) rows" } })
    }

    private static func table(_ summary: PublishSummary) -> Table {
        var table = Table(columns: [
            Column("table"), Column("rows", .right), Column("written", .right), Column("deleted", .right),
        ])
        table.rows = summary.tables.map { published in
            [
                .text(published.name), .count(published.rows), .count(Int64(published.written)),
                .count(Int64(published.deleted)),
            ]
        }
        return table
    }

    private static func text(_ summary: PublishSummary) -> String {
        guard let pass = summary.pass else { return "nothing has changed" }
        return
            "pass \(pass): \(grouped(Int64(summary.written))) rows written, \(grouped(Int64(summary.deleted))) deleted, "
            + "in \(summary.changed.count) of \(summary.tables.count) tables"
    }

    private static func seconds(_ ms: Int64) -> String { "\(ms / 1000).\(ms % 1000 / 100) s" }

    // MARK: --watch

    private static func watch(_ job: PublishJob, everyMs: Int64, _ arguments: ParsedArguments) throws -> ExitStatus {
        try arguments.say("publishing into \"\(job.url.shown)\", schema \"\(job.options.schema)\"; Ctrl-C stops it")
        var again = Backoff()
        var seen: (watcher: Connection, version: Int64)?
        var notes: Set<String> = []
        while !Interruption.isRequested {
            var pauseMs = everyMs
            do {
                // A file of another is what stands under its name, after a backup was put in its place.
                if let watcher = seen?.watcher, (try? watcher.requireFile()) == nil { seen = nil }
                let watcher = try seen?.watcher ?? ResultsDatabase.openReadOnly(job.globals.tenantHome).connection
                let version = try watcher.dataVersion()
                if seen?.version != version {
                    let began = monotonicMs()
                    let summary = try WorkShare.ofProcess.computing {
                        try job.run(talk(arguments.progressLine(), arguments))
                    }
                    seen = (watcher, version)
                    WorkShare.ofProcess.ready()
                    for note in summary.notes where notes.insert(note).inserted { try arguments.say(note) }
                    let took = monotonicMs() - began
                    if summary.written + summary.deleted > 0 {
                        try arguments.say("\(text(summary)) in \(seconds(took))")
                    }
                    // Over a large table that changes all the time, half of the time is enough.
                    pauseMs = max(everyMs, took)
                }
                if again.isFailing { try arguments.say("publishing again") }
                again = Backoff()
            } catch let problem as Problem where problem.code == .tryAgain && Interruption.isRequested {
                break
            } catch let problem as Problem where again.isWorthIt(problem) {
                seen = nil
                if let delay = again.next(problem.message) {
                    try arguments.say("\(problem.message); trying again until it works")
                    pauseMs = delay
                } else {
                    pauseMs = again.delayMs
                }
            }
            pause(ms: pauseMs)
        }
        try arguments.say("stopped; the tables are those of the last pass")
        return .interrupted
    }

    private static func pause(ms: Int64) {
        let until = monotonicMs() + ms
        while !Interruption.isRequested, monotonicMs() < until {
            poll(nil, 0, Int32(clamping: min(50, max(1, until - monotonicMs()))))
        }
    }
}

/// When to try again while a server, or the results, are away.
private struct Backoff {
    private(set) var delayMs: Int64 = 500
    private var told: String?
    var isFailing: Bool { told != nil }

    /// Servers come back, and a stream makes the results; what else is wrong wants somebody to act.
    func isWorthIt(_ problem: Problem) -> Bool { [.unavailable, .tryAgain, .noInput].contains(problem.code) }

    /// - Returns: how long to wait where it is worth a line; nil where the same was told already.
    mutating func next(_ message: String) -> Int64? {
        delayMs = min(30_000, delayMs * 2)
        defer { told = message }
        return told == message ? nil : delayMs
    }
}
