import TestSupport
import Basics
import Foundation
import Problems
import SQLite
import Synchronization
import Testing
import Time
import Trips

@testable import Database

@Suite struct ResultsDatabaseTests {
    let folder = try! TemporaryFolder()
    var path: String { folder("results.db") }

    @Test func createsItsTablesOnce() throws {
        let first = try ResultsDatabase(path: path)
        try first.connection.execute("INSERT INTO changed_days VALUES (19000)")
        let second = try ResultsDatabase(path: path)
        #expect(try second.connection.value("SELECT day FROM changed_days") == .integer(19000))
        let tables = try second.connection.rows("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')") {
            row throws(SQLiteError) in row.text(0)
        }
        let wanted = [
            "zone_offsets", "fare_buckets", "changed_days", "checkpoints", "outbox", "ledger", "run_records", "runs",
        ]
        #expect(Set(wanted).isSubset(of: tables))
    }

    @Test func isCreatedByProcessesAtOnce() throws {
        let path = path
        let errors = Mutex<[String]>([])
        DispatchQueue.concurrentPerform(iterations: 6) { _ in
            do { _ = try ResultsDatabase(path: path) } catch { errors.withLock { $0.append("\(error)") } }
        }
        #expect(errors.withLock { $0 } == [])
        #expect(
            try ResultsDatabase(path: path).connection.value("SELECT count(*) FROM settings WHERE name = 'zone'")
                == .integer(1))
    }

    @Test func createsTheTenantsFolder() throws {
        let home = try TenantHome(home: folder("home"), environment: [:])
        let missing = #expect(throws: Problem.self) { try ResultsDatabase.openReadOnly(home) }
        #expect(missing?.code == .noInput)
        _ = try ResultsDatabase(home)
        #expect(try ResultsDatabase.openReadOnly(home).zone == "America/Chicago")
    }

    @Test func readingOnlyNeedsResultsAndChangesNothing() throws {
        let missing = #expect(throws: Problem.self) { try ResultsDatabase.openReadOnly(path: path) }
        #expect(missing?.code == .noInput)
        #expect(missing?.hint?.contains("taxi-cli stream") == true)
        #expect(!FileManager.default.fileExists(atPath: path))
        _ = try Connection(path: folder("empty.db"))
        #expect(throws: Problem.self) { try ResultsDatabase.openReadOnly(path: folder("empty.db")) }
        _ = try ResultsDatabase(path: path)
        let reader = try ResultsDatabase.openReadOnly(path: path)
        #expect(throws: SQLiteError.self) { try reader.connection.execute("DELETE FROM zone_offsets") }
    }

    @Test func refusesOtherFilesAndNewerVersions() throws {
        try Data("trip_id\n".utf8).write(to: URL(fileURLWithPath: folder("text.db")))
        try Connection(path: folder("other.db")).execute("CREATE TABLE x (y)")
        _ = try ResultsDatabase(path: path)
        try Connection(path: path).execute("PRAGMA user_version=99")
        for (file, code) in [
            (folder("text.db"), .badData), (folder("other.db"), .badData), (path, .configuration),
            (folder("none/results.db"), .cannotCreate),
        ] as [(String, Problem.Code)] {
            let problem = #expect(throws: Problem.self) { try ResultsDatabase(path: file) }
            #expect(problem?.code == code)
        }
        let problem = #expect(throws: Problem.self) { try ResultsDatabase.openReadOnly(path: path) }
        #expect(problem?.code == .configuration)
    }

    /// A query of the user's had the name `sources` before there was a view of that name.
    @Test func refusesANameThatIsTakenByNow() throws {
        _ = try ResultsDatabase(path: path)
        let connection = try Connection(path: path)
        let later =
            "DROP TABLE epoch_history; DROP TABLE rewinds; DROP TABLE rewound_windows; DROP TABLE rewound_alerts;"
        try connection.execute("\(later) DROP VIEW sources; DROP TABLE stored_sources; PRAGMA user_version=8")
        _ = try ResultsDatabase(path: path)
        #expect(try connection.value("SELECT count(*) FROM sources")?.integer == 0)
        try connection.execute(
            "\(later) DROP VIEW sources; CREATE VIEW sources AS SELECT 1 AS mine; PRAGMA user_version=8")
        let problem = #expect(throws: Problem.self) { try ResultsDatabase(path: path) }
        #expect(problem?.code == .configuration && problem?.message.contains("\"sources\"") == true)
        #expect(try connection.value("SELECT mine FROM sources")?.integer == 1)
    }

    // MARK: Zone and buckets

    @Test(arguments: ["America/Chicago", "UTC", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns"])
    func writesTimesAsTheZonesClockDoes(_ zone: String) throws {
        let connection = try ResultsDatabase(path: path, zone: zone).connection
        let clock = try ZoneClock(identifier: zone)
        var random = SplitMix64(seed: 11)
        var times = (0..<500).map { _ in Int64.random(in: -1_000_000_000_000...4_200_000_000_000, using: &random) }
        times += clock.stretches.dropFirst().flatMap { [$0.fromMs - 1, $0.fromMs, $0.fromMs + 1] } + [0, -1, 999]
        let statement = try connection.prepare("SELECT \(ViewSQL.isoTime("ms")) FROM (SELECT ? AS ms)")
        for time in times {
            statement.bind(0, time)
            #expect(try statement.step())
            #expect(statement.text(0) == clock.iso(ms: time), "\(time) ms")
            statement.reset()
        }
        let ofNull = try connection.rows("SELECT \(ViewSQL.isoTime("NULL")) IS NULL") { row throws(SQLiteError) in
            row.integer(0)
        }
        #expect(ofNull == [1])
    }

    @Test func meansAreExactAndHalfACentGoesAwayFromZero() throws {
        let connection = try Connection(path: ":memory:")
        var random = SplitMix64(seed: 5)
        var cases: [(sum: Int64, n: Int64)] = [
            (1, 2), (-1, 2), (3, 2), (1, 3), (2, 3), (-2, 3), (0, 5), (5, 1), (25, 10), (-25, 10),
        ]
        cases += (0..<500).map { _ in
            (.random(in: -10_000_000...10_000_000, using: &random), .random(in: 1...2000, using: &random))
        }
        let statement = try connection.prepare(
            "SELECT \(ViewSQL.mean("s", "n")), \(ViewSQL.dollars("s")) FROM (SELECT ? AS s, ? AS n)")
        for (sum, n) in cases {
            statement.bind(0, sum)
            statement.bind(1, n)
            #expect(try statement.step())
            // Slow and obvious: the quotient, and one more if the rest is half the divisor or more.
            let magnitude = abs(sum) / n + (abs(sum) % n * 2 >= n ? 1 : 0)
            let cents = sum < 0 ? -magnitude : magnitude
            #expect(statement.real(0) == Double(cents) / 100, "\(sum) / \(n)")
            #expect(statement.real(1) == Double(sum) / 100)
            statement.reset()
        }
        for n in ["0", "NULL"] {
            let isNull = try connection.value("SELECT \(ViewSQL.mean("7", n)) IS NULL")
            #expect(isNull == .integer(1))
        }
    }

    @Test func theZoneIsTheTenantsForGood() throws {
        _ = try ResultsDatabase(path: path)
        let changed = try ResultsDatabase(path: path, zone: "America/New_York")
        #expect(try changed.zone == "America/New_York")
        let offset = try changed.connection.value("SELECT offset_s FROM zone_offsets ORDER BY from_ms LIMIT 1")
        #expect(offset == .integer(-5 * 3600))
        try changed.connection.execute("INSERT INTO checkpoints VALUES ('s', 1, '{}')")
        let problem = #expect(throws: Problem.self) { try ResultsDatabase(path: path) }
        #expect(problem?.code == .configuration)
        #expect(try ResultsDatabase(path: path, zone: "America/New_York").zone == "America/New_York")
        let unknown = #expect(throws: Problem.self) { try ResultsDatabase(path: path, zone: "America/New_Yrok") }
        #expect(unknown?.hint?.contains("America/New_York") == true)
    }

    @Test func everyFareHasItsBucket() throws {
        let connection = try ResultsDatabase(path: path).connection
        var random = SplitMix64(seed: 3)
        let statement = try connection.prepare("SELECT fare_from, fare_to FROM fare_buckets WHERE bucket = ?")
        let fares =
            [-500, 0, 1, 2, 32767, 32768, 740_000, .max, -.max, -1, -32768]
            + (0..<300).map { _ in Int64.random(in: 1...10_000_000, using: &random) }
        for cents in fares {
            statement.bind(0, FareBucket.index(ofCents: cents))
            #expect(try statement.step())
            let dollars = Double(cents) / 100
            // A fare right on a bound may fall to either side by rounding.
            if cents > 0 {
                #expect(dollars > statement.real(0) * (1 - 1e-9) && dollars <= statement.real(1) * (1 + 1e-9))
            }
            if cents == 0 { #expect(statement.real(0) == 0 && statement.real(1) == 0) }
            if cents < 0 {
                #expect(dollars >= statement.real(0) * (1 + 1e-9) && dollars < statement.real(1) * (1 - 1e-9))
            }
            statement.reset()
        }
    }

    // MARK: Runs and ledger

    @Test func aRunIsRecordedFromBeginningToEnd() throws {
        let database = try ResultsDatabase(path: path)
        let log = RunLog(database)
        let start: Int64 = 1_705_952_700_123  // 2024-01-22T19:45:00.123Z
        let id = try log.begin("produce", at: start)
        #expect(id.hasPrefix("20240122T194500123Z-"))
        #expect(
            try log.latest(9) == [
                RunRecord(id: id, command: "produce", started: start, ended: nil, outcome: .running, summary: nil)
            ])
        try log.end(id, .success, summary: #"{"sent":3}"#, at: start + 2000)
        let row = try database.connection.rows("SELECT * FROM runs") { row throws(SQLiteError) in
            (0..<row.columnCount).map { row.text($0) }
        }
        #expect(
            row == [
                [
                    id, "produce", "2024-01-22T13:45:00.123-06:00", "2024-01-22T13:45:02.123-06:00", "success",
                    #"{"sent":3}"#,
                ]
            ])
    }

    @Test func idsAreUniqueAndSortByTime() throws {
        let log = RunLog(try ResultsDatabase(path: path))
        let times: [Int64] = [-1, 0, 999, 1000, 1_705_952_700_000, 1_705_952_700_001, 4_102_444_800_000]
        let ids = try times.map { try log.begin("stream", at: $0) }
        #expect(ids == ids.sorted())
        #expect(try log.begin("stream", at: 5) != log.begin("stream", at: 5))
        #expect(try log.latest(2).map(\.started) == [4_102_444_800_000, 1_705_952_700_001])
    }

    @Test func runsOfDeadProcessesAreInterruptedAtTheNextBeginning() throws {
        let database = try ResultsDatabase(path: path)
        let alive = RunLog(database)
        // The same number with another start is a later process; no process has the last number.
        let reused = RunLog(
            database.connection, process: RunningProcess(pid: RunningProcess.current.pid, start: "boot 1"))
        let gone = RunLog(database.connection, process: RunningProcess(pid: .max, start: "boot 2"))
        let first = try reused.begin("stream", at: 1)
        let ofOther = try gone.begin("produce", at: 2)
        let second = try gone.begin("stream", at: 3)
        let third = try alive.begin("stream", at: 4)
        let fourth = try alive.begin("stream", at: 5)
        let outcomes = Dictionary(uniqueKeysWithValues: try alive.latest(9).map { ($0.id, $0.outcome) })
        #expect(
            outcomes == [
                first: .interrupted, ofOther: .running, second: .interrupted, third: .running, fourth: .running,
            ])
        #expect(try alive.latest(9).allSatisfy { $0.ended == nil })
    }

    @Test func theLedgerAddsUp() throws {
        let connection = try ResultsDatabase(path: path).connection
        let ledger = try Ledger(connection)
        let aggregated = Ledger.Key(
            runID: "r", kind: "stream", source: "chicago_ingestData", partition: 2, query: "q", counter: "aggregated")
        let read = Ledger.Key(runID: "r", kind: "produce", source: "trips.csv", counter: "read")
        try connection.transaction {
            try ledger.add(10, to: aggregated)
            try ledger.add(5, to: aggregated)
            try ledger.add(7, to: read)
        }
        #expect(throws: CancellationError.self) {
            try connection.transaction {
                try ledger.add(100, to: read)
                throw CancellationError()
            }
        }
        #expect(try ledger.entries(ofRun: "r") == [aggregated: 15, read: 7])
        #expect(try ledger.entries(ofRun: "s").isEmpty)
    }
}
