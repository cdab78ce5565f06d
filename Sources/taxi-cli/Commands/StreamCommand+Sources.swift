import Basics
import CommandLine
import Foundation
import Problems
import Replay
import Stream
import Time
import Trips

// MARK: - What is read

extension StreamCommand {
    /// A run that ends reads what is there, in whatever order people have brought it; one that goes on cannot wait for what may come.
    static func latePolicy(_ arguments: ParsedArguments) -> StreamOptions.LatePolicy {
        let isBounded = arguments.isOn("until-end") || !inputs(arguments).isEmpty
        return arguments.text("late").flatMap(StreamOptions.LatePolicy.init) ?? (isBounded ? .update : .drop)
    }

    /// The files of --input, of which the shell may have made several: `--input *.csv`.
    static func inputs(_ arguments: ParsedArguments) -> [String] {
        arguments.texts("input") + arguments.positionals
    }

    /// How trips of --input are read.
    static func sourceOptions(
        _ arguments: ParsedArguments, _ plans: [QueryPlan], _ zone: ZoneClock
    ) throws -> TripSourceOptions {
        var read = try TripFileOptions.sourceOptions(arguments, clock: .start, spread: .none, zone: zone)
        guard read.clock != .now else {
            throw arguments.problem(
                "clock", "trips of a file have no time \"now\"", hint: "Use --clock start or end with --input.")
        }
        try TripFileOptions.checkRange(read, arguments)
        let needed = plans.reduce(into: TripFieldSet()) { $0.formUnion($1.fields) }
        read.fields = latePolicy(arguments) == .deadLetter ? .all : needed
        read.required = arguments.text("missing") == "empty" ? [] : needed
        for plan in plans {
            for field in plan.fields.fields { read.users[field, default: []].append(plan.name) }
        }
        read.optional = try TripFileOptions.optional(plans)
        read.purpose =
            plans.count == 1 ? "query \(plans[0].name)" : "the queries \(plans.map(\.name).joined(separator: ", "))"
        return read
    }

    /// What is read, one source after the other; none where an engine has read all files before.
    static func sources(
        _ arguments: ParsedArguments, _ plans: [QueryPlan], _ globals: GlobalOptions, _ session: RunSession,
        _ engine: SparkEngine?
    ) throws -> [StreamRunner.Source] {
        let files = inputs(arguments)
        guard !files.isEmpty else { return [.topic("\(globals.tenant)_ingestData")] }
        let read = try sourceOptions(arguments, plans, session.zone)
        guard let engine else { return [try source(files, read, arguments, plans, session)] }
        return try EngineFiles(arguments, plans, read, engine).sources(files, session)
    }

    private static func source(
        _ files: [String], _ read: TripSourceOptions, _ arguments: ParsedArguments, _ plans: [QueryPlan],
        _ session: RunSession
    ) throws -> StreamRunner.Source {
        // Before the first look at a file: from here on all must stay as they are.
        let watch = InputWatch(paths: files)
        let isRepeatable = files.allSatisfy(InputIdentity.canBeReadAgain)
        var identity = try TripFileOptions.identity(of: files, read)
        // Nobody can tell whether what comes through a pipe has come before: each run reads all of it.
        if !isRepeatable { identity += " in run \(session.runID)" }
        let options = read
        let line = arguments.progressLine()
        let known = isRepeatable ? try files.map { try InputIdentity(path: $0).description } : []
        return .files(
            identity: identity, files: known, paths: isRepeatable ? files : [], isRepeatable: isRepeatable
        ) { skip, ahead in
            var options = options
            (options.skip, options.ahead) = (skip, ahead)
            defer { line.clear() }
            let source = try TripSource(paths: files, options: options, watch: watch) { done, total in
                line.update { "putting trips in order of time: \(byteText(Int64(done))) of \(byteText(Int64(total)))" }
            } warn: { warning in
                line.clear()
                try? arguments.sayVerbosely("warning: \(warning)")
            }
            line.clear()
            if let idle = TripFileOptions.idleQueries(plans, source.header) { try? arguments.say(idle) }
            return source
        }
    }
}
