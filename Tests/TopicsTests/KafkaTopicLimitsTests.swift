import Foundation
import Kafka
import Problems
import Testing
import Time
import Trips

@testable import Topics

@Suite struct KafkaTopicLimitsTests {
    private let hour: Int64 = 3_600_000
    private let now: EventTime = 1_700_000_000_000

    @Test func readsTheBoundsOfEveryVersion() {
        func times(_ settings: [String: String]?) -> ClosedRange<EventTime> {
            KafkaTopicLimits(settings).times(nowMs: now)
        }
        #expect(times(nil) == .min...now + hour - 60_000, "what a broker does that was told nothing")
        #expect(times([:]) == .min...EventTime.max)
        #expect(times(["message.timestamp.difference.max.ms": "1000"]) == now - 500...now + 500)
        #expect(
            times(["message.timestamp.after.max.ms": "\(hour)", "message.timestamp.before.max.ms": "\(Int64.max)"])
                == .min...now + hour - 60_000)
        #expect(times(["message.timestamp.before.max.ms": "0"]) == now...EventTime.max)
        #expect(
            times(["message.timestamp.after.max.ms": "0", "message.timestamp.type": "LogAppendTime"])
                == EventTime.min...EventTime.max)
        #expect(KafkaTopicLimits(["max.message.bytes": "5000"]).bytes == 5000)
    }

    private func fitting(_ bytes: Int, topic: String = "t_deadLetter") -> KafkaFitting {
        KafkaFitting(KafkaTopicLimits(["max.message.bytes": "\(bytes)"]), topic: topic, clientBytes: .max, nowMs: now)
    }

    private func cut(_ record: TopicRecord, to bytes: Int) throws -> TopicRecord? {
        let fitting = fitting(bytes)
        var found: TopicRecord?
        try RecordBatch.encode([record]).withUnsafeBytes { payload in
            try RecordBatch.forEach(in: payload) { found = fitting.cut($0)?.record }
        }
        return found
    }

    @Test(arguments: [1000, 5000, 100_000]) func cutsWhatIsTooLarge(_ bytes: Int) throws {
        func size(_ record: TopicRecord) -> Int {
            (record.key?.count ?? 0) + (record.value?.count ?? 0)
                + record.headers.reduce(0) { $0 + $1.name.utf8.count + ($1.value?.count ?? 0) + 10 }
        }
        let own = (0..<DeadLetter.headerCount).map { TopicRecord.Header(name: "h\($0)", value: [1, 2]) }
        func record(key: Int, value: Int?, headers: Int) -> TopicRecord {
            TopicRecord(
                key: Array(repeating: 1, count: key), value: value.map { Array(repeating: 2, count: $0) },
                headers: (0..<headers).map { .init(name: "x\($0)", value: Array(repeating: 3, count: 100)) } + own,
                timestamp: now)
        }
        #expect(try cut(record(key: 10, value: bytes / 2, headers: 0), to: bytes) == nil)
        for whole in [
            record(key: 10, value: bytes, headers: 1), record(key: bytes * 2, value: 10, headers: 0),
            record(key: bytes * 2, value: nil, headers: 0), record(key: 1, value: bytes * 3, headers: 5000),
        ] {
            let kept = try #require(try cut(whole, to: bytes))
            #expect(size(kept) <= bytes, "\(size(kept))")
            #expect((kept.value == nil) == (whole.value == nil) && kept.timestamp == whole.timestamp)
            #expect(whole.value?.starts(with: kept.value ?? []) ?? true)
            #expect(kept.headers.last?.name == DeadLetter.cutHeader)
            #expect(own.allSatisfy(kept.headers.contains), "what says why stays")
        }
    }

    @Test func timesThatATopicDoesNotTakeAreKeptInAHeader() {
        let limits = KafkaTopicLimits(["message.timestamp.after.max.ms": "\(hour)"])
        let fitting = KafkaFitting(limits, topic: "t", clientBytes: .max, nowMs: now)
        #expect(fitting.timestamp(now).time == now && fitting.timestamp(now).headers.isEmpty)
        #expect(fitting.timestamp(5).headers.isEmpty)
        let ahead = fitting.timestamp(now + 2 * hour)
        #expect(ahead.time == now + hour - 60_000)
        #expect(ahead.headers.map(\.name) == ["event_timestamp"])
        #expect(ahead.headers.map(\.value) == [Array(RFC3339.string(now + 2 * hour).utf8)])
    }

    /// The mock tells nothing of a topic's settings, as a broker does where a user has no right to see them.
    @Test func whoseSettingsAreNotKnownTakesAsMuchAsABrokerThatWasToldNothing() throws {
        let mock = try KafkaMockCluster(brokers: 1)
        mock.createTopic("a_deadLetter", partitions: 1)
        let store = try KafkaTopicStore(mock.configuration, tenant: "a")
        let late = systemTime() + 5 * hour
        let large = TopicRecord(
            key: Array("k".utf8), value: Array(repeating: 65, count: 3 << 20),
            headers: [.init(name: "own", value: [1])],
            timestamp: late)
        try store.makeWriter().append(
            [try #require(PendingBatch(topic: "a_deadLetter", partition: 0, records: [large]))], mark: nil)
        let batch = try #require(try store.makeReader(topic: "a_deadLetter").read(partition: 0, from: 0))
        let record = try #require(try batch.records().first)
        #expect(record.key == large.key && record.timestamp < late)
        #expect(record.value.map { $0.count < 1_048_588 && $0.count > 1_000_000 } == true)
        #expect(record.headers.map(\.name) == ["own", "cut", "event_timestamp"])
    }
}
