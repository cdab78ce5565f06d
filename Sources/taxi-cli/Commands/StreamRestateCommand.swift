import Basics
import Batch
import CommandLine
import Database
import Foundation
import Monitoring
import Problems
import Replay
import SQLite
import Stream
import Topics
import Time
import Trips

/// `stream restate`: a period's trips replaced by those of newer files.
enum StreamRestateCommand {
    static let command = Command(
        name: "restate", summary: "put newer files in the place of a period's trips, for every query at once",
        discussion: """
            For months that were published anew: all windows, groups and days of the period are computed again from the files and take \
            the old ones' place, in one transaction. Windows that begin or end beside the period are worked out with the other trips of \
            the topic, or of the files of --source. It shows what changes and asks; the answers of batch from before are kept as a vintage, the \
            output topics get what changed as revisions, and from then on trips of the period that a stream reads from elsewhere are left out. \
            No stream of the tenant may run meanwhile.

            The files are read again by audit, and by a later restatement beside the period: they have to stay where they are.
            """,
        examples: [
            Example(
                "taxi-cli stream restate --month 2024-01 --from taxi-2024-01-new.csv", "show what changes, and ask"),
            Example(
                "taxi-cli stream restate --from-time 2024-03-09 --to-time 2024-03-12 --from three-days.csv --yes",
                "some days, without a question"),
        ],
        arguments: [Argument("FILE", .any, kind: .file, help: "further files of --from", endings: FileEndings.trips)],
        options: [
            Option(
                "month", value: .value("MONTH"), help: "the period: a month of the tenant's zone, such as 2024-01",
                group: "Period"),
            Option(
                "from-time", value: .value("TIME"), kind: .time, help: "or its first instant, with --to-time",
                group: "Period"),
            Option("to-time", value: .value("TIME"), kind: .time, help: "the first instant behind it", group: "Period"),
            Option(
                "from", value: .repeated("FILE"), kind: .file, help: "the files that stand for the period from now on",
                group: "Files", endings: FileEndings.trips),
            Option(
                "missing", value: .value("WHAT"), kind: .choice(["error", "empty"]), default: "error",
                configKey: "stream.missing",
                help: "a column that a file lacks and a query reads: an error, or empty in each trip", group: "Files"),
            Option(
                "source", value: .repeated("FILE|topic"), kind: .file, default: "topic",
                help: "where trips beside the period are read again: topic, or the files that stream --input has read",
                group: "Files", names: { _, _ in ["topic"] }, endings: FileEndings.trips),
        ]
            + TripFileOptions.options(defaultClock: "start unless said", configPrefix: "stream")
            .filter { !["from", "to", "limit", "aliases"].contains($0.long) } + [
                givenQueriesOption,
                Option(
                    "leave-out", value: .repeated("QUERY"),
                    help: "queries that keep their old results, such as those that cannot be put right",
                    group: "Queries",
                    names: CompletedNames.queries),
                Option("yes", short: "y", help: "do not ask"), deliveryOption, noCreateOption, summaryOption,
            ],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let globals = try GlobalOptions(arguments)
        let zone = try ZoneClock(identifier: globals.zoneIdentifier)
        let (period, label) = try period(arguments, zone)
        let files = arguments.texts("from") + arguments.positionals
        guard !files.isEmpty else {
            throw Problem(
                .usage, "no file is given that stands for the period", hint: "Name it: --from taxi-\(label).csv.")
        }
        for path in files where !InputIdentity.canBeReadAgain(path) {
            throw arguments.problem(
                "from", "\"\(path)\" can be read once only, and an audit reads it again",
                hint: "Write the trips to a file first.")
        }
        // Before anything is written: a tenant without results has nothing to restate.
        _ = try ResultsDatabase.openReadOnly(globals.tenantHome)
        let session = try RunSession(
            globals, arguments, command: "restate", about: label, topics: [], listens: false)
        Interruption.install()
        return try session.recording {
            try restate(arguments, session, period: period, label: label, files: files)
        }.report(arguments)
    }

