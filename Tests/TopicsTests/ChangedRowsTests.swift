import TestSupport
import Foundation
import Problems
import SQLite
import Testing

@testable import Topics

/// Single bits and values of the tables `batches` and `partitions` that are others than were written: whoever reads gets all records, or is
/// told of the damage; and an inspection finds each change that matters.
@Suite struct ChangedRowsTests {
    private static let original = Result { try Original() }

    /// Two topics, one of which keeps records for a day: partitions of three batches of 4, 5 and 6 records.
    private struct Original {
        let folder = try! TemporaryFolder()
        let records: [String: [String]]
        var path: String { folder("topics.db") }

        init() throws {
            let store = try EmbeddedTopicStore(path: folder("topics.db"), now: { 1_700_000_000_000 })
            try store.createTopic("t", partitions: 2)
            try store.createTopic("r", partitions: 2, retentionMs: 86_400_000)
            let writer = try store.makeWriter()
            for topic in ["t", "r"] {
                for partition in 0..<2 {
                    for (index, count) in [4, 5, 6].enumerated() {
                        let times = (0..<count).map { Int64(1_000 * index + 10 * $0 + partition) }
                        try writer.append([batch(topic, partition, times)], mark: nil)
                    }
                }
            }
            try Connection(path: folder("topics.db")).execute("PRAGMA wal_checkpoint(TRUNCATE)")
            records = try ChangedRowsTests.records(in: store)
        }
    }

    /// What each partition holds, as its readers see it.
    private static func records(in store: EmbeddedTopicStore) throws -> [String: [String]] {
        var found: [String: [String]] = [:]
        for topic in ["t", "r"] {
            let reader = try store.makeReader(topic: topic)
            for (partition, kept) in try reader.offsets().enumerated() {
                var offset = kept.lowerBound
                while offset < kept.upperBound, let batch = try reader.read(partition: partition, from: offset) {
                    for (index, record) in try batch.records().enumerated() {
                        found["\(topic) \(partition)", default: []].append(
                            "\(batch.baseOffset + Int64(index)) \(record.timestamp) \(record.value ?? [])")
                    }
                    offset = batch.baseOffset + Int64(batch.count)
                }
            }
        }
        return found
    }

    private enum Outcome { case right, told, wrong }

    /// - Returns: how reading ends, and whether an inspection finds anything.
    private static func outcome(of change: String) throws -> (Outcome, isFound: Bool) {
        let original = try original.get()
        let folder = try TemporaryFolder()
        let path = folder("topics.db")
        try FileManager.default.copyItem(atPath: original.path, toPath: path)
        try Connection(path: path).execute(change)
        func judge(_ body: (EmbeddedTopicStore) throws -> Bool) -> Outcome {
            do {
                return try body(try EmbeddedTopicStore(path: path)) ? .right : .wrong
            } catch {
                return (error as? Problem)?.code == .badData ? .told : .wrong
            }
        }
        let isFound =
            judge { store in try StoreInspection(store).damages.isEmpty } != .right
        var outcome = judge { try records(in: $0) == original.records }
        // Neither retention nor an append nor the end of another topic takes anything away.
        let later = judge { store in
            _ = try? store.createTopic("other", partitions: 1)
            _ = try? store.deleteTopic("other")
            _ = try? store.applyRetention()
            let writer = try store.makeWriter()
            for partition in 0..<2 { _ = try? writer.append([batch("t", partition, [5_000])], mark: nil) }
            let after = try records(in: store)
            return original.records.allSatisfy { after[$0.key]?.starts(with: $0.value) ?? false }
        }
        if outcome == .right { outcome = later == .told ? .right : later }
        return (outcome, isFound)
    }

    private static let columns =
        BatchRow.columns.split(separator: ", ").map { "batches \($0)" }
        + ["slot", "topic_id", "partition", "start_offset", "end_offset", "newest_time"].map { "partitions \($0)" }

