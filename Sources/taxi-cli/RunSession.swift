import CommandLine
import Database
import Foundation
import Problems
import SQLite
import Topics
import Trips

/// What a command that works on a tenant's data opens: its folder, database and topics, and the record of its run.
struct RunSession {
    let globals: GlobalOptions
    let zone: ZoneClock
    let database: ResultsDatabase
    let store: any TopicStore
    private let log: RunLog
    let runID: String

    /// - Throws: `Problem` where the home cannot be written, a database is locked, damaged or of a newer version.
    init(_ arguments: ParsedArguments, command: String) throws {
        globals = GlobalOptions(arguments)
        zone = try ZoneClock(identifier: globals.zoneIdentifier)
        try globals.prepareTenant(arguments.program)
        database = try ResultsDatabase(path: globals.resultsPath, zone: globals.zoneIdentifier)
        store = try globals.openTopics()
        log = RunLog(database)
        runID = try log.begin(command, at: systemTime())
    }

    /// Runs `body` and writes down how it ended, also where it throws.
    func recording(_ body: () throws -> (outcome: RunRecord.Outcome, summary: String)) throws {
        do {
            let (outcome, summary) = try body()
            try log.end(runID, outcome, summary: summary, at: systemTime())
        } catch {
            // The run's own failure is what the user must see, not that of its record.
            let message = (error as? Problem)?.message ?? "\(error)"
            try? log.end(runID, .failed, summary: jsonObject(["error": message]), at: systemTime())
            throw error
        }
    }
}

/// Writes `--summary-json FILE`; `-` is stdout.
func writeSummary(_ json: String, _ arguments: ParsedArguments) throws {
    guard let path = arguments.text("summary-json") else { return }
    if path == "-" {
        try arguments.output.writeLine(json)
        return
    }
    do {
        try (json + "\n").write(toFile: path, atomically: true, encoding: .utf8)
    } catch {
        throw Problem(
            .cannotCreate, "cannot write \"\(path)\": \(error.localizedDescription)",
            hint: "The run itself has succeeded; its summary is in the view runs as well.")
    }
}

let summaryOption = Option(
    "summary-json", value: .value("FILE"), kind: .file,
    help: "write what was done to a file, as one JSON object (- for stdout)",
    group: "Output")

/// A JSON object of texts, keys sorted.
func jsonObject(_ object: [String: String]) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(object)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
}
