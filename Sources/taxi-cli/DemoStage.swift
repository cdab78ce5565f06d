import Basics
import CommandLine
import Foundation
import Problems
import SQLite

/// Runs the demo's commands as processes of this very program, and shows what they do.
struct DemoStage {
    let arguments: ParsedArguments
    let folder: String

    /// Thrown after Ctrl-C.
    struct Stopped: Error {}

    var sample: String { "\(folder)/sample.csv" }
    /// The report: in the folder that the user keeps, else beside the one that goes away.
    var page: String { arguments.text("keep") == nil ? "\(folder).html" : "\(folder)/report.html" }
    private var output: TextWriter { arguments.output }
    private var style: Style { arguments.terminal.outputStyle }

    func title(_ text: String) throws {
        if Interruption.isRequested { throw Stopped() }
        try output.writeLine("\n" + style.bold(text))
        try output.flush()
    }

    /// Runs a command to its end.
    func run(_ words: [String]) throws {
        let process = try start(words)
        process.wait()
        if Interruption.isRequested { throw Stopped() }
        try require(process, words[0])
    }

    /// Starts a command and prints the line that a user would type for it.
    func start(_ words: [String]) throws -> ChildCommand {
        let shown = words.map { $0 == sample ? "sample.csv" : $0 }.joined(separator: " ")
        try output.writeLine(style.dim("$ taxi-cli \(shown)"))
        try output.flush()
        var environment = arguments.environment.filter { !$0.key.hasPrefix("TAXI_") }
        // Two of them at once would draw over each other's lines, and over the story.
        environment["TAXI_PROGRESS"] = "off"
        environment["COLUMNS"] = environment["COLUMNS"] ?? String(arguments.terminal.width)
        // What the commands say on stderr belongs to the story.
        return try ChildCommand(
            words + ["--home", folder] + (["show", "batch"].contains(words[0]) ? ["--format", "table"] : []),
            environment: environment)
    }

    /// - Throws: `Problem` with the command's own exit code, where it has failed.
    func require(_ process: ChildCommand, _ name: String) throws {
        let code = process.wait()
        guard code == 0 else {
            throw Problem(
                Problem.Code(rawValue: code) ?? .software, "taxi-cli \(name) ended with exit code \(code)",
                hint: "What it said stands above.")
        }
    }

    /// Shows the day's totals and the busiest areas once a second while a process runs.
    func watch(while process: ChildCommand, of day: String) throws {
        while process.isRunning {
            for _ in 0..<10 where process.isRunning {
                if Interruption.isRequested { throw Stopped() }
                Thread.sleep(forTimeInterval: 0.1)
            }
            if let line = try? snapshot(of: day) {
                try output.writeLine(line)
                try output.flush()
            }
        }
    }

    private func snapshot(of day: String) throws -> String? {
        let connection = try Connection(path: "\(folder)/chicago/results.db", access: .readOnly)
        let totals = try connection.rows(
            "SELECT trips_total, fare_total, tips_avg FROM tripstotal WHERE day = ?", .text(day)
        ) { row throws(SQLiteError) in (row.integer(0), row.real(1), row.real(2)) }
        guard let (trips, fares, tips) = totals.first else { return nil }
        let last = try connection.value("SELECT max(window_start) FROM sumfarewindow")?.text ?? ""
        let areas = try connection.rows(
            """
            SELECT pickup_community_area, sum(count) AS pickups FROM hotspotcommunitywindow WHERE window_start >= ?
            GROUP BY pickup_community_area ORDER BY pickups DESC, pickup_community_area LIMIT 3
            """, .text(day)
        ) { row throws(SQLiteError) in "\(row.integer(0))" }
        let clock = last.dropFirst(11).prefix(5)
        return
            "  \(clock)  \(grouped(trips)) trips so far, \(fixed(fares, decimals: 2)) dollars of fares, tips of \(fixed(tips, decimals: 2)) on average"
            + (areas.isEmpty ? "" : ", busiest areas \(areas.joined(separator: ", "))")
    }

    /// A histogram of all fares in steps of five dollars, from the merged buckets.
    func showFares() throws {
        let connection = try Connection(path: "\(folder)/chicago/results.db", access: .readOnly)
        let rows = try connection.rows(
            """
            SELECT min(CAST(fare_to / 5 AS INTEGER), 12) AS step, sum(trips) FROM faredistribution
            GROUP BY step ORDER BY step
            """
        ) { row throws(SQLiteError) in (step: row.integer(0), trips: row.integer(1)) }
        let most = rows.map(\.trips).max() ?? 1
        for row in rows {
            let label = row.step == 12 ? "  60 and up" : "  \(padded(row.step * 5)) to \(padded(row.step * 5 + 5))"
            let bar = Charts.bar(
                Double(row.trips) / Double(max(1, most)), width: max(10, arguments.terminal.width - 30))
            try output.writeLine("\(label)  \(bar) \(grouped(row.trips))")
        }
        try output.flush()
    }

    private func padded(_ value: Int64) -> String { value < 10 ? " \(value)" : "\(value)" }
}
