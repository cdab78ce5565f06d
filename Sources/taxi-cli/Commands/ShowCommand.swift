import Basics
import Batch
import CommandLine
import Database
import Foundation
import Problems
import SQLite
import Time

/// `show`: results in the terminal.
enum ShowCommand {
    static let command = Command(
        name: "show", summary: "look at results: tables, sparklines, bars",
        discussion: """
            TABLE is a public view of the results (fare_trend, sumfarewindow, runs, …) or the name of a query; without one, what \
            there is gets listed. The newest rows come last. On a terminal, analytics show months unless --by or --period asks for others, \
            and hot spots their newest period. --sql takes one SELECT; the database is opened for reading only.
            """,
        examples: [
            Example("taxi-cli show fare_trend", "months with a sparkline for each column"),
            Example("taxi-cli show area_hotspots --period 2024-01 --limit 10", "the ten busiest areas of a month"),
            Example("taxi-cli show sumFareWindow --watch", "the newest windows, as they change, until Ctrl-C"),
            Example("taxi-cli show --sql \"SELECT day, trips_total FROM tripstotal\" --format csv", "any query"),
        ],
        arguments: [Argument("TABLE", .optional, help: "a table of results or a query", names: CompletedNames.tables)],
        options: [
            Option(
                "limit", short: "n", value: .value("N"), kind: .positive,
                help: "the newest N rows, or the first N ranks of each period (default: 24 on a terminal, else all)"),
            Option(
                "by", value: .value("KIND"), kind: .choice(["month", "quarter", "year"]), help: "only such periods"),
            Option(
                "period", value: .value("PERIOD"),
                kind: .custom { text throws(Problem) in _ = try PeriodFilter(text) },
                help: "only rows of 2024-01, 2024-Q1, 2024 or last"),
            watchOption,
            Option(
                "diff", value: .value("VINTAGE"),
                help: "what changed since batch --vintage kept the answers: periods, or with TABLE each cell",
                names: CompletedNames.vintages),
            // What is no SQL is told of with what SQL would be.
            Option("sql", value: .value("SELECT"), kind: .custom { _ in }, help: "show what a query of your own gives"),
        ],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let options = try GlobalOptions(arguments)
        let home = options.tenantHome
        let name = arguments.positionals.first
        if let sql = arguments.text("sql") {
            guard name == nil, arguments.text("by") == nil, arguments.text("period") == nil else {
                throw Problem(.usage, "--sql says all by itself", hint: "Leave out the table, --by and --period.")
            }
            let connection = try ResultsDatabase.openReadOnly(home).connection
            return try arguments.repeating(on: connection) { try show(sql: sql, connection, arguments) }
        }
        let connection = try ResultsDatabase.openReadOnly(home).connection
        let catalog = ResultCatalog(connection: connection, queriesPath: options.queriesPath)
        if let vintage = arguments.text("diff") {
            return try arguments.repeating(on: connection) {
                try explaining("comparing with \(vintage)") { try showDiff(since: vintage, name, catalog, arguments) }
            }
        }
        guard let name else {
            try arguments.write(try catalog.table())
            return .success
        }
        let view = try catalog.view(named: name)
        let selection = ResultSelection(
            view: view, limit: arguments.integer("limit").map(Int.init),
            kind: arguments.text("by"), period: try arguments.text("period").map { text in try PeriodFilter(text) },
            isForPeople: arguments.format == .table, zone: try ZoneClock(identifier: options.zoneIdentifier))
        return try arguments.repeating(on: connection) { try show(selection, connection, arguments) }
    }

