import Database
import Foundation
import Problems
import SQLite
import Synchronization
import Testing
import Topics
import Time
import Trips

@testable import Stream

/// Shows the time that a test says, while the time that epochs take passes as ever.
private final class SetClock: WallClock {
    private let now: Mutex<EventTime>
    private let system = SystemClock()
    init(startMs: EventTime) { now = Mutex(startMs) }
    var nowMs: EventTime { now.withLock { $0 } }
    var monotonicNs: Int64 { system.monotonicNs }
    func sleep(untilNs: Int64) { system.sleep(untilNs: untilNs) }
    func advance(byMs ms: Int64) { now.withLock { $0 += ms } }
}

/// What a stream takes from its source: records that are not too far ahead of the clock it was given, and files that are what they were.
@Suite struct StreamSourceTests {
    private let minutes = "  - {name: perMinute, window: {tumbling: 1m}, aggregates: {n: count()}}"
    private static let hour: EventTime = 3_600_000

    private func rows(_ tenant: StoredStream) throws -> [[Int64]] {
        try tenant.database.connection.rows(
            "SELECT window_start_ms, n FROM stored_perminute ORDER BY window_start_ms"
        ) { row throws(SQLiteError) in [row.integer(0) - origin, row.integer(1)] }
    }

    @Test("the same records are rejected whichever queries run", arguments: ["n", "both", "late"])
    func validityIsTheRecordsOwn(_ which: String) throws {
        let tenant = try StoredStream()
        let n = "  - {name: n, window: {tumbling: day}, aggregates: {trips: count()}}\n"
        let fares = "  - {name: fares, window: {tumbling: day}, aggregates: {sum: sum(fare)}}\n"
        try tenant.produce((0..<20).map { $0 * 1000 })
        for fields in [
            #""fare":"10.00""#, #""fare":"ten""#, #""fare":10.00,"trip_miles":"far""#,
            #""trip_miles":1,"company":7"#,
        ] {
            try tenant.produce((0..<5).map { $0 * 1000 }, fields: fields)
        }
        let summary = try tenant.stream(try plans(which == "both" ? n + fares : n), untilEnd: true) {
            if which == "late" { $0.late = .deadLetter }
        }
        #expect(summary.rejected == [.badMoney: 5, .badNumber: 5, .schemaMismatch: 5])
        let counted = try tenant.database.connection.rows("SELECT trips FROM stored_n") { row throws(SQLiteError) in
            row.integer(0)
        }
        #expect(counted == [25])
    }

    @Test("a record too far ahead of the clock moves no watermark, in whatever encoding", arguments: [1, 2])
    func aheadOfTheClock(_ partitions: Int) throws {
        let tenant = try StoredStream(partitions: partitions)
        let plans = try plans(minutes)
        let clock = SetClock(startMs: origin + Self.hour)
        try tenant.produce([0, 100 * 24 * Self.hour, 1000])
        let first = try tenant.stream(plans, clock: clock)
        #expect(first.records == 3 && first.rejected == [.outOfRange: 1])
        try tenant.produce([2000, 61_000])
        let second = try tenant.stream(plans, untilEnd: true, clock: clock)
        #expect(second.late == ["perMinute": 0])
        #expect(try rows(tenant) == [[0, 3], [60_000, 1]])
        let ahead = try PassedOver.all(
            of: "perMinute", source: tenant.topic, on: tenant.database.connection)
        #expect(ahead == [PassedOver(reason: .ahead, partition: 0, offsets: 1..<2)])
        // By a later clock the record is one of the past; what was rejected stays so.
        clock.advance(byMs: 200 * 24 * Self.hour)
        #expect(try tenant.stream(plans, untilEnd: true, clock: clock).records == 0)
        // Computed anew, it counts, and nothing is left of the note.
        let anew = try tenant.stream(plans, untilEnd: true, clock: clock) { $0.fromBeginning = true }
        #expect(anew.records == 5 && anew.rejected == [:])
        #expect(try PassedOver.all(of: "perMinute", source: tenant.topic, on: tenant.database.connection) == [])
    }

