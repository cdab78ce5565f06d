import TestSupport
import Basics
import Foundation
import Glibc
import Problems
import SQLite
import Testing

@testable import Topics

@Suite struct EmbeddedTopicStoreTests {
    let folder: TemporaryFolder
    let store: EmbeddedTopicStore
    var path: String { folder("topics.db") }

    init() throws {
        folder = try TemporaryFolder()
        store = try EmbeddedTopicStore(path: folder("topics.db"), now: { 1_700_000_000_000 })
    }

    @Test(arguments: topicStoreContract) func holdsTheContract(_ check: ContractCheck) throws {
        try check.run(ContractStore(topics: store, isKafka: false))
    }

    @Test func isFilledByProcessesThatOpenItAtOnce() throws {
        let path = folder("fresh.db")
        let errors = inParallel(6) { index in
            let store = try EmbeddedTopicStore(path: path)
            try store.createTopic("trips", partitions: 1, retentionMs: nil)
            try store.makeWriter().append([batch("trips", 0, [Int64(index)])], mark: nil)
        }
        #expect(errors.isEmpty, "\(errors)")
        #expect(try EmbeddedTopicStore(path: path).describe("trips").recordCount == 6)
    }

    // MARK: Retention

    @Test func keepsByEventTimeOfTheNewestRecord() throws {
        try store.createTopic("t", partitions: 2, retentionMs: 100)
        let writer = try store.makeWriter()
        // Partition 0: old, new, old again; partition 1: old only.
        for times in [[0, 50], [60, 110], [150], [90], [200]] as [[Int64]] {
            try writer.append([batch("t", 0, times)], mark: nil)
        }
        try writer.append([batch("t", 1, [10, 20, 30])], mark: nil)
        #expect(try store.applyRetention() == 5)
        let description = try store.describe("t")
        #expect(description.partitions.map(\.startOffset) == [2, 3])
        #expect(description.partitions.map(\.endOffset) == [7, 3])
        #expect(try readAll(store, "t", 0).map(\.record.timestamp) == [60, 110, 150, 90, 200])
        let reader = try store.makeReader(topic: "t")
        #expect(try reader.read(partition: 0, from: 0)?.baseOffset == 2)
        #expect(try reader.read(partition: 1, from: 0) == nil)
        try writer.append([batch("t", 1, [300])], mark: nil)
        #expect(try reader.read(partition: 1, from: 0)?.baseOffset == 3, "offsets go on where they were")
        #expect(try store.applyRetention() == 4, "90 is behind 200, so both stay or go in order")
        #expect(try readAll(store, "t", 0).map(\.record.timestamp) == [200])
        #expect(try store.applyRetention() == 0)
    }

    @Test func writersRemoveWhatIsOldByThemselves() throws {
        try store.createTopic("t", partitions: 1, retentionMs: 10)
        let writer = try store.makeWriter()
        for time in 0..<Int64(200) { try writer.append([batch("t", 0, [time])], mark: nil) }
        let kept = try store.describe("t").partitions[0]
        #expect(kept.endOffset == 200)
        #expect(kept.startOffset > 100)
        let left = try payloads()
        #expect(left == kept.endOffset - kept.startOffset)
    }

    @Test func deletingATopicFreesItsPayloads() throws {
        try store.createTopic("a", partitions: 2)
        try store.createTopic("b", partitions: 1)
        let writer = try store.makeWriter()
        for time in 0..<Int64(140) { try writer.append([batch("a", Int(time % 2), [time])], mark: nil) }
        try writer.append([batch("b", 0, [1])], mark: nil)
        try store.deleteTopic("a")
        #expect(try payloads() == 1)
        #expect(try readAll(store, "b", 0).count == 1)
    }

    private func payloads() throws -> Int64? {
        try Connection(path: path).value("SELECT count(*) FROM payloads")?.integer
    }

    // MARK: Faults

