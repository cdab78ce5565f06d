import CommandLine
import Database
import ML
import Problems
import SQLite
import Topics
import Time

/// `ml`: models that are asked about results.
enum MLCommand {
    static let command = Command(
        name: "ml", summary: "ask models about results, on a schedule, and keep their answers",
        discussion: """
            Models are declared in ml.yaml of the tenant's folder: which rows they are asked about, when, how, and where the answers go. \
            Rows that are new or changed go in batches to the model's service; answers are rows of the view ml_results, each row once, \
            and records of the topic {tenant}_mlResults, each answer once, whatever is killed.
            """,
        examples: [
            Example(
                "taxi-cli ml test demand --rows 3", "send three rows, and see request, answer and what would be kept"),
            Example("taxi-cli ml run", "ask every model now about what is new"),
            Example("taxi-cli ml serve", "ask them when they are due, until it is stopped"),
        ],
        subcommands: [list, test, MLRunCommand.command, MLServeCommand.command, history], group: "Run")

    static let model = Argument("NAME", .one, help: "the model", names: CompletedNames.models)

    // MARK: ml list

    private static let list = Command(
        name: "list", summary: "list the declared models, when each is asked next, and how its service is",
        examples: [
            Example("taxi-cli ml list", "name, source, protocol, last and next pass, state"),
            Example("taxi-cli ml list --format json", "for a script"),
        ]
    ) { arguments in
        let session = try MLSession(arguments)
        let table = try table(of: session)
        try arguments.write(table)
        if table.rows.isEmpty { try arguments.say("no models are declared; they go into \"\(session.path)\"") }
        return .success
    }

    /// What `ml list` and the page of models show.
    static func table(of session: MLSession) throws -> Table {
        let models = try session.models()
        let known = try session.statuses()
        let now = systemTime()
        var table = Table(columns: [
            Column("model"), Column("source"), Column("when"), Column("protocol"),
            Column("endpoint", mayBeLeftOut: true), Column("last"), Column("next"), Column("state"),
            Column("set_aside", .right), Column("reason", mayBeLeftOut: true),
        ])
        for model in models {
            let status = known[model.name]
            let next = model.due(after: status?.passed, since: now).map { max($0, status?.openUntil ?? $0) }
            table.rows.append([
                .text(model.name), .text(model.sourceText), .text(model.triggerText), .text(model.protocolText),
                .optional(model.service?.endpoint), .optional(status?.passed.map { session.zone.iso(ms: $0) }),
                .optional(next.map { session.zone.iso(ms: $0) }), .text(state(status, now)),
                .count(Int64(status?.batchesSetAside ?? 0)), .optional(status?.reason),
            ])
        }
        return table
    }

    private static func state(_ status: ModelStatus?, _ now: EventTime) -> String {
        guard let status else { return "new" }
        if let until = status.openUntil, until > now { return "away" }
        return status.failures > 0 ? "failing" : status.batchesInDoubt > 0 ? "at work" : "fine"
    }

    // MARK: ml test

