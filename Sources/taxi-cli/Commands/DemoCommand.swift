import CommandLine
import Database
import Datasets
import Foundation
import Problems
import SQLite

/// `demo`: the whole path on generated trips, in a folder of its own, each step as the command that a user would type.
enum DemoCommand {
    static let command = Command(
        name: "demo", summary: "see all of it in a minute: replay, watch the queries, look at the months",
        discussion: """
            Two months of generated trips: all but the last day as fast as it goes, the last day in a few seconds while the queries run \
            beside it as a process of their own; then months, the distribution of fares, hot spots, and a report to open in a browser. \
            Everything but the report is kept in a temporary folder that is removed at the end, unless --keep is given.
            """,
        examples: [
            Example("taxi-cli demo", "one minute, nothing set up"),
            Example("taxi-cli demo --keep ./demo", "the same, and look at the results afterwards"),
        ],
        options: [
            Option(
                "keep", value: .value("DIR"), kind: .directory,
                help: "work in this folder, which must not exist yet, and leave it there"),
            Option(
                "speed", value: .value("FACTOR"), kind: .speed, default: "7200x",
                help: "how fast the last day goes by: 7200x is 12 seconds"),
        ],
        run: run)

    /// The last day of the sample, which is replayed live.
    private static let liveDay = "2024-04-30"
    private static let dayAfter = "2024-05-01"

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        Interruption.install()
        let folder = try makeFolder(arguments)
        defer { if arguments.text("keep") == nil { try? Files.remove(folder) } }
        let stage = DemoStage(arguments: arguments, folder: folder)
        do {
            try play(stage, speed: arguments.texts("speed").last ?? "7200x")
        } catch is DemoStage.Stopped {
            return .interrupted
        }
        if let kept = arguments.text("keep") {
            try arguments.output.writeLine(
                "\nEverything is in \(kept). Go on with: taxi-cli show --home \(kept), or sqlite3 \(kept)/chicago/results.db"
            )
        }
        return .success
    }

    private static func makeFolder(_ arguments: ParsedArguments) throws -> String {
        let folder =
            arguments.text("keep") ?? FileManager.default.temporaryDirectory.path + "/taxi-cli-demo-\(getpid())"
        guard !Files.exists(folder) else {
            throw Problem(.cannotCreate, "\"\(folder)\" exists already", hint: "Name a folder that does not exist yet.")
        }
        try Files.makeFolders(folder)
        return folder
    }

    private static func play(_ stage: DemoStage, speed: String) throws {
        try stage.title("20,000 generated trips of two months, in the format of the City of Chicago's export")
        try stage.run(["data", "sample", stage.sample])

        try stage.title("All but the last day, as fast as it goes: into a topic, through the queries, into tables")
        try stage.run(["produce", stage.sample, "--max", "--clock", "start", "--to", liveDay])
        try stage.run(["stream", "--queries", "analytics", "--until-end"])

        try stage.title(
            "The last day, \(speed.prefix { $0 != "x" }) times as fast as life, while the queries run in a process of their own"
        )
        let stream = try stage.start(["stream", "--queries", "analytics"])
        let produce = try stage.start([
            "produce", stage.sample, "--speed", speed, "--from", liveDay, "--to", dayAfter,
        ])
        do {
            try stage.watch(while: produce, of: liveDay)
        } catch {
            for process in [produce, stream] { process.signal(SIGTERM) }
            for process in [produce, stream] { process.wait() }
            throw error
        }
        stream.signal(SIGINT)
        stream.wait()
        try stage.require(produce, "produce")
        try stage.run(["stream", "--queries", "analytics", "--until-end"])

        try stage.title("Months, quarters and the year so far")
        try stage.run(["batch"])
        try stage.run(["show", "fare_trend", "--by", "month"])
        try stage.title("How trips are paid")
        try stage.run(["show", "payment_mix", "--period", "2024-04"])
        try stage.title("How fares are distributed")
        try stage.showFares()
        try stage.title("Where trips begin")
        try stage.run(["show", "area_hotspots", "--period", "2024-04", "--limit", "10"])
        try stage.title("All of it as one page: open it in a browser")
        try stage.run(["report", stage.page])
    }
}