    @Test func namesABatchWhosePayloadChanged() throws {
        try store.createTopic("t", partitions: 2)
        let writer = try store.makeWriter()
        for time in 0..<Int64(3) { try writer.append([batch("t", 1, [time, time])], mark: nil) }
        let other = try Connection(path: path)
        try other.execute("UPDATE payloads SET bytes = zeroblob(length(bytes)) WHERE id = 2")
        let reader = try store.makeReader(topic: "t")
        #expect(try reader.read(partition: 1, from: 0) != nil)
        let problem = #expect(throws: Problem.self) { try reader.read(partition: 1, from: 3) }
        #expect(problem?.code == .badData)
        #expect(problem?.message.contains("topic \"t\", partition 1, offset 2") == true)
        #expect(try reader.read(partition: 1, from: 4) != nil, "what lies behind it can still be read")
        try other.execute("DELETE FROM payloads WHERE id = 2")
        #expect(throws: Problem.self) { try reader.read(partition: 1, from: 3) }
        try other.execute("UPDATE batches SET encoding = 77 WHERE payload_id = 3")
        #expect(throws: Problem.self) { try reader.read(partition: 1, from: 4) }
    }

    /// Three batches of two records: each offset is in one batch, and the last batch ends with the partition.
    @Test(arguments: [
        "UPDATE batches SET count = 3 WHERE base_offset = 2", "UPDATE batches SET count = 1 WHERE base_offset = 2",
        "UPDATE batches SET count = 1000000000 WHERE base_offset = 4", "UPDATE batches SET count = 'x'",
        "UPDATE batches SET base_offset = 3 WHERE base_offset = 2", "DELETE FROM batches WHERE base_offset = 0",
        "DELETE FROM batches WHERE base_offset = 2", "DELETE FROM batches WHERE base_offset = 4",
        "UPDATE partitions SET end_offset = 5", "UPDATE partitions SET end_offset = 7",
        "UPDATE partitions SET start_offset = -1", "UPDATE partitions SET start_offset = 7",
        "UPDATE partitions SET end_offset = 9223372036854775807", "UPDATE partitions SET partition = 3",
        "UPDATE batches SET first_time = 9223372036854775807", "UPDATE batches SET last_time = -9223372036854775808",
    ]) func noOffsetIsMissingUnseen(_ sql: String) throws {
        try store.createTopic("t", partitions: 1)
        let writer = try store.makeWriter()
        for time in 0..<Int64(3) { try writer.append([batch("t", 0, [time, time])], mark: nil) }
        #expect(try count() == 6)
        try Connection(path: path).execute(sql)
        let problem = #expect(throws: Problem.self) { try count() }
        #expect(problem?.code == .badData)
    }

    /// Records of partition 0 of topic "t", as whoever reads on behind each batch meets them.
    private func count() throws -> Int {
        let reader = try store.makeReader(topic: "t")
        let kept = try reader.offsets()[0]
        var (count, offset) = (0, kept.lowerBound)
        while offset < kept.upperBound, let batch = try reader.read(partition: 0, from: offset) {
            count += try batch.records().count
            offset = batch.baseOffset + Int64(batch.count)
        }
        return count
    }

    /// Bytes flipped anywhere in the file: every record read is one that was written, or there is a `Problem`.
    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func neverGivesOutFlippedBytes(seed: UInt64) throws {
        try fill(20)
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        var random = SplitMix64(seed: seed)
        let damaged = folder("damaged.db")
        for _ in 0..<30 {
            var bytes = whole
            for _ in 0..<4 {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= .random(in: 1...255, using: &random)
            }
            try replace(damaged, with: bytes)
            expectProblemOrTruth(damaged, "seed \(seed)")
        }
    }

    @Test(arguments: [0, 1, 99, 100, 4096, 32768, 40000, 70000, 500_000]) func survivesACutFile(_ length: Int) throws {
        try fill(20)
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        let damaged = folder("cut.db")
        try replace(damaged, with: whole.prefix(length))
        expectProblemOrTruth(damaged, "\(length) bytes")
    }

    /// As after a power cut: the log ends in the middle of a transaction, and only whole ones count.
    @Test func readsTheWholeTransactionsOfACutLog() throws {
        try store.createTopic("t", partitions: 1)
        let writer = try store.makeWriter()
        for time in 0..<Int64(20) { try writer.append([large(time), large(time)], mark: nil) }
        let log = try Data(contentsOf: URL(fileURLWithPath: path + "-wal"))
        let database = try Data(contentsOf: URL(fileURLWithPath: path))
        var counts: Set<Int> = []
        for tenths in 1..<10 {
            let copy = folder("crashed-\(tenths).db")
            try replace(copy, with: database)
            try log.prefix(log.count * tenths / 10).write(to: URL(fileURLWithPath: copy + "-wal"))
            let count = (try? readAll(EmbeddedTopicStore(path: copy), "t", 0).count) ?? 0
            #expect(count % 2 == 0)
            counts.insert(count)
        }
        #expect(counts.count > 5)
    }

