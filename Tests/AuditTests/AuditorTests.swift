import Problems
import Stream
import Testing
import Time
import Trips

@testable import Audit

/// Results that a stream has stored are found right, whatever it went through.
@Suite struct AuditorTests {
    @Test func resultsOfAnUndisturbedRunAreRight() throws {
        let tenant = try AuditedTenant()
        let plans = try allQueries()
        try tenant.produce(Trip.random(2000, seed: 1))
        try tenant.stream(plans)
        let report = try tenant.audit(plans)
        #expect(report.first == [])
        #expect(report.differences == 0)
        #expect(report.trips == 2000)
        #expect(report.passes == 1)
        // Everything was looked at: a view, a topic and a ledger each, the runs and the sources.
        #expect(report.checks.count == plans.count * 3 + 2)
        #expect(report.checks.allSatisfy { $0.cells > 0 && $0.note == nil })
    }

    /// With one partition every late record is known, also those late for some of their windows only.
    @Test(arguments: [20_000, 90_000, 600_000])
    func lateRecordsOfOnePartitionAreRecountedExactly(lateMs: Int64) throws {
        let tenant = try AuditedTenant()
        let plans = try allQueries()
        try tenant.produce(Trip.random(3000, lateMs: lateMs, seed: 2))
        try tenant.stream(plans)
        #expect(try tenant.number("SELECT sum(value) FROM ledger WHERE counter = 'late'") > 0)
        let report = try tenant.audit(plans)
        #expect(report.first == [])
        #expect(report.checks.allSatisfy { $0.note == nil })
    }

    @Test func anotherDelayIsFoundFromTheCheckpoint() throws {
        let tenant = try AuditedTenant()
        let plans = try allQueries()
        try tenant.produce(Trip.random(2000, lateMs: 90_000, seed: 3))
        // Stopped before its end: the watermark stands where the records allow it.
        try tenant.stream(plans, epochs: 4) { $0.delayMs = 45_000 }
        let report = try tenant.audit(plans)
        #expect(report.first == [])
        #expect(report.checks.allSatisfy { $0.note == nil })
    }

    @Test(arguments: [0, 90_000])
    func severalPartitionsAreRight(lateMs: Int64) throws {
        let tenant = try AuditedTenant(partitions: 3)
        let plans = try allQueries()
        try tenant.produce(Trip.random(3000, lateMs: lateMs, seed: 4), partitions: 3)
        try tenant.stream(plans) { $0.workers = 2 }
        let report = try tenant.audit(plans)
        #expect(report.first == [])
    }

    /// Open windows are compared as well, and what is not read yet is left out.
    @Test(arguments: [1, 3])
    func aStreamThatWasStoppedIsRightUpToWhereItStands(partitions: Int) throws {
        let tenant = try AuditedTenant(partitions: partitions)
        let plans = try allQueries()
        try tenant.produce(Trip.random(3000, seed: 5), partitions: partitions)
        for _ in 0..<3 {
            try tenant.stream(plans, epochs: 2)
            let report = try tenant.audit(plans)
            #expect(report.first == [])
            #expect((1..<3000).contains(report.trips))
        }
        #expect(try tenant.number("SELECT count(*) FROM stored_hotspotwindow WHERE closed = 0") > 0)
    }

    /// The end of each bounded run closes all windows, and makes later records of theirs late.
    @Test(arguments: [1, 2])
    func runsThatFollowABoundedOneAreRight(partitions: Int) throws {
        let tenant = try AuditedTenant(partitions: partitions)
        let plans = try allQueries()
        for round in 0..<3 {
            let start = origin + Int64(round) * 600_000
            try tenant.produce(
                Trip.random(500, from: start, spanMs: 900_000, seed: 6 + UInt64(round)), partitions: partitions)
            try tenant.stream(plans)
            let report = try tenant.audit(plans)
            #expect(report.first == [], "round \(round)")
        }
        #expect(try tenant.number("SELECT sum(value) FROM ledger WHERE counter = 'late'") > 0)
    }

    @Test func queriesThatCameLaterAreRightWhereTheyStand() throws {
        let tenant = try AuditedTenant()
        let plans = try allQueries()
        try tenant.produce(Trip.random(1000, seed: 9))
        try tenant.stream(Array(plans.prefix(3)))
        try tenant.stream(plans, epochs: 1)
        let report = try tenant.audit(plans)
        #expect(report.first == [])
        #expect(Set(report.checks.filter { $0.kind == "view" }.map(\.name)) == Set(plans.map(\.table)))
    }

    /// The topic keeps the messages of the results that were removed.
    @Test func resultsThatWereComputedAnewAreRight() throws {
        let tenant = try AuditedTenant()
        let plans = try allQueries()
        try tenant.produce(Trip.random(1000, seed: 10))
        try tenant.stream(plans)
        try tenant.stream(plans) { $0.fromBeginning = true }
        let report = try tenant.audit(plans)
        #expect(report.first == [])
        #expect(report.checks.filter { $0.kind == "topic" }.allSatisfy { $0.note?.contains("earlier results") == true })
    }

