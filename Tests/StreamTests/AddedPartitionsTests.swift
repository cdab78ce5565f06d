import Problems
import Testing
import Topics
import Time
import Trips

@testable import Stream

/// A topic that gets more partitions while it is read.
@Suite struct AddedPartitionsTests {
    /// Shows as many of a topic's partitions as somebody says.
    private final class GrowingReader: TopicReader {
        let reader: any TopicReader
        private(set) var partitionCount = 1
        var added = 0
        var isAway = false

        init(_ reader: any TopicReader) { self.reader = reader }

        var topic: String { reader.topic }
        var identity: String? { reader.identity }
        func requireSame() { partitionCount = 1 + added }
        func read(partition: Int, from offset: Int64) throws -> StoredBatch? {
            try reader.read(partition: partition, from: offset)
        }
        func offsets() throws -> [Range<Int64>] {
            if isAway { throw Problem(.unavailable, "no broker answers") }
            return Array(try reader.offsets()[..<partitionCount])
        }
        func offsets(from time: EventTime) throws -> [Int64] { try reader.offsets(from: time) }
        func wait(timeoutMs: Int) throws {}
    }

    private func records(_ input: TopicInput) throws -> [Int: Int64] {
        var counts: [Int: Int64] = [:]
        while let (partition, piece) = try input.next() {
            guard case .stored(let batch, let first) = piece else { continue }
            counts[partition, default: 0] += batch.baseOffset + Int64(batch.count) - first
        }
        return counts
    }

    @Test func whatIsAddedIsReadFromItsBeginning() throws {
        let tenant = try StoredStream(partitions: 3)
        try tenant.produce([0, 1000])
        try tenant.produce([1, 2, 3], partition: 2)
        let reader = GrowingReader(try tenant.store.makeReader(topic: tenant.topic))
        let input = try TopicInput(reader: reader, untilEnd: false, skipsLost: false)
        #expect(try !input.look() && input.partitionCount == 1)
        #expect(try records(input) == [0: 2])
        reader.added = 2
        // Nobody knows where they begin while no broker answers; the next look asks again.
        reader.isAway = true
        #expect(try !input.look() && input.partitionCount == 1)
        reader.isAway = false
        #expect(try input.look())
        #expect(try !input.look())
        #expect(input.offsets == [2, 0, 0] && input.drained == [true, false, false])
        #expect(try records(input) == [2: 3])
        #expect(input.offsets == [2, 0, 3] && input.seals?.count == 3 && input.takeLost().isEmpty)
    }

    @Test func aBoundedRunEndsWhereTheTopicEnded() throws {
        let tenant = try StoredStream(partitions: 2)
        try tenant.produce([0, 1000])
        let reader = GrowingReader(try tenant.store.makeReader(topic: tenant.topic))
        let input = try TopicInput(reader: reader, untilEnd: true, skipsLost: false)
        reader.added = 1
        #expect(try !input.look())
        #expect(try records(input) == [0: 2])
        #expect(input.finished == [true])
    }

    @Test func theWatermarkWaitsForWhatIsAddedUntilItIsSeenOrSilent() {
        var tracker = WatermarkTracker(newest: [100], watermark: .min, delayMs: 10, idleTimeoutMs: 50, nowMs: 0)
        tracker.advance(nowMs: 1)
        #expect(tracker.watermark == 90)
        tracker.addPartition(nowMs: 2)
        var none: EventTime = 0
        let time: [EventTime] = [200]
        _ = tracker.observe(time, rows: 0..<1, partition: 0, limit: .max, floor: 90, nowMs: 3, into: &none)
        tracker.advance(nowMs: 3)
        #expect(tracker.watermark == 90, "nothing of it was seen")
        tracker.advance(nowMs: 52)
        #expect(tracker.watermark == 190, "it was silent")
    }
}