    /// A limit of pages is to SQLite what a full disk is.
    @Test func tellsThatTheDiskIsFullAndKeepsWhatWasCommitted() throws {
        try store.createTopic("t", partitions: 1)
        let connection = try EmbeddedSchema.open(path)
        let writer = try EmbeddedTopicWriter(on: connection, now: { 0 })
        let first = ProducerMark(producer: "p", epoch: 1, sequence: 1)
        try writer.append([large(0)], mark: first)
        let pages = try #require(try connection.value("PRAGMA page_count")?.integer)
        try connection.execute("PRAGMA max_page_count=\(pages + 3)")
        let second = ProducerMark(producer: "p", epoch: 1, sequence: 2)
        let batches = (1...5).map { large($0) }
        let problem = #expect(throws: Problem.self) { try writer.append(batches, mark: second) }
        #expect(problem?.code == .inputOutput)
        #expect(
            problem?.message == "the disk is full while appending to topic \"t\"; nothing that was committed is lost")
        #expect(try store.describe("t").recordCount == 1)
        try connection.execute("PRAGMA max_page_count=100000")
        #expect(try writer.append(batches, mark: second), "with room again, the same append goes through")
        #expect(try readAll(store, "t", 0).map(\.record.timestamp) == [0, 1, 2, 3, 4, 5])
    }

    @Test func tellsThatAnotherFileIsNoTopics() throws {
        try Data("trip_id,fare\n1,2\n".utf8).write(to: URL(fileURLWithPath: folder("text.db")))
        #expect(code(of: folder("text.db")) == .badData)
        try Connection(path: folder("other.db")).execute("CREATE TABLE x (y)")
        #expect(code(of: folder("other.db")) == .badData)
        try Connection(path: path).execute("PRAGMA user_version=99")
        #expect(code(of: path) == .configuration)
        #expect(code(of: folder("none/topics.db")) == .cannotCreate)
        #expect(code(of: folder.path) == .cannotCreate)
    }

    @Test func tellsThatAFolderMayOnlyBeRead() throws {
        let closed = folder("closed")
        try FileManager.default.createDirectory(atPath: closed, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: path, toPath: closed + "/topics.db")
        chmod(closed + "/topics.db", 0o444)
        chmod(closed, 0o555)
        chmod(folder.path, 0o755)
        let codes = asNobody { [code(of: closed + "/topics.db"), code(of: closed + "/new.db")] }
        #expect(codes == [.noPermission, .cannotCreate])
        chmod(closed, 0o755)
    }

    @Test func tellsThatAnotherProcessHoldsTheLock() throws {
        let holder = try Connection(path: path)
        try holder.execute("BEGIN IMMEDIATE")
        let impatient = try Connection(path: path, busyTimeoutMs: 1)
        let error = #expect(throws: SQLiteError.self) { try impatient.execute("BEGIN IMMEDIATE") }
        #expect(try Problem(#require(error), doing: "appending").code == .tryAgain)
    }

    // MARK: Helpers

    private func fill(_ batches: Int64) throws {
        try store.createTopic("t", partitions: 1)
        let writer = try store.makeWriter()
        for time in 0..<batches { try writer.append([large(time)], mark: nil) }
        try Connection(path: path).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    }

    /// A batch of 40 KB, more than a page.
    private func large(_ time: Int64) -> PendingBatch {
        PendingBatch(
            topic: "t", partition: 0,
            records: [TopicRecord(key: nil, value: Array(repeating: UInt8(time), count: 40_000), timestamp: time)])!
    }

    private func replace(_ path: String, with bytes: Data) throws {
        for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        try bytes.write(to: URL(fileURLWithPath: path))
    }

    private func expectProblemOrTruth(_ path: String, _ comment: Comment) {
        do {
            let store = try EmbeddedTopicStore(path: path)
            _ = try store.topics()
            for (_, record) in try readAll(store, "t", 0) {
                let time = record.timestamp
                #expect((0..<20).contains(time), comment)
                #expect(record.value == Array(repeating: UInt8(truncatingIfNeeded: time), count: 40_000), comment)
            }
        } catch {
            #expect(error is Problem, comment)
        }
    }

    private func code(of path: String) -> Problem.Code? {
        do {
            let store = try EmbeddedTopicStore(path: path)
            try store.createTopic("new", partitions: 1)
            return nil
        } catch {
            return (error as? Problem)?.code
        }
    }
}
