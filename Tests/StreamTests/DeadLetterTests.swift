import Foundation
import Problems
import SQLite
import Testing
import Topics
import Time
import Trips

@testable import Stream

/// Records of a topic that cannot be used: set aside as they came, and once.
@Suite struct DeadLetterTests {
    private let n = "  - {name: n, window: {tumbling: 1m}, aggregates: {trips: count()}}\n"
    private let fares = "  - {name: fares, window: {tumbling: 1m}, aggregates: {sum: sum(fare)}}\n"

    private func letters(_ tenant: StoredStream) throws -> [TopicRecord] {
        let reader = try tenant.store.makeReader(topic: "chicago_deadLetter")
        var records: [TopicRecord] = []
        try reader.forEachBatch(of: 0, in: reader.offsets()[0]) { batch in
            records += try batch.records()
            return true
        }
        return records
    }

    private func sources(_ tenant: StoredStream) throws -> [String] {
        try letters(tenant).map { record in
            let source = record.headers.last { $0.name == "source" }
            return String(decoding: source?.value ?? [], as: UTF8.self)
        }
    }

    @Test func areUnchanged() throws {
        let tenant = try StoredStream()
        let records = [
            TopicRecord(
                key: Array("k".utf8), value: Array("junk".utf8),
                headers: [.init(name: "trace", value: [1, 2]), .init(name: "reason", value: [9])], timestamp: origin + 5
            ),
            TopicRecord(key: Array("gone".utf8), value: nil, timestamp: origin + 6),
            TopicRecord(key: nil, value: [], timestamp: origin + 7),
        ]
        let batch = try #require(PendingBatch(topic: tenant.topic, partition: 0, records: records))
        try tenant.store.makeWriter().append([batch], mark: nil)
        try tenant.stream(try plans(n), outcome: nil)
        let letters = try letters(tenant)
        #expect(letters.map(\.key) == records.map(\.key) && letters.map(\.value) == records.map(\.value))
        #expect(letters.map(\.timestamp) == records.map(\.timestamp))
        #expect(letters[0].headers.prefix(2) == records[0].headers[...])
        #expect(
            letters[0].headers.dropFirst(2).map(\.name) == letters[1].headers.map(\.name), "what is added comes last")
        let log = try DeadLetterLog(tenant.store.makeReader(topic: "chicago_deadLetter"))
        #expect(log.entries.map(\.reason) == ["malformed_json", "malformed_json", "malformed_json"])
        #expect(log.entries.map(\.source) == (0..<3).map { "chicago_ingestData/0/\($0)" })
    }

    /// Ten records of which the third and the eighth are none.
    private func fill(_ tenant: StoredStream, partition: Int = 0, from start: EventTime = origin) throws {
        let times = (0..<10).map { start + EventTime($0) }
        let values = times.enumerated().map { index, time in
            [2, 7].contains(index) ? "junk" : "{\"fare\":1,\"event_timestamp\":\"\(RFC3339.string(time))\"}"
        }
        try tenant.append(values, times, partition)
    }

    @Test(arguments: [1, 2]) func areWrittenOnceHoweverManyQueriesComeLater(_ partitions: Int) throws {
        let tenant = try StoredStream(partitions: partitions)
        for partition in 0..<partitions { try fill(tenant, partition: partition) }
        func places(_ offsets: [Int]) -> Set<String> {
            Set((0..<partitions).flatMap { partition in offsets.map { "chicago_ingestData/\(partition)/\($0)" } })
        }
        try tenant.stream(try plans(n), untilEnd: true)
        #expect(try Set(sources(tenant)) == places([2, 7]))
        // A query that reads all again, beside the one that goes on, and then both anew.
        for partition in 0..<partitions { try fill(tenant, partition: partition) }
        try tenant.stream(try plans(n + fares), untilEnd: true)
        #expect(try Set(sources(tenant)) == places([2, 7, 12, 17]))
        try tenant.stream(try plans(n + fares), untilEnd: true) { $0.fromBeginning = true }
        #expect(try sources(tenant).count == 4 * partitions)
        // With their topic gone they are written again.
        try tenant.store.deleteTopic("chicago_deadLetter")
        try tenant.stream(try plans(n), untilEnd: true) { $0.fromBeginning = true }
        #expect(try sources(tenant).count == 4 * partitions)
    }

    @Test func thoseThatAQueryPassedOverAreStillToBeWritten() throws {
        let tenant = try StoredStream()
        for minute in 0..<2 { try fill(tenant, from: origin + EventTime(minute) * 60_000) }
        try tenant.stream(try plans(n), untilEnd: true) { $0.fromTime = origin + 60_000 }
        #expect(try sources(tenant) == [12, 17].map { "chicago_ingestData/0/\($0)" })
        try tenant.stream(try plans(n + fares), untilEnd: true)
        #expect(try sources(tenant).sorted() == [12, 17, 2, 7].map { "chicago_ingestData/0/\($0)" })
    }

    @Test func aTopicMadeAnewHasItsOwn() throws {
        let tenant = try StoredStream()
        try fill(tenant)
        try tenant.stream(try plans(n), untilEnd: true)
        try tenant.store.deleteTopic(tenant.topic)
        try tenant.store.createTopic(tenant.topic, partitions: 1)
        try fill(tenant)
        try tenant.stream(try plans(n), untilEnd: true) { $0.fromBeginning = true }
        #expect(try sources(tenant) == [2, 7, 2, 7].map { "chicago_ingestData/0/\($0)" })
    }

    @Test func recordsAheadOfTheClockAreWrittenOnceToo() throws {
        let tenant = try StoredStream()
        try tenant.produce([0, systemTime() - origin + 5 * 86_400_000, 1000])
        try tenant.stream(try plans(n), untilEnd: true)
        try tenant.stream(try plans(n + fares), untilEnd: true)
        #expect(try sources(tenant) == ["chicago_ingestData/0/1"])
    }

    @Test func rowsOfAFileAreWrittenOnceToo() throws {
        let tenant = try StoredStream()
        let path = tenant.path + "/trips.csv"
        let rows = (0..<10).map { "01/19/2024 05:0\($0):00 PM,\($0 % 3 == 1 ? "dear" : "1.00")\n" }
        try Data(("Trip Start Timestamp,Fare\n" + rows.joined()).utf8).write(to: URL(fileURLWithPath: path))
        let zone = try ZoneClock(identifier: "America/Chicago")
        let source = StreamRunner.Source.files(identity: "trips", paths: [path]) { skip, ahead in
            try TripSource(paths: [path], options: TripSourceOptions(clock: .start, zone: zone, skip: skip))
        }
        try tenant.stream(try plans(n), untilEnd: true, source: source)
        #expect(try letters(tenant).count == 3)
        try tenant.stream(try plans(n + fares), untilEnd: true, source: source)
        #expect(try letters(tenant).count == 3)
    }
}
