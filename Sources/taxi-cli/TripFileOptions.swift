import CommandLine
import Glibc
import Problems
import Replay
import Stream
import Time
import Trips

/// Options of the commands that read trip files: which trips, and what their event time is.
enum TripFileOptions {
    static let group = "Which trips, and when they happen"

    /// - Parameter needed: the option without which the command reads no files.
    static func options(defaultClock: String, configPrefix: String, needs needed: String? = nil) -> [Option] {
        let options = [
            Option(
                "clock", value: .value("CLOCK"), kind: .choice(EventClock.allCases.map(\.rawValue)),
                configKey: "\(configPrefix).clock",
                help: "event time: now (when sent), or the trip's own start or end; \(defaultClock)", group: group),
            Option(
                "spread", value: .value("HOW"), kind: .choice(Spread.allCases.map(\.rawValue)),
                configKey: "\(configPrefix).spread",
                help: "where in its published quarter of an hour a trip falls; none, but uniform with --speed",
                group: group),
            Option(
                "seed", value: .value("N"), kind: .count, default: "1", configKey: "\(configPrefix).seed",
                help: "of --spread uniform: the same seed gives the same times", group: group),
            Option(
                "clean", value: .value("RULES"), kind: .choice(Cleaning.allCases.map(\.rawValue)),
                configKey: "\(configPrefix).clean",
                help:
                    "leave junk rows out, counted by rule; standard: fare and total 1-1000 dollars, 0-250 miles, 30-21600 seconds",
                group: group),
            Option(
                "aliases", value: .value("FILE"), kind: .file, configKey: "\(configPrefix).aliases",
                help: "load companies under the names that a file of data profile --aliases gives their spellings",
                group: group, endings: ["csv"]),
            Option("from", value: .value("TIME"), kind: .time, help: "only trips at or after this time", group: group),
            Option("to", value: .value("TIME"), kind: .time, help: "only trips before this time", group: group),
            Option(
                "max-ahead", value: .value("TIME"), kind: .duration, default: "1d",
                configKey: "\(configPrefix).max-ahead",
                help: "how far ahead of the clock an event time may be; later ones are rejected as out_of_range",
                group: group),
            Option("limit", value: .value("N"), kind: .positive, help: "stop after so many trips", group: group),
        ]
        return options.map { option in
            var option = option
            // The last one holds for a topic's records too.
            option.needs = option.long == "max-ahead" ? nil : needed
            return option
        }
    }

    static func sourceOptions(
        _ arguments: ParsedArguments, clock: EventClock, spread: Spread, zone: ZoneClock
    ) throws(Problem) -> TripSourceOptions {
        let from = arguments.time("from")?.utcMs { zone.utcMs(localSeconds: $0) }
        return try sourceOptions(arguments, from: from, clock: clock, spread: spread, zone: zone)
    }

    /// The same for a command whose `--from` means something else.
    static func sourceOptions(
        _ arguments: ParsedArguments, from: EventTime?, clock: EventClock, spread: Spread, zone: ZoneClock
    ) throws(Problem) -> TripSourceOptions {
        let to = arguments.time("to")?.utcMs { zone.utcMs(localSeconds: $0) }
        var options = TripSourceOptions(
            clock: arguments.text("clock").flatMap(EventClock.init) ?? clock,
            spread: arguments.text("spread").flatMap(Spread.init) ?? spread,
            seed: UInt64(arguments.integer("seed") ?? 1), cleaning: arguments.text("clean").flatMap(Cleaning.init),
            from: from, to: to, limit: arguments.integer("limit").map(Int.init), zone: zone)
        options.isStopped = { Interruption.isRequested }
        options.aliases = try arguments.text("aliases").map { path throws(Problem) in try CompanyAliases(path: path) }
        return options
    }

    /// - Throws: `.usage` for times between which no trip can be.
    static func checkRange(_ source: TripSourceOptions, _ arguments: ParsedArguments) throws(Problem) {
        guard let from = source.from, let to = source.to, to <= from else { return }
        throw arguments.problem(
            "to", "no time lies from \(source.zone.iso(ms: from)) to \(source.zone.iso(ms: to))",
            hint: "--to is the first time that is left out, and must be later than --from.")
    }

    /// The fields that only queries which come with taxi-cli need: where files of a kind never have them, such a query has nothing to
    /// count, while one that somebody declared is a mistake.
    static func optional(_ plans: [QueryPlan]) throws -> TripFieldSet {
        let shipped = Set(try QueryCatalog.load(analytics: true).map(\.name))
        func fields(_ areShipped: Bool) -> TripFieldSet {
            plans.filter { shipped.contains($0.name) == areShipped }.reduce(into: []) { $0.formUnion($1.fields) }
        }
        return fields(true).subtracting(fields(false))
    }

    /// Which queries count by what files of this kind never have; nil where none does.
    static func idleQueries(_ plans: [QueryPlan], _ header: CSVHeader) -> String? {
        let lacks = header.kind.lacks
        let queries = plans.filter { !$0.fields.isDisjoint(with: lacks) }.map { plan in
            "\(plan.name) (\(plan.fields.intersection(lacks).fields.map(\.name).joined(separator: ", ")))"
        }
        guard !queries.isEmpty else { return nil }
        return
            "\(header.file): \(header.kind.words) lack what these queries count by: \(queries.joined(separator: ", "))"
    }

    /// How far ahead of the clock an event time may be.
    static func maxAheadMs(_ arguments: ParsedArguments) -> Int64 {
        arguments.durationMs("max-ahead") ?? MaxAhead.defaultMs
    }

    /// Names the trips of some files in checkpoints: the same for the same files, read in the same way.
    ///
    /// - Throws: `.noInput` for a file that is not there.
    static func identity(of files: [String], _ read: TripSourceOptions) throws -> String {
        identity(ofKnown: try files.map { try InputIdentity(path: $0).description }, read)
    }

    /// The same of files that are known already.
    static func identity(ofKnown known: [String], _ read: TripSourceOptions) -> String {
        let sequence =
            "clock \(read.clock.rawValue), spread \(read.spread.rawValue), seed \(read.seed), clean \(read.cleaning?.rawValue ?? "off"), from \(read.from ?? 0), to \(read.to ?? 0), limit \(read.limit ?? 0)"
        let aliases = read.aliases.map { ", aliases \($0.digest)" } ?? ""
        return "files \(known.joined(separator: " ")) (\(sequence)\(aliases))"
    }
}
