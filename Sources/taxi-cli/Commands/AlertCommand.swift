import Basics
import CommandLine
import Database
import Problems
import Stream
import Time

/// `alert`: what is declared, what was raised, and what would have been.
enum AlertCommand {
    static let command = Command(
        name: "alert", summary: "see which alerts are declared and raised, and try one on stored results",
        discussion: """
            Alerts are declared in queries.yaml, under "alerts:": a condition over the results of a query with windows. The stream raises \
            them when windows close: each is a row of the view alerts and a record of the topic {tenant}_alerts, once, and may start a \
            workflow.
            """,
        examples: [
            Example("taxi-cli alert list", "the declared alerts, and when each was raised last"),
            Example("taxi-cli alert test fare-spike", "when it would have been raised by the results that are stored"),
        ],
        subcommands: [list, test, history], group: "Run")

    private static let queries = Option(
        "queries", value: .value("FILE"), kind: .file,
        help: "the file of declarations, instead of the tenant's own", group: "Which", endings: FileEndings.declarations
    )
    private static let limit = Option(
        "lines", short: "n", value: .value("N"), kind: .count,
        help: "how many, the newest; 20 on a terminal and all elsewhere unless said",
        group: "Which")

    private static let list = Command(
        name: "list", summary: "list the declared alerts, how often each was raised, and when last",
        examples: [
            Example("taxi-cli alert list", "name, query, condition, and the last time"),
            Example("taxi-cli alert list --queries new.yaml", "those of a file that is not in use yet"),
        ], options: [queries]
    ) { arguments in
        let globals = try GlobalOptions(arguments)
        let zone = try ZoneClock(identifier: globals.zoneIdentifier)
        let alerts = try globals.declaredQueries(arguments.texts("queries")).flatMap(\.alerts)
        let counts = try history(globals)?.counts() ?? [:]
        var table = Table(columns: [
            Column("name"), Column("query"), Column("condition"), Column("windows", .right), Column("cooldown"),
            Column("workflow"), Column("raised", .right), Column("last"),
        ])
        for alert in alerts.sorted(by: { $0.name < $1.name }) {
            let found = counts[alert.name]
            table.rows.append([
                .text(alert.name), .text(alert.query), .text("\(alert.condition)"), .integer(Int64(alert.windows)),
                .optional(alert.cooldownMs.map { roundedDurationText(ms: $0) }), .optional(alert.workflow),
                .count(found?.count ?? 0), .optional(found.map { zone.iso(ms: $0.last) }),
            ])
        }
        try arguments.write(table)
        if alerts.isEmpty { try arguments.say("no alerts are declared; they go under \"alerts:\" in queries.yaml") }
        return .success
    }

    private static let test = Command(
        name: "test", summary: "tell when an alert would have been raised by the results that are stored",
        discussion:
            "Nothing is raised and nothing is started. Windows that batch --retain-windows let go are not looked at.",
        examples: [
            Example("taxi-cli alert test fare-spike", "the newest twenty times"),
            Example("taxi-cli alert test fare-spike --queries new.yaml", "with another condition, before it is used"),
        ],
        arguments: [Argument("NAME", .one, help: "the alert", names: CompletedNames.alerts)], options: [queries, limit]
    ) { arguments in
        let globals = try GlobalOptions(arguments)
        let plans = try globals.declaredQueries(arguments.texts("queries"))
        let home = globals.tenantHome
        let database = try ResultsDatabase.openReadOnly(home)
        let zone = try ZoneClock(identifier: database.zone)
        let found = try AlertRehearsal(arguments.positionals[0], plans, on: database.connection, zone: zone)
        try write(Array(found.raised.reversed().prefix(lines(arguments))), arguments, zone)
        try arguments.say(
            "\(grouped(Int64(found.windows))) windows looked at; raised \(grouped(Int64(found.raised.count))) times")
        return .success
    }

    private static let history = Command(
        name: "history", summary: "list the alerts that were raised, the newest first",
        examples: [
            Example("taxi-cli alert history", "the last twenty, with the runs that they started"),
            Example("taxi-cli alert history fare-spike --format json", "one alert, for a script"),
        ],
        arguments: [Argument("NAME", .optional, help: "one alert (default: all)", names: CompletedNames.alerts)],
        options: [limit]
    ) { arguments in
        let globals = try GlobalOptions(arguments)
        let zone = try ZoneClock(identifier: globals.zoneIdentifier)
        let entries = try history(globals)?.entries(of: arguments.positionals.first, limit: lines(arguments)) ?? []
        try write(entries, arguments, zone)
        if entries.isEmpty { try arguments.say("no alert was raised") }
        return .success
    }

    private static func lines(_ arguments: ParsedArguments) -> Int { arguments.lineLimit(onTerminal: 20) }

    /// nil where there are no results yet.
    private static func history(_ globals: GlobalOptions) throws -> AlertHistory? {
        try globals.openResultsIfAny().map { AlertHistory($0.connection) }
    }

    private static func write(_ entries: [AlertHistory.Entry], _ arguments: ParsedArguments, _ zone: ZoneClock) throws {
        // Whoever does not see that one was withdrawn takes it for one that stands.
        let isRevised = entries.contains { $0.withdrawnBy != nil || $0.revision != nil }
        var table = Table(columns: [
            Column("raised"), Column("name"), Column("query", mayBeLeftOut: true), Column("window_start"),
            Column("group", mayBeLeftOut: true),
            Column("value", .right), Column("threshold", .right, mayBeLeftOut: true),
            Column("workflow", mayBeLeftOut: true), Column("run_id", keepsEnd: true),
            Column("revision", .right, mayBeLeftOut: !isRevised),
            Column("withdrawn_by", .right, mayBeLeftOut: !isRevised),
        ])
        // What every alert has; the rest names its group.
        let common: Set = [
            "name", "query", "window_start", "window_end", "threshold", "value", "condition", "windows",
            "revision",
        ]
        for entry in entries {
            let group = entry.params.filter { !common.contains($0.key) }.sorted { $0.key < $1.key }.map(\.value)
            table.rows.append([
                .text(zone.iso(ms: entry.raised)), .text(entry.name), .text(entry.query),
                .text(zone.iso(ms: entry.windowStart)), .optional(group.isEmpty ? nil : group.joined(separator: ", ")),
                .real(entry.value, decimals: 2),
                entry.params["threshold"].flatMap(Double.init).map { .real($0, decimals: 2) } ?? .null,
                .optional(entry.workflow), .optional(entry.runID), entry.revision.map { .integer($0) } ?? .null,
                entry.withdrawnBy.map { .integer($0) } ?? .null,
            ])
        }
        try arguments.write(table)
    }
}
