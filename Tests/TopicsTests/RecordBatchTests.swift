import Basics
import Problems
import Testing
import Topics

@Suite struct RecordBatchTests {
    @Test(arguments: [1, 2, 3] as [UInt64]) func givesBackWhatWasEncoded(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for count in [0, 1, 2, 50] {
            let records = (0..<count).map { _ in randomRecord(&random) }
            #expect(try RecordBatch.decode(RecordBatch.encode(records)) == records)
        }
    }

    @Test func keepsTheEndsOfTime() throws {
        let records = [.min, .max, 0, -1, .max, .min].map { TopicRecord(key: nil, value: nil, timestamp: $0) }
        #expect(try RecordBatch.decode(RecordBatch.encode(records)) == records)
    }

    /// A header without a value is none with an empty one, and batches without such are what earlier releases read and wrote.
    @Test func tellsNullHeadersFromEmptyOnes() throws {
        func batch(_ values: [[UInt8]?]) -> [UInt8] {
            let headers = values.map { TopicRecord.Header(name: "h", value: $0) }
            return RecordBatch.encode([TopicRecord(key: nil, value: nil, headers: headers, timestamp: 0)])
        }
        let start: [UInt8] = [1, 0x81, 0x80, 0x80, 0]
        let (plain, mixed) = (batch([[], [7]]), batch([nil, [], [7]]))
        #expect(plain == start + [4, 0, 2, 1, 0x68, 0, 1, 0x68, 1, 7])
        #expect(mixed == start + [8, 0, 3, 1, 0x68, 0, 1, 0x68, 1, 1, 0x68, 2, 7])
        #expect(try RecordBatch.decode(plain)[0].headers.map(\.value) == [[], [7]])
        #expect(try RecordBatch.decode(mixed)[0].headers.map(\.value) == [nil, [], [7]])
        for flags: UInt8 in [12, 16] {
            var other = mixed
            other[start.count] = flags
            #expect(throws: Problem.self) { try RecordBatch.decode(other) }
        }
    }

    @Test func isSmallForRecordsCloseInTime() {
        let records = (0..<100).map { TopicRecord(key: [1], value: [2], timestamp: 1_700_000_000_000 + $0) }
        #expect(RecordBatch.encode(records).count == 5 + 6 + 99 + 100 * (1 + 2 + 2) - 1 + 1)
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func refusesEveryCut(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let bytes = RecordBatch.encode((0..<4).map { _ in randomRecord(&random) })
        for length in 0..<bytes.count {
            let problem = #expect(throws: Problem.self) { try RecordBatch.decode(Array(bytes[..<length])) }
            #expect(problem?.code == .badData)
        }
        #expect(throws: Problem.self) { try RecordBatch.decode(bytes + [0]) }
    }

    /// Whatever the bytes: records or a `Problem`, and never a trap.
    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64]) func takesAnyBytes(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let whole = RecordBatch.encode((0..<10).map { _ in randomRecord(&random) })
        for _ in 0..<1000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            _ = try? RecordBatch.decode(bytes)
            let noise =
                [1]
                + (0..<Int.random(in: 0...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            _ = try? RecordBatch.decode(noise)
        }
    }

    @Test func pendingBatchTakesItsTimesFromTheRecords() throws {
        #expect(PendingBatch(topic: "t", partition: 0, records: []) == nil)
        let records = [5, 9, 2].map { TopicRecord(key: nil, value: nil, timestamp: $0) }
        let batch = try #require(PendingBatch(topic: "t", partition: 3, records: records))
        #expect(batch.times == 2...9)
        #expect(batch.count == 3)
        #expect(batch.encoding == .records)
    }

    private func randomRecord(_ random: inout SplitMix64) -> TopicRecord {
        func bytes() -> [UInt8] {
            (0..<Int.random(in: 0...200, using: &random)).map { _ in .random(in: 0...255, using: &random) }
        }
        return TopicRecord(
            key: Bool.random(using: &random) ? bytes() : nil, value: Bool.random(using: &random) ? bytes() : nil,
            headers: (0..<Int.random(in: 0...2, using: &random)).map {
                .init(name: "名\($0)", value: Int.random(in: 0...3, using: &random) > 0 ? bytes() : nil)
            },
            timestamp: Int64.random(in: -10_000...2_000_000_000_000, using: &random))
    }
}