    /// Which periods of which tables are others now; of one table, cell by cell.
    private static func showDiff(
        since vintage: String, _ name: String?, _ catalog: ResultCatalog, _ arguments: ParsedArguments
    ) throws {
        let connection = catalog.connection
        let names = try VintageDiff.names(on: connection)
        guard names.contains(vintage) else {
            let near = nearestName(to: vintage, among: names).map { "Did you mean \"\($0)\"? " } ?? ""
            throw arguments.problem(
                "diff", "there is no vintage \"\(vintage)\"",
                hint: names.isEmpty
                    ? "taxi-cli batch --vintage \(vintage) keeps the answers under that name."
                    : near + "Known: \(names.joined(separator: ", ")).")
        }
        let view = try name.map { try catalog.view(named: $0) }
        if let view, !view.isPeriodic {
            throw Problem(
                .usage, "vintages do not hold \"\(view.name)\"",
                hint: "They hold the answers of batch, such as fare_trend.")
        }
        func isWanted(_ row: [SQLValue]) -> Bool { arguments.text("by").map { row[1].text == $0 } ?? true }
        if let view {
            var writer = try arguments.tableWriter(columns: VintageDiff.columns.map { Column($0) })
            try VintageDiff.forEachChange(since: vintage, view: view.name, on: connection) { row in
                if isWanted(row) {
                    try writer.append(row.map { ResultPicture.plain($0) })
                }
            }
            return try writer.finish()
        }
        var periods: [(table: String, kind: String, period: String, rows: Int, cells: Int)] = []
        var lastKey: SQLValue?
        try VintageDiff.forEachChange(since: vintage, view: nil, on: connection) { row in
            guard isWanted(row), let table = row[0].text, let kind = row[1].text, let period = row[2].text else {
                return
            }
            if periods.last.map({ ($0.table, $0.kind, $0.period) == (table, kind, period) }) != true {
                periods.append((table, kind, period, 0, 0))
                lastKey = Optional.none
            }
            periods[periods.count - 1].cells += 1
            if lastKey != row[3] { periods[periods.count - 1].rows += 1 }
            lastKey = row[3]
        }
        var table = Table(columns: [
            Column("table"), Column("period_kind"), Column("period"), Column("rows", .right), Column("cells", .right),
        ])
        for period in periods {
            table.rows.append([
                .text(period.table), .text(period.kind), .text(period.period), .count(Int64(period.rows)),
                .count(Int64(period.cells)),
            ])
        }
        try arguments.write(table)
        if periods.isEmpty { try arguments.say("nothing has changed since \(vintage)") }
    }

    private static func show(
        _ selection: ResultSelection, _ connection: Connection, _ arguments: ParsedArguments
    ) throws {
        try explaining("reading \(selection.view.name)") {
            let isPeriodic = selection.view.isPeriodic
            let late = try LateTrips(on: connection).of(views: isPeriodic ? nil : [selection.view.name])
            for warning in late.warnings { try arguments.say("warning: \(warning)") }
            for sentence in try restated(selection.view, connection) { try arguments.say("restated: \(sentence)") }
            if selection.view.name == "alerts" { try sayWithdrawn(connection, arguments) }
            guard arguments.format == .table else {
                var writer = try arguments.tableWriter(columns: selection.view.columns.map { Column($0) })
                try selection.forEachRow(on: connection) { row in
                    try writer.append(row.indices.map { selection.view.plain(row[$0], column: $0) })
                }
                return try writer.finish()
            }
            var rows: [[SQLValue]] = []
            try selection.forEachRow(on: connection) { rows.append($0) }
            if let sentence = try coverage(of: selection.view, rows, connection)?.sentence {
                try arguments.say("not on all days: \(sentence) (taxi-cli show \(Coverage.view))")
            }
            let picture = ResultPicture(view: selection.view, rows: rows)
            let (table, leftOut) =
                arguments.terminal.outputIsTerminal
                ? picture.fitted(width: arguments.terminal.width) : (picture.table, [])
            try arguments.write(table)
            try arguments.sayLeftOut(leftOut)
            let lines = picture.sparklines(width: arguments.terminal.width)
            if !lines.isEmpty { try arguments.output.write("\n" + lines) }
            if rows.isEmpty { try arguments.say(selection.nothingText) }
        }
    }