    @Test(arguments: columns) func aChangedNumberLosesNothingUnseen(_ place: String) throws {
        let (table, column) = (place.split(separator: " ")[0], place.split(separator: " ")[1])
        // The first and the last row of a partition, a row of each topic.
        let rows =
            table == "batches"
            ? ["base_offset = 0 AND slot = 1", "base_offset = 9 AND slot = 2", "base_offset = 4 AND slot = 3"]
            : ["slot = 1", "slot = 2", "slot = 4"]
        // The key of a row takes integers alone.
        let isKey = place == "partitions slot"
        var values = (0..<64).map { bit in
            "(\(column) | (1 << \(bit))) - (\(column) & (1 << \(bit)))"
        }
        values +=
            (isKey ? [] : ["'x'", "x'00'", "1.5"]) + ["0", "-1", "\(column) + 1", "\(column) - 1", "\(column) * 2"]
        if column == "newest_time" { values.append("NULL") }
        for row in rows {
            for value in values {
                let change = "UPDATE OR IGNORE \(table) SET \(column) = \(value) WHERE \(row)"
                let (outcome, isFound) = try Self.outcome(of: change)
                #expect(outcome != .wrong, "\(change)")
                #expect(isFound || outcome == .right, "\(change)")
            }
        }
    }

    @Test(arguments: [
        "DELETE FROM batches WHERE slot = 1 AND base_offset = 0",
        "DELETE FROM batches WHERE slot = 1 AND base_offset = 4",
        "DELETE FROM batches WHERE slot = 1 AND base_offset = 9", "DELETE FROM batches WHERE slot = 1",
        "DELETE FROM partitions WHERE slot = 1", "DELETE FROM partitions WHERE slot = 2",
        "DELETE FROM partitions WHERE slot = 4", "DELETE FROM payloads WHERE id = 2",
        "UPDATE payloads SET bytes = (SELECT bytes FROM payloads WHERE id = 1) WHERE id = 3",
        "UPDATE batches SET payload_id = 7 - payload_id WHERE payload_id IN (3, 4)",
        "INSERT INTO partitions (topic_id, partition) VALUES (1, 2)",
        "UPDATE partitions SET end_offset = 9 WHERE slot = 1", "UPDATE partitions SET start_offset = 4 WHERE slot = 3",
    ]) func aRowThatIsGoneOrAnotherIsTold(_ change: String) throws {
        let (outcome, isFound) = try Self.outcome(of: change)
        #expect(outcome == .told)
        #expect(isFound)
    }

    @Test func whatIsWholeIsFoundWhole() throws {
        let inspection = try StoreInspection(EmbeddedTopicStore(path: Self.original.get().path))
        #expect(inspection.damages.isEmpty)
        #expect(inspection.records == 60)
    }

    /// The checksums say nothing where a writer itself has noted times that its records have not.
    @Test func timesBeyondTheRowsBoundsAreFound() throws {
        let folder = try TemporaryFolder()
        let store = try EmbeddedTopicStore(path: folder("topics.db"))
        try store.createTopic("t", partitions: 1)
        var wrong = batch("t", 0, [100, 200])
        wrong.times = 100...150
        try store.makeWriter().append([wrong], mark: nil)
        #expect(try StoreInspection(store).damages.first?.message.contains("its 2 records at offset 0") == true)
    }

    /// A database of the version before, whose rows had no checksums of their own.
    @Test func anOlderDatabaseGetsThemWhenItIsOpened() throws {
        let folder = try TemporaryFolder()
        let path = folder("topics.db")
        let original = try Self.original.get()
        try FileManager.default.copyItem(atPath: original.path, toPath: path)
        try Connection(path: path).execute(
            """
            ALTER TABLE batches DROP COLUMN row_checksum;
            ALTER TABLE topics DROP COLUMN partition_count;
            PRAGMA user_version=1;
            """)
        let store = try EmbeddedTopicStore(path: path)
        #expect(try Self.records(in: store) == original.records)
        #expect(try StoreInspection(store).damages.isEmpty)
        try Connection(path: path).execute("UPDATE batches SET last_time = last_time + 1")
        #expect(try StoreInspection(store).damages.count == 2)
    }
}
