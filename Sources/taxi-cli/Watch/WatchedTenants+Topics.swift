import CommandLine
import Dashboard
import Foundation
import Problems
import Replay
import Topics
import Time

// Records of topics, and those that could not be used.
extension WatchedTenantPages {
    func records(topic: String, partition: Int, from place: TopicPlace?, limit: Int) throws -> PageTable {
        guard let store = try globals.openTopicsIfAny() else {
            throw Problem(.noInput, "there are no topics yet", hint: "taxi-cli produce makes them.")
        }
        // Only the tenant's own: a name in a path must not lead to another's.
        guard try store.topics().contains(where: { $0.name == topic }) else {
            throw Problem(.noInput, "there is no topic \"\(topic)\"")
        }
        let zone = try ZoneClock(identifier: globals.zoneIdentifier)
        let reader = try store.makeReader(topic: topic, untilEnd: true)
        guard (0..<reader.partitionCount).contains(partition) else {
            throw Problem(.noInput, "topic \"\(topic)\" has no partition \(partition)")
        }
        let kept = try reader.offsets()[partition]
        let asked =
            switch place {
            case nil: kept.upperBound - Int64(limit)
            case .offset(let offset)?: offset
            case .time(let time)?: try reader.offsets(from: time)[partition]
            }
        let first = min(max(asked, kept.lowerBound), kept.upperBound)
        var table = PageTable(columns: ["offset", "time", "key", "value", "headers"])
        let records = BatchRecords(schemas: reader.schemas)
        var next = first
        while next < kept.upperBound, table.rows.count < limit {
            guard let batch = try reader.read(partition: partition, from: next) else {
                let later = reader.next(partition: partition, after: next)
                if later <= next { break }
                next = later
                continue
            }
            try records.load(batch, from: next)
            for index in 0..<min(records.count, limit - table.rows.count) {
                let record = records.record(index)
                table.rows.append([
                    "\(records.firstOffset + Int64(index))", zone.iso(ms: record.timestamp), record.key.map(Self.text),
                    record.value.map(Self.text),
                    record.headers.isEmpty
                        ? nil
                        : record.headers.map { "\($0.name): \($0.value.map(Self.text) ?? "null")" }.joined(
                            separator: "\n"),
                ])
            }
            next = batch.baseOffset + Int64(batch.count)
        }
        return table
    }

    /// At most some thousand characters: a record may have a megabyte.
    private static func text(_ bytes: [UInt8]) -> String {
        let text = visible(String(decoding: bytes.prefix(4096), as: UTF8.self))
        return bytes.count > 4096 ? "\(text)… (\(bytes.count) bytes)" : text
    }

    func deadLetters(limit: Int) throws -> PageTable {
        var table = PageTable(columns: ["partition", "offset", "reason", "source", "column", "detail", "record"])
        let topic = "\(globals.tenant)_deadLetter"
        guard let store = try globals.openTopicsIfAny(), try store.hasTopic(topic) else { return table }
        let log = try DeadLetterLog(store.makeReader(topic: topic, untilEnd: true), limit: limit)
        for entry in log.entries.reversed() {
            table.rows.append([
                "\(entry.partition)", "\(entry.offset)", entry.reason, entry.source, entry.column.map { "\($0)" },
                entry.detail,
                Self.text(entry.bytes),
            ])
        }
        return table
    }

    func deadLetterReplay() throws -> PageTable {
        var options = try DeadLetterReplayCommand.options(globals)
        options.isDryRun = true
        let summary = try globals.openTopicsIfAny().map { store in
            try DeadLetterReplay(options: options, store: store).run { false }
        }
        let table = DeadLetterReplayCommand.histogram(summary ?? DeadLetterReplaySummary())
        return PageTable(
            columns: table.columns.map(\.name), rows: table.rows.map { row in row.map { $0.shown() } })
    }
}