    private static func restate(
        _ arguments: ParsedArguments, _ session: RunSession, period: Range<EventTime>, label: String, files: [String]
    ) throws -> RunEnd {
        let (plans, undeclared) = try plans(arguments, session)
        let locks = try QueryLocks(folder: session.globals.tenantFolder, queries: plans.map(\.name))
        defer { locks.release() }
        guard try locks.tryHold() else {
            throw Problem(
                .unavailable, "a stream of tenant \"\(session.globals.tenant)\" is at work",
                hint:
                    "Stop it first (Ctrl-C, or taxi-cli top says which process it is); it goes on afterwards where it was."
            )
        }
        var options = StreamOptions(tenant: session.globals.tenant, zone: session.zone)
        options.createsTopics = !arguments.isOn("no-create")
        let topic = "\(session.globals.tenant)_ingestData"
        let runner = StreamRunner(
            plans: plans, options: options, database: session.database, store: session.store, source: .topic(topic),
            runID: session.runID)
        runner.metrics = session.live.metrics
        let line = arguments.progressLine()
        defer { line.clear() }
        let batch = BatchRunner(session.database, zone: session.zone)
        let restating = Restating(
            period: period, source: try source(arguments, files, line),
            origin: try origin(arguments, session, line)
        ) { madeMs in try batch.keepAnswers(as: "before-restating-\(label)", nowMs: madeMs) }
        var prepared = try runner.prepare(restating, optional: TripFileOptions.optional(plans)) { done, total in
            line.update { "putting trips in order of time: \(byteText(Int64(done))) of \(byteText(Int64(total)))" }
        } warn: { warning in
            line.clear()
            try? arguments.sayVerbosely("warning: \(warning)")
        }
        line.clear()
        prepared.impossible += undeclared.map { ($0, "it is not declared any more") }
        try RestatementPreview(prepared, zone: session.zone).write(arguments)
        try requirePossible(prepared)
        if Interruption.isRequested { return RunEnd(outcome: .interrupted, json: "{}", text: "nothing is changed") }
        if try isDone(prepared, restating, session) {
            return RunEnd(
                outcome: .success, json: "{\"restated\":false}",
                text: "\(label) is by these files already: nothing is changed")
        }
        if !arguments.isOn("yes") {
            let question = "Put these files in the place of \(label)?"
            guard
                try arguments.confirm(question, hint: "Nothing is changed. Pass --yes to restate without being asked.")
            else {
                return RunEnd(outcome: .success, json: "{\"restated\":false}", text: "nothing is changed")
            }
        }
        let unsent = try runner.commit(prepared, of: restating)
        return end(prepared, label, session, unsent)
    }