    @Test func theLimitIsTheUsers() throws {
        let tenant = try StoredStream()
        let clock = SetClock(startMs: origin)
        try tenant.produce([0, Self.hour - 1, Self.hour, Self.hour + 1])
        let summary = try tenant.stream(try plans(minutes), untilEnd: true, clock: clock) { $0.maxAheadMs = Self.hour }
        #expect(summary.rejected == [.outOfRange: 1])
        let letters = try tenant.store.makeReader(topic: "chicago_deadLetter").read(partition: 0, from: 0)
        let letter = try #require(try letters?.records().first)
        #expect(String(decoding: letter.value ?? [], as: UTF8.self).hasPrefix(#"{"fare":10,"#), "the record as it came")
        let headers = Dictionary(
            uniqueKeysWithValues: letter.headers.map { ($0.name, $0.text) })
        #expect(headers["reason"] == "out_of_range" && headers["source"] == "chicago_ingestData/0/3")
        #expect(
            headers["detail"]?.contains("is 60 minutes ahead of the clock, more than the 1 hour of --max-ahead") == true
        )
    }

    @Test func whereMostIsTooFarAheadTheRunFails() throws {
        let tenant = try StoredStream()
        try tenant.produce((0..<30).map { $0 < 10 ? $0 : 400 * 24 * Self.hour })
        #expect {
            try tenant.stream(
                try plans(minutes), untilEnd: true, outcome: nil, clock: SetClock(startMs: origin))
        } throws: {
            ($0 as? Problem)?.code == .badData && ($0 as? Problem)?.message.contains("20 of 30 records") == true
        }
    }

    @Test func statusFailsWhereMostRecordsOfTheLastRunWereLate() throws {
        let tenant = try StoredStream()
        let plans = try plans(minutes)
        try tenant.produce((0..<100).map { $0 * 60_000 })
        try tenant.stream(plans)
        #expect(try tenant.status(plans).state != .failing)
        try tenant.produce([1, 2, 3, 100 * 60_000])
        try tenant.stream(plans)
        let status = try tenant.status(plans)
        #expect(status.state == .failing)
        #expect(
            status.reasons.contains {
                $0.hasPrefix("3 of 4 records that came to query \"perMinute\" in its last run were too late")
            },
            "\(status.reasons)")
    }

    /// What a refused run must leave as it is: results, who owns the queries, and what is to be sent.
    private func state(_ tenant: StoredStream) throws -> [String] {
        try ["stored_perminute", "checkpoints", "outbox", "ledger"].flatMap { table in
            try tenant.database.connection.rows("SELECT * FROM \(table)") { row throws(SQLiteError) in
                (0..<row.columnCount).map { "\(row.value($0))" }.joined(separator: " ")
            }
        }
    }

    @Test("what is refused changes nothing", arguments: [false, true])
    func checksComeFirst(_ fromBeginning: Bool) throws {
        let tenant = try StoredStream()
        let plans = try plans(minutes)
        try tenant.produce([0, 1000, 61_000])
        try tenant.stream(plans, untilEnd: true)
        let before = try state(tenant)
        #expect(before.count > 3)
        func refused(_ code: Problem.Code, _ source: StreamRunner.Source? = nil, late: Bool = false) throws {
            #expect {
                try tenant.stream(plans, untilEnd: true, outcome: nil, source: source) {
                    $0.fromBeginning = fromBeginning
                    if late { ($0.late, $0.createsTopics) = (.deadLetter, false) }
                }
            } throws: { ($0 as? Problem)?.code == code }
            #expect(try state(tenant) == before)
        }
        // A topic that may not be made; one that is not there; a file that lacks a column.
        try refused(.unavailable, late: true)
        try refused(.noInput, .topic("chicago_nowhere"))
        let path = tenant.path + "/wrong.csv"
        try Data("Trip ID,Fare\nx,1.00\n".utf8).write(to: URL(fileURLWithPath: path))
        let zone = try ZoneClock(identifier: "America/Chicago")
        try refused(
            .badData,
            .files(identity: "wrong", paths: [path]) { skip, ahead in
                try TripSource(paths: [path], options: TripSourceOptions(clock: .start, zone: zone, skip: skip))
            })
        guard !fromBeginning else { return }
        // Another topic of the same name.
        try tenant.store.deleteTopic(tenant.topic)
        try tenant.store.createTopic(tenant.topic, partitions: 1)
        try refused(.badData)
    }

    @Test(
        "a topic that is deleted under a running stream ends it, and so does another of its name",
        arguments: [false, true])
    func deletedWhileRead(_ isMadeAnew: Bool) throws {
        let tenant = try StoredStream()
        let plans = try plans(minutes)
        try tenant.produce([0, 1000])
        let problem = #expect(throws: Problem.self) {
            try tenant.stream(plans, outcome: .failed, rounds: 100) { _ in
            } between: { round in
                guard round == 2 else { return }
                try tenant.store.deleteTopic(tenant.topic)
                guard isMadeAnew else { return }
                try tenant.store.createTopic(tenant.topic, partitions: 1)
                try tenant.produce([2000, 3000, 4000, 5000])
            }
        }
        #expect(problem?.code == (isMadeAnew ? .badData : .noInput), "\(String(describing: problem))")
        #expect(try rows(tenant) == [[0, 2]])
    }

    @Test func fromTheBeginningNothingOldIsSent() throws {
        let tenant = try StoredStream()
        let plans = try plans(minutes)
        try tenant.produce([0, 1000, 61_000])
        try tenant.stream(plans, untilEnd: true)
        // As after a crash between the commit and the sending, of a message that no topic would take.
        try tenant.database.connection.execute(
            "INSERT INTO outbox VALUES ('stream:perMinute', 2, 'chicago_nowhere', 0, 1, 1, 1, ?, ?)",
            .integer(Int64(BatchEncoding.records.rawValue)),
            .blob(RecordBatch.encode([TopicRecord(key: nil, value: [1], timestamp: 1)])))
        try tenant.database.connection.execute(
            """
            UPDATE checkpoints SET epoch = 2, state = json_set(
                state, '$.sentBefore', json(json_extract(state, '$.sent')), '$.sent.sequence', 2, '$.epoch', 2)
            """)
        #expect(throws: Problem.self) { try tenant.stream(plans, untilEnd: true, outcome: nil) }
        try tenant.stream(plans, untilEnd: true) { $0.fromBeginning = true }
        #expect(try rows(tenant) == [[0, 2], [60_000, 1]])
    }

    @Test func aFileThatWasEditedIsNotReadOn() throws {
        let tenant = try StoredStream()
        let plans = try plans(minutes)
        let path = tenant.path + "/trips.csv"
        var bytes = Array("Trip Start Timestamp,Fare\n".utf8)
        for row in 0..<40_000 { bytes += Array("01/22/2024 0\(row % 9 + 1):15:00 PM,\(row % 90 + 10).25\n".utf8) }
        try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
        let zone = try ZoneClock(identifier: "America/Chicago")
        func stream(untilEnd: Bool) throws -> StreamSummary {
            let source = StreamRunner.Source.files(identity: "trips", paths: [path]) { skip, ahead in
                var options = TripSourceOptions(clock: .start, zone: zone, skip: skip)
                options.ahead = ahead
                return try TripSource(paths: [path], options: options)
            }
            return try tenant.stream(plans, untilEnd: untilEnd, source: source) { $0.epochRecords = 1 }
        }
        let read = try stream(untilEnd: false).records
        #expect((1..<40_000).contains(read))
        // As it stands there as soon as the hash is known, which nobody waits for.
        let hash = try #require(try ContentHash.hash(of: path))
        try tenant.database.connection.execute(
            "UPDATE checkpoints SET state = json_set(state, '$.positions.trips.content', json_array(?))", .text(hash))
        // The same bytes in another file, since the one that was read may be mapped yet: nobody can tell the two apart.
        try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
        let more = try stream(untilEnd: false).records
        #expect(more > 0 && read + more < 40_000)

        let place = bytes.count / 2 + bytes[(bytes.count / 2)...].firstIndex(of: UInt8(ascii: "."))! - bytes.count / 2
        bytes[place + 1] = UInt8(ascii: "7")
        try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
        #expect { try stream(untilEnd: true) } throws: {
            ($0 as? Problem)?.code == .badData && ($0 as? Problem)?.message.contains("has other content") == true
        }
    }
}
