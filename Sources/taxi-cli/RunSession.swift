import CommandLine
import Database
import Foundation
import Glibc
import Monitoring
import Problems
import SQLite
import Stream
import Shares
import Telemetry
import Topics
import Time

/// How a run ended that did not fail.
struct RunEnd {
    var outcome: RunRecord.Outcome
    /// The summary as `--summary-json` and the view runs have it.
    var json: String
    /// The summary as a person reads it.
    var text: String

    /// Tells the summary, and gives the command's exit status.
    func report(_ arguments: ParsedArguments) throws -> ExitStatus {
        try arguments.say(text)
        try writeSummary(json, arguments)
        return outcome == .interrupted ? .interrupted : .success
    }
}

/// What a command that works on a tenant's data opens: its folder, database and topics, and the record of its run.
struct RunSession {
    let globals: GlobalOptions
    let zone: ZoneClock
    let database: ResultsDatabase
    let store: any TopicStore
    private let presence: ResultsPresence
    private let log: RunLog
    let runID: String
    let control: ControlFile
    /// The live numbers of the process.
    let live: LiveSession
    private let service: WatchService?

    /// - Parameters:
    ///   - about: what the command works on, beside the tenant.
    ///   - topics: those that it reads and writes, without the tenant's prefix.
    /// - Throws: `Problem` where the home cannot be written, a database is locked, damaged or of a newer version.
    ///   - listens: whether the command has `--listen`.
    init(
        _ globals: GlobalOptions, _ arguments: ParsedArguments, command: String, about: String, topics: [String],
        listens: Bool = true
    ) throws {
        LogOutput.level = arguments.isOn("quiet") ? .error : arguments.isOn("verbose") ? .info : .warning
        self.globals = globals
        zone = try ZoneClock(identifier: globals.zoneIdentifier)
        try globals.prepareTenant(arguments.program)
        let tenant = globals.tenant
        control = try ControlFile(
            folder: globals.tenantFolder, command: command, about: about, topics: topics.map { "\(tenant)_\($0)" })
        database = try ResultsDatabase(path: globals.resultsPath, zone: globals.zoneIdentifier)
        presence = ResultsPresence(database)
        store = try globals.openTopics(
            delivery: arguments.text("delivery").flatMap(Delivery.init) ?? .exactlyOnce)
        log = RunLog(database)
        runID = try log.begin(command, at: systemTime())
        live = LiveSession(globals.tenantHome, command: command, nowMs: systemTime())
        WorkShare.ofProcess.attend(folder: globals.tenantFolder)
        try WorkShare.ofProcess.requireDisk()
        service = listens ? try WatchService.beside(globals, arguments) : nil
    }

    /// Sees that the record of the run goes where somebody will find it.
    ///
    /// - Throws: `.inputOutput` where the database was removed meanwhile.
    func requireResults() throws {
        try explaining("keeping the record of the run") { try presence.require() }
    }

    /// Runs `body` and writes down how it ended, also where it throws.
    ///
    /// - Returns: what `body` gave: how the run ended, its summary as JSON and in words.
    func recording(_ body: () throws -> RunEnd) throws -> RunEnd {
        defer {
            service?.stop()
            live.end(nowMs: systemTime())
        }
        do {
            let end = try body()
            try log.end(runID, end.outcome, summary: end.json, at: systemTime())
            return end
        } catch let away as BrokerAway {
            // Somebody wanted it to end before it had begun.
            let reason = "stopped while it waited for a broker: \(away)"
            try log.end(runID, .interrupted, summary: jsonObject(["stopped": reason]), at: systemTime())
            return RunEnd(outcome: .interrupted, json: jsonObject(["stopped": reason]), text: reason)
        } catch {
            // The run's own failure is what the user must see, not that of its record.
            let isStopped = (error as? Problem)?.code == .interrupted
            try? log.end(
                runID, isStopped ? .interrupted : .failed, summary: RunFailure(error).json, at: systemTime())
            throw error
        }
    }
}

/// Says of which days results are stored by offsets that the time zone data had earlier.
func sayZoneChanges(_ database: ResultsDatabase, _ arguments: ParsedArguments) throws {
    let changes = try database.zoneChanges
    guard let first = changes.map(\.days.lowerBound).min(), let last = changes.map(\.days.upperBound).max() else {
        return
    }
    let (from, to) = (Time.Calendar.text(ofDay: first), Time.Calendar.text(ofDay: last))
    try arguments.say(
        "warning: new time zone data give \(try database.zone) other offsets \(from == to ? "on \(from)" : "within \(from) to \(to)"); the results of these days in \(changes.map(\.view).joined(separator: ", ")) are by the earlier ones"
    )
    try arguments.say(
        "hint: Compute them anew: taxi-cli stream --from-beginning, then taxi-cli batch. Trips in a topic keep the instants that produce gave them: replay their files into a new one first."
    )
}

/// Writes `--summary-json FILE`; `-` is stdout. To be called when the run's record is closed: a run whose summary nobody can
/// have has not failed.
func writeSummary(_ json: String, _ arguments: ParsedArguments) throws {
    guard let path = arguments.text("summary-json") else { return }
    if path == "-" {
        try arguments.output.writeLine(json)
        return
    }
    do {
        try writeFile(json + "\n", to: path)
    } catch var problem as Problem {
        problem.hint = "The run itself has succeeded; its summary is in the view runs as well."
        throw problem
    }
}

/// Puts a text in the place of a file, or into what else has the name; see `FileReplacement`.
func writeFile(_ text: String, to path: String) throws {
    let file = try FileReplacement(path, hint: "Name a file in a folder that exists and may be written.")
    let writer = TextWriter(descriptor: file.descriptor, path: path)
    try writer.write(text)
    try writer.flush()
    try file.finish()
}

/// Of commands that look again at what a stream has done.
let givenQueriesOption = Option(
    "queries", value: .repeated("FILE"), kind: .file, configKey: "stream.queries",
    help: "the declarations that the stream was given instead of the tenant's queries.yaml; or analytics",
    group: "Queries", names: { _, _ in [AnalyticsQueries.name] }, endings: FileEndings.declarations)

let summaryOption = Option(
    "summary-json", value: .value("FILE"), kind: .output,
    help: "write what was done to a file, as one JSON object (- for stdout)",
    group: "Output")

/// A JSON object of texts, keys sorted.
func jsonObject(_ object: [String: String]) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(object)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
}