    private static func end(
        _ prepared: PreparedRestatement, _ label: String, _ session: RunSession, _ unsent: String?
    ) -> RunEnd {
        let vintage = try? Restatements.all(on: session.database.connection).last { $0.runID == session.runID }?.vintage
        var lines = ["\(label) is by these files from now on: \(grouped(prepared.files.inPeriod)) trips"]
        if let vintage { lines.append("  what batch had answered is kept as the vintage \"\(vintage)\"") }
        if let unsent { lines.append("  not sent: the new results; \(unsent). The next stream sends them") }
        lines.append("  taxi-cli batch computes the periods anew that have changed")
        let results = prepared.differences.map { ($0.query, $0.changed + $0.new + $0.withdrawn) }
        let counts = results.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",")
        let name = vintage.map { ",\"vintage\":\"\($0)\"" } ?? ""
        return RunEnd(
            outcome: .success,
            json:
                "{\"restated\":true,\"period\":\"\(label)\",\"trips\":\(prepared.files.inPeriod),\"changed\":{\(counts)}\(name)}",
            text: lines.joined(separator: "\n"))
    }

    /// Whether the newest restatement of the period was by the same files, and nothing has come of them since.
    private static func isDone(
        _ prepared: PreparedRestatement, _ restating: Restating, _ session: RunSession
    ) throws -> Bool {
        let known = try Restatements.all(on: session.database.connection).filter {
            $0.period.overlaps(restating.period)
        }
        return prepared.differences.allSatisfy { difference in
            let last = known.filter { $0.query == difference.query }.max { $0.madeMs < $1.madeMs }
            return difference.changed + difference.new + difference.withdrawn == 0
                && last.map { $0.period == restating.period && $0.isOf(restating.source) } ?? false
        }
    }

    private static func requirePossible(_ prepared: PreparedRestatement) throws {
        guard let first = prepared.impossible.first else { return }
        let names = prepared.impossible.map { "--leave-out \($0.query)" }.joined(separator: " ")
        throw Problem(
            .noInput,
            "query \"\(first.query)\" cannot be put right: \(first.reason)"
                + (prepared.impossible.count > 1 ? " (and \(prepared.impossible.count - 1) more)" : ""),
            hint: "Nothing is changed. \(names) restates the others, and leaves the results of "
                + "\(prepared.impossible.count == 1 ? "this one" : "these") as they are.")
    }

    // MARK: What is asked for

    /// The period, and what it is called.
    private static func period(
        _ arguments: ParsedArguments, _ zone: ZoneClock
    ) throws -> (Range<EventTime>, String) {
        func instant(_ option: String) -> EventTime? {
            arguments.time(option)?.utcMs { zone.utcMs(localSeconds: $0) }
        }
        let (from, to) = (instant("from-time"), instant("to-time"))
        if let text = arguments.text("month") {
            guard from == nil, to == nil else {
                throw arguments.problem(
                    "month", "the period is given twice", hint: "Use --month, or --from-time and --to-time.")
            }
            guard let month = try? Period(text), month.kind == .month else {
                throw arguments.problem("month", "\"\(text)\" is no month", hint: "Write it so: 2024-01.")
            }
            let bounds = [month.days.lowerBound, month.days.upperBound].map { zone.startMs(ofLocalDay: $0) }
            return (bounds[0]..<bounds[1], month.description)
        }
        guard let from, let to else {
            throw Problem(
                .usage, "no period is given", hint: "Name it: --month 2024-01, or --from-time TIME --to-time TIME.")
        }
        guard from < to else {
            throw arguments.problem(
                "to-time", "the period ends before it begins", hint: "--to-time is behind --from-time.")
        }
        let days = (zone.localDay(ofMs: from), zone.localDay(ofMs: to - 1))
        let names = (Calendar.text(ofDay: days.0), Calendar.text(ofDay: days.1))
        return (from..<to, names.0 == names.1 ? names.0 : "\(names.0)-to-\(names.1)")
    }

    /// The queries that have results, and those of them that nobody declares any more.
    private static func plans(
        _ arguments: ParsedArguments, _ session: RunSession
    ) throws -> (plans: [QueryPlan], undeclared: [String]) {
        let given = arguments.texts("queries")
        let declared = try session.globals.declaredQueries(given)
        let all = (try? session.globals.declaredQueries(Array(Set(given + [AnalyticsQueries.name])))) ?? declared
        let stored = try explaining("looking for the queries' results") {
            try StoredQueries.names(on: session.database.connection)
        }
        let left = Set(arguments.texts("leave-out"))
        if let unknown = left.sorted().first(where: { !stored.contains($0) }) {
            throw arguments.problem(
                "leave-out", "there is no query \"\(unknown)\" that has results",
                hint: "Known: \(stored.joined(separator: ", ")).")
        }
        let known = declared + all.filter { plan in !declared.contains { $0.name == plan.name } }
        let plans = known.filter { stored.contains($0.name) && !left.contains($0.name) }
        guard !plans.isEmpty else {
            throw Problem(.noInput, "there are no stored results to restate", hint: "Run taxi-cli stream first.")
        }
        let names = Set(plans.map(\.name)).union(left)
        return (plans, stored.filter { !names.contains($0) })
    }

    /// The files that stand for the period, as they are noted.
    private static func source(
        _ arguments: ParsedArguments, _ files: [String], _ line: ProgressLine
    ) throws -> Restatement.Source {
        let known = try files.map { path in
            let url = URL(fileURLWithPath: path).standardizedFileURL.path
            let name = path.split(separator: "/").last.map(String.init) ?? path
            let content = try ContentHash.hash(of: url) {
                false
            } progress: { bytes in
                line.update { "reading \(name): \(byteText(Int64(bytes)))" }
            }
            guard let content else {
                try Files.requireReadable(path)
                throw Problem(.noInput, "\"\(path)\" is no file that can be read", hint: "Check the path.")
            }
            return Restatement.Source.File(path: url, content: content)
        }
        let clock = arguments.text("clock") ?? EventClock.start.rawValue
        guard clock != EventClock.now.rawValue else {
            throw arguments.problem(
                "clock", "trips of a file have no time \"now\"", hint: "Use --clock start or end.")
        }
        return Restatement.Source(
            files: known, clock: clock, spread: arguments.text("spread") ?? Spread.none.rawValue,
            seed: UInt64(arguments.integer("seed") ?? 1), clean: arguments.text("clean"),
            takesMissing: arguments.text("missing") == "empty",
            latestMs: MaxAhead(nowMs: systemTime(), aheadMs: TripFileOptions.maxAheadMs(arguments)).latest)
    }

    /// Where trips beside the period are read again.
    private static func origin(
        _ arguments: ParsedArguments, _ session: RunSession, _ line: ProgressLine
    ) throws -> Restating.Origin {
        let files = arguments.texts("source")
        guard files != ["topic"], !files.isEmpty else { return .topic("\(session.globals.tenant)_ingestData") }
        let read = TripSourceOptions(
            clock: arguments.text("clock").flatMap(EventClock.init) ?? .start,
            spread: arguments.text("spread").flatMap(Spread.init) ?? .none,
            seed: UInt64(arguments.integer("seed") ?? 1), cleaning: arguments.text("clean").flatMap(Cleaning.init),
            zone: session.zone)
        let aheadMs = TripFileOptions.maxAheadMs(arguments)
        return .files(identity: try TripFileOptions.identity(of: files, read)) { fields, startedMs in
            var options = read
            (options.fields, options.required, options.purpose) = (fields, [], "the restatement")
            options.ahead = MaxAhead(nowMs: startedMs ?? systemTime(), aheadMs: aheadMs)
            defer { line.clear() }
            return try TripSource(paths: files, options: options) { done, total in
                line.update { "reading what lies beside: \(byteText(Int64(done))) of \(byteText(Int64(total)))" }
            }
        }
    }
}
