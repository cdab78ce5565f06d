import Avro
import CommandLine
import Dashboard
import Foundation
import Problems
import Replay
import Topics
import Time

// Records of topics, and those that could not be used.
extension WatchedTenantPages {
    func records(_ asked: RecordsAsked) throws -> FoundRecords {
        guard let store = try globals.openTopicsIfAny() else {
            throw Problem(.noInput, "there are no topics yet", hint: "taxi-cli produce makes them.")
        }
        // Only the tenant's own: a name in a path must not lead to another's.
        guard try store.topics().contains(where: { $0.name == asked.topic }) else {
            throw Problem(.noInput, "there is no topic \"\(asked.topic)\"")
        }
        let reader = try store.makeReader(topic: asked.topic, untilEnd: true)
        let key = asked.key.map { Array($0.utf8) }
        let partition =
            asked.partition ?? key.map { Partitioner(partitionCount: reader.partitionCount).partition(forKey: $0) } ?? 0
        guard (0..<reader.partitionCount).contains(partition) else {
            throw Problem(.noInput, "topic \"\(asked.topic)\" has no partition \(partition)")
        }
        let kept = try reader.offsets()[partition]
        // The batch in which a time lies begins with earlier records.
        var from: EventTime?
        var next: Int64
        switch asked.place {
        case nil: next = key == nil ? kept.upperBound - Int64(asked.limit) : kept.lowerBound
        case .offset(let offset)?: next = offset
        case .time(let time)?: (next, from) = (try reader.offsets(from: time)[partition], time)
        }
        next = min(max(next, kept.lowerBound), kept.upperBound)
        var found = FoundRecords(partition: partition)
        var lookedAt = 0
        let zone = try ZoneClock(identifier: globals.zoneIdentifier)
        let records = BatchRecords(schemas: reader.schemas)
        while next < kept.upperBound, key == nil || lookedAt < RecordsAsked.lookedAt {
            guard let batch = try reader.read(partition: partition, from: next) else {
                let later = reader.next(partition: partition, after: next)
                if later <= next { break }
                next = later
                continue
            }
            try records.load(batch, from: next)
            for index in 0..<records.count {
                let offset = records.firstOffset + Int64(index)
                if let time = from, records.timestamps[index] < time { continue }
                from = nil
                if let key, records.key(index) != key { continue }
                guard found.records.count < asked.limit else {
                    found.next = offset
                    return found
                }
                found.records.append(
                    shown(records.record(index), at: LetterPlace(partition: partition, offset: offset), asked, zone))
            }
            lookedAt += records.count
            next = batch.baseOffset + Int64(batch.count)
        }
        found.next = next < kept.upperBound ? next : nil
        return found
    }

    private func shown(_ record: TopicRecord, at place: LetterPlace, _ asked: RecordsAsked, _ zone: ZoneClock)
        -> FoundRecord
    {
        let isLetter = asked.topic == deadLetterTopic
        let fault = isLetter ? StoredLetter(place: place, record: record).fault : nil
        var members: [(name: String, value: String)] = []
        // Of one record alone, since nobody looks at those of fifty.
        if asked.limit == 1, let value = record.value, case .object(let all)? = try? JSONValue(value, file: asked.topic)
        {
            members = all.map { (visible($0.name), Self.text(of: $0.value)) }
        }
        return FoundRecord(
            offset: place.offset, time: zone.iso(ms: record.timestamp),
            key: record.key.map { MarkedText($0, fault: nil, limit: asked.bytes).before },
            value: record.value.map { MarkedText($0, fault: fault, limit: asked.bytes) },
            headers: record.headers.map {
                (visible($0.name), $0.value.map { MarkedText($0, fault: nil, limit: asked.bytes).before } ?? "null")
            }, members: members)
    }

    private static func text(of value: JSONValue) -> String {
        switch value {
        case .string(let text): visible(text)
        case .null: "null"
        case .bool(let value): "\(value)"
        case .number(let text): text
        case .array(let items): "[\(items.map(text).joined(separator: ", "))]"
        case .object(let members):
            "{\(members.map { "\(visible($0.name)): \(text(of: $0.value))" }.joined(separator: ", "))}"
        }
    }

    // MARK: Dead letters

    private var deadLetterTopic: String { "\(globals.tenant)_deadLetter" }

    func deadLetters(reason: String?, limit: Int) throws -> FoundLetters {
        guard let store = try globals.openTopicsIfAny(), try store.hasTopic(deadLetterTopic) else {
            return FoundLetters()
        }
        let log = try DeadLetterLog(
            store.makeReader(topic: deadLetterTopic, untilEnd: true),
            filter: DeadLetterFilter(reason: reason, conditions: []), limit: limit)
        return FoundLetters(
            reasons: log.reasons,
            letters: log.entries.reversed().map { entry in
                FoundLetter(
                    partition: entry.partition, offset: entry.offset, reason: entry.reason, source: entry.source,
                    column: entry.column, detail: entry.detail,
                    record: MarkedText(entry.bytes, fault: entry.fault, limit: 4096))
            })
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

extension MarkedText {
    /// - Parameter limit: of bytes that are shown of each of its parts.
    fileprivate init(_ bytes: [UInt8], fault: Range<Int>?, limit: Int) {
        let place = fault ?? bytes.count..<bytes.count
        func shown(_ part: ArraySlice<UInt8>) -> String {
            part.count > limit ? "\(visible(bytes: part.prefix(limit)))… (\(part.count) bytes)" : visible(bytes: part)
        }
        self.init(
            shown(bytes[..<place.lowerBound]), marked: shown(bytes[place]), after: shown(bytes[place.upperBound...]))
    }
}