    /// The view has what was raised, whatever has become of it.
    private static func sayWithdrawn(_ connection: Connection, _ arguments: ParsedArguments) throws {
        let count = try connection.value("SELECT count(*) FROM stored_alerts WHERE withdrawn_by IS NOT NULL")?.integer
        guard let count, count > 0 else { return }
        try arguments.say(
            "withdrawn: late trips have changed the windows of \(grouped(count)) alert\(count == 1 ? "" : "s") so that they would not be raised any more (taxi-cli alert history)"
        )
    }

    /// Which times newer files stand for, in the view of a query.
    private static func restated(_ view: ResultView, _ connection: Connection) throws -> [String] {
        let all = try Restatements.all(on: connection)
        guard !all.isEmpty else { return [] }
        let names = try connection.rows(
            "SELECT stream FROM checkpoints WHERE json_extract(state, '$.declaration') LIKE ?",
            .text("%; table \(view.name)")
        ) { $0.text(0) }
        let zone = try connection.value("SELECT value FROM settings WHERE name = 'zone'")?.text ?? ""
        return Restatements.sentences(
            all.filter { names.contains($0.query) }, zone: try ZoneClock(identifier: zone))
    }

    /// Which periods of an analysis' rows have days without trips; nil for rows of no periods, and those that say it themselves.
    private static func coverage(of view: ResultView, _ rows: [[SQLValue]], _ connection: Connection) throws
        -> Coverage?
    {
        guard view.isPeriodic, view.name != Coverage.view else { return nil }
        let source =
            switch view.name {
            case Analysis.areaHotspots.view: "hotspotcommunitywindow"
            case Analysis.locationHotspots.view: "hotspotwindow"
            default: Coverage.allTrips
            }
        return try Coverage(on: connection, source: source, periods: Set(rows.compactMap { $0[1].text }))
    }

    private static func show(sql: String, _ connection: Connection, _ arguments: ParsedArguments) throws {
        do {
            let statement = try connection.query(sql)
            let names = (0..<statement.columnCount).map(statement.columnName)
            if arguments.format == .json || arguments.format == .jsonl, let name = statement.repeatedColumn {
                throw SQLMistake(message: "two columns are named \"\(name)\", which an object cannot hold: use AS")
            }
            var writer: TableWriter?
            if arguments.format != .table { writer = try arguments.tableWriter(columns: names.map { Column($0) }) }
            var left = arguments.integer("limit") ?? .max
            var rows: [[SQLValue]] = []
            while left > 0, try statement.step() {
                let row = names.indices.map { withoutNoise(statement.value($0)) }
                try writer?.append(row.map { ResultPicture.plain($0) })
                if writer == nil { rows.append(row) }
                left -= 1
            }
            if let writer { return try writer.finish() }
            try arguments.write(ResultPicture(view: ResultView(name: "", columns: names), rows: rows).table)
        } catch let mistake as SQLMistake {
            throw try problem(mistake.message, connection)
        } catch let error as SQLiteError where error.code == .statement {
            throw try problem(error.message, connection)
        } catch let error as SQLiteError {
            throw Problem(error, doing: "running --sql")
        }
    }

    /// A number without what adding up and dividing in binary has left behind its decimals: 11.85 for 11.850000000000001.
    ///
    /// That is one whose fourteenth and fifteenth digit are zeros. Others, such as a third, keep all their digits.
    static func withoutNoise(_ value: SQLValue) -> SQLValue {
        guard case .real(let number) = value, number.isFinite, let rounded = Double(String(format: "%.15g", number)),
            rounded == Double(String(format: "%.13g", number))
        else { return value }
        return .real(rounded)
    }

    private static func problem(_ message: String, _ connection: Connection) throws -> Problem {
        Problem(
            .usage, "--sql: \(message)",
            hint:
                "It takes one query that only reads; taxi-cli show lists what there is: \(try ResultCatalog.names(on: connection).joined(separator: ", "))."
        )
    }
}