    @Test func rejectedRecordsAreCountedByReason() throws {
        let tenant = try AuditedTenant()
        let plans = try allQueries()
        try tenant.produce(Trip.random(200, seed: 11))
        try tenant.produce(values: ["{\"fare\":", "{\"fare\":1}", "no JSON"])
        try tenant.produce(Trip.random(200, from: origin + 3_600_000, seed: 12))
        try tenant.stream(plans)
        #expect(try tenant.audit(plans).first == [])
        try tenant.execute("UPDATE ledger SET value = 5 WHERE counter = 'rejected:missing_event_time'")
        let report = try tenant.audit(plans)
        #expect(report.first.contains("sumFareWindow rejected:missing_event_time is 5, should be 1"))
    }

    /// 2023-11-05: 25 hours, of which one comes twice.
    @Test func daysOfAnotherLengthAreRight() throws {
        let tenant = try AuditedTenant()
        let plans = try allQueries()
        let start = tenant.zone.startMs(ofLocalDay: Calendar.day(year: 2023, month: 11, day: 4))
        try tenant.produce(Trip.random(3000, from: start, spanMs: 3 * 86_400_000, seed: 13))
        try tenant.stream(plans)
        #expect(try tenant.audit(plans).first == [])
        let longest =
            "SELECT max(b.window_start_ms - a.window_start_ms) FROM stored_days AS a JOIN stored_days AS b ON b.rowid > a.rowid"
        #expect(try tenant.number(longest + " AND b.window_start_ms < a.window_start_ms + 100000000") == 25 * 3_600_000)
    }

    @Test(arguments: [1, 2])
    func littleMemoryOnlyTakesMorePasses(partitions: Int) throws {
        let tenant = try AuditedTenant(partitions: partitions)
        let plans = try allQueries()
        try tenant.produce(
            Trip.random(5000, spanMs: 86_400_000, lateMs: 90_000, seed: 14), partitions: partitions)
        try tenant.stream(plans)
        let whole = try tenant.audit(plans)
        let sliced = try tenant.audit(plans) { $0.memoryBytes = 700_000 }
        #expect(sliced.first == [])
        #expect(sliced.passes > 3)
        #expect(sliced.cells == whole.cells)
    }

    @Test func aStreamThatBeganLaterIsRightFromThere() throws {
        let tenant = try AuditedTenant(partitions: 2)
        let plans = try allQueries()
        let time = origin + 1_800_000
        try tenant.produce(Trip.random(2000, seed: 16), partitions: 2)
        try tenant.stream(plans) { $0.fromTime = time }
        let report = try tenant.audit(plans, from: time)
        #expect(report.first == [])
        #expect((1..<1500).contains(report.trips))
        // Without the time there are trips that nobody consumed.
        #expect(try tenant.audit(plans).differences > 0)
    }

    /// Two runs with two delays: no one delay tells which records were late.
    @Test func lateRecordsThatCannotBeExplainedAreBounded() throws {
        let tenant = try AuditedTenant()
        let plans = try allQueries()
        try tenant.produce(Trip.random(600, lateMs: 60_000, seed: 17))
        try tenant.stream(plans, epochs: 1) { $0.delayMs = 0 }
        try tenant.produce(Trip.random(600, from: origin + 3_600_000, lateMs: 60_000, seed: 18))
        try tenant.stream(plans) { $0.delayMs = 30_000 }
        let report = try tenant.audit(plans)
        #expect(report.first == [])
        #expect(report.checks.contains { $0.note?.contains("trips were late") == true })
        // More than what was late may not be missing.
        try tenant.execute(
            "DELETE FROM stored_sumfarewindow WHERE rowid IN (SELECT rowid FROM stored_sumfarewindow LIMIT 3)")
        let lacking = try tenant.audit(plans)
        #expect(lacking.checks.filter { $0.differences > 0 }.map(\.name).contains("sumfarewindow"), "\(lacking.first)")
    }

    @Test func queriesThatAreNotDeclaredAnyMoreAreListed() throws {
        let tenant = try AuditedTenant()
        let plans = try allQueries()
        try tenant.produce(Trip.random(100, seed: 19))
        try tenant.stream(plans)
        let report = try tenant.audit(Array(plans.prefix(5)))
        #expect(report.differences == 0)
        let others = report.checks.filter { $0.note?.contains("not declared any more") == true }.map(\.name)
        #expect(others.sorted() == plans.dropFirst(5).map(\.name).sorted())
    }

    @Test func nothingStoredIsNothingToAudit() throws {
        let tenant = try AuditedTenant()
        let problem = try #require(throws: Problem.self) { try tenant.audit(try allQueries()) }
        #expect(problem.code == .noInput)
    }

    @Test func anotherDeclarationIsRefused() throws {
        let tenant = try AuditedTenant()
        let plans = try allQueries()
        try tenant.produce(Trip.random(100, seed: 15))
        try tenant.stream(plans)
        var changed = plans
        changed[0].window = .tumbling(sizeMs: 10_000)
        let problem = try #require(throws: Problem.self) { try tenant.audit(changed) }
        #expect(problem.code == .configuration)
    }
}