    private static let test = Command(
        name: "test", summary: "send one batch, and show the request, the answer and what would be kept of it",
        discussion: """
            Nothing is stored and nothing is sent again: the model may be asked about rows that have answers already. Secrets in headers are shown \
            as ***. Ends with exit code 65 where the answer cannot be used, and 69 where nobody answers.
            """,
        examples: [
            Example("taxi-cli ml test demand", "a whole batch"),
            Example("taxi-cli ml test demand --rows 2 --dry-run", "the request alone; nobody is asked"),
        ], arguments: [model],
        options: [
            Option(
                "rows", short: "n", value: .value("N"), kind: .integer(1...100_000),
                help: "how many rows (default: a batch)"),
            Option("dry-run", help: "show the request, and send nothing"),
        ]
    ) { arguments in
        let session = try MLSession(arguments)
        try session.requireOurs()
        let spec = try session.model(arguments.positionals[0])
        let database = try ResultsDatabase.openReadOnly(session.globals.tenantHome)
        Interruption.install()
        let trial = try ModelRun(spec, database, session.surroundings()).trial(
            rows: arguments.integer("rows").map { Int($0) }, isDry: arguments.isOn("dry-run")
        ) { Interruption.isRequested }
        var table = Table(columns: [Column("part"), Column("content")])
        if !trial.request.isEmpty {
            table.rows.append(["request", .text("POST \(trial.endpoint)")])
            table.rows += trial.headers.map { ["header", .text("\($0.name): \($0.value)")] }
            table.rows.append(["body", .text(trial.request)])
        }
        if let status = trial.status { table.rows.append(["status", .integer(Int64(status))]) }
        if let answer = trial.answer { table.rows.append(["answer", .text(answer)]) }
        if let fault = trial.fault { table.rows.append(["fault", .text(fault)]) }
        table.rows += trial.results.map { ["result", .json($0)] }
        try arguments.write(table)
        if trial.unusable > 0 {
            try arguments.say("\(trial.unusable) rows cannot be sent: \(trial.unusableReason ?? "")")
        }
        if trial.rows == 0 { try arguments.say("the source has no rows") }
        if let fault = trial.fault, trial.isAway {
            throw Problem(
                .unavailable, fault,
                hint:
                    "See whether the service at \(trial.endpoint) runs, and \"endpoint\" and \"headers\" of model \"\(spec.name)\" in \"\(session.path)\"."
            )
        }
        if let fault = trial.fault {
            throw Problem(
                .badData, "the answer cannot be used: \(fault)",
                hint: "Compare it with \"response\" and \"schema\" of model \"\(spec.name)\" in \"\(session.path)\".")
        }
        return .success
    }

    // MARK: ml history

    private static let history = Command(
        name: "history", summary: "list the batches that were sent, the newest first, and what became of each",
        examples: [
            Example("taxi-cli ml history", "the last twenty of all models"),
            Example(
                "taxi-cli ml history demand --state 'set aside'", "which batches of a model were set aside, and why"),
        ], arguments: [Argument("NAME", .optional, help: "one model (default: all)", names: CompletedNames.models)],
        options: [
            Option(
                "lines", short: "n", value: .value("N"), kind: .count,
                help: "how many, the newest; 20 on a terminal and all elsewhere unless said", group: "Which"),
            Option(
                "state", value: .value("STATE"), kind: .choice(["sent", "answered", "set aside", "sent again"]),
                help: "only batches of this state", group: "Which"),
        ]
    ) { arguments in
        let session = try MLSession(arguments)
        var table = Table(columns: [
            Column("model"), Column("batch", .right), Column("state"), Column("rows", .right), Column("sent"),
            Column("ended", mayBeLeftOut: true), Column("attempts", .right), Column("first_key", mayBeLeftOut: true),
            Column("last_key", mayBeLeftOut: true), Column("idempotency_key", mayBeLeftOut: true), Column("reason"),
        ])
        if let database = try session.globals.openResultsIfAny(), try ModelStore.isThere(database.connection) {
            table.rows = try explaining("reading the history of models") { () throws(SQLiteError) in
                try database.connection.rows(
                    """
                    SELECT model, batch, state, rows, sent, ended, attempts, first_key, last_key, idempotency_key, reason FROM ml_batches
                    WHERE (?1 IS NULL OR model = ?1) AND (?2 IS NULL OR state = ?2)
                    ORDER BY sent DESC, model, batch DESC LIMIT ?3
                    """, arguments.positionals.first.map(SQLValue.text) ?? .null,
                    arguments.text("state").map(SQLValue.text) ?? .null,
                    .integer(Int64(arguments.lineLimit(onTerminal: 20)))
                ) { row throws(SQLiteError) in
                    [
                        .text(row.text(0)), .integer(row.integer(1)), .text(row.text(2)), .count(row.integer(3)),
                        .text(row.text(4)), .optional(row.isNull(5) ? nil : row.text(5)), .integer(row.integer(6)),
                        .text(row.text(7)), .text(row.text(8)), .text(row.text(9)),
                        .optional(row.isNull(10) ? nil : row.text(10)),
                    ]
                }
            }
        }
        try arguments.write(table)
        if table.rows.isEmpty { try arguments.say("no batch was sent") }
        return .success
    }
}
