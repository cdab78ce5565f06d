public import Time
import Problems
import Trips

/// Where a dead letter lies in its topic.
public struct LetterPlace: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var partition: Int
    public var offset: Int64

    public init(partition: Int, offset: Int64) { (self.partition, self.offset) = (partition, offset) }

    /// - Parameter text: `partition/offset`; nil for another.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let partition = Int(parts[0]), (0..<10_000).contains(partition),
            let offset = Int64(parts[1]), offset >= 0
        else { return nil }
        self.init(partition: partition, offset: offset)
    }

    public var description: String { "\(partition)/\(offset)" }
    public func text(in topic: String) -> String { "\(topic)/\(partition)/\(offset)" }

    public static func < (a: Self, b: Self) -> Bool { (a.partition, a.offset) < (b.partition, b.offset) }
}

/// Where a dead letter came from, as its headers say.
public struct LetterOrigin: Sendable, Equatable {
    /// The topic that it was in, or that it was to go to.
    public var topic: String
    /// Where it lay in the topic; nil for a row of a file, and where nobody says.
    public var partition: Int?
    public var offset: Int64?
    /// Of a row of a file.
    public var file: String?
    public var line: Int64?

    public init(topic: String, partition: Int? = nil, offset: Int64? = nil, file: String? = nil, line: Int64? = nil) {
        (self.topic, self.partition, self.offset) = (topic, partition, offset)
        (self.file, self.line) = (file, line)
    }

    /// `topic/partition/offset`; nil where it lay in none.
    public var place: String? {
        guard let partition, let offset else { return nil }
        return LetterPlace(partition: partition, offset: offset).text(in: topic)
    }
}

/// A record of a dead-letter topic, with what its headers say: ours, Kafka Connect's, or those of other programs.
public struct StoredLetter: Sendable {
    public var place: LetterPlace
    public var record: TopicRecord
    /// Where in the headers those begin that say why it was set aside; nil where they are not ours.
    private let blockStart: Int?

    public init(place: LetterPlace, record: TopicRecord) {
        (self.place, self.record) = (place, record)
        let (headers, names) = (record.headers, DeadLetter.blockNames)
        // Its own headers may look like ours: the last ones count.
        blockStart = stride(from: headers.count - names.count, through: 0, by: -1).first { start in
            zip(headers[start...], names).allSatisfy { $0.name == $1 }
        }
    }

    /// The text of the last header with this name.
    func header(_ name: String) -> String? {
        record.headers.last { $0.name == name }.map(\.text)
    }

    /// A `RejectReason`'s name, or `quarantined`; `unknown` for a record of somebody else's that has no such header.
    public var reason: String { header(DeadLetter.reasonHeader) ?? "unknown" }
    /// Of a quarantined one the reason for which it was rejected first.
    public var firstReason: String { header(DeadLetter.firstReasonHeader) ?? reason }
    public var isQuarantined: Bool { blockStart != nil && reason == DeadLetter.quarantined }
    /// What is wrong with the record: in our words, or in those of whoever set it aside.
    public var detail: String? {
        let names = [
            DeadLetter.detailHeader, DeadLetter.messageHeader, "kafka_dlt-exception-message", "x-exception-message",
        ]
        return names.lazy.compactMap(header).first
    }
    /// `file:line`, or `topic/partition/offset`.
    public var source: String? { header(DeadLetter.sourceHeader) ?? (blockStart == nil ? origin?.place : nil) }
    /// The header line that a row of a file stood under.
    public var columns: String? { blockStart == nil ? nil : header(DeadLetter.columnsHeader) }
    /// How its file was read.
    public var reading: String? { blockStart == nil ? nil : header(DeadLetter.readingHeader) }

    /// What of a record that was cut is kept, in words.
    public var cutDetail: String? { header(DeadLetter.cutHeader) }

    /// Whether only a part of it is kept, so that it can never be used.
    public var isCut: Bool {
        // Of a row that is too long `CSVFramer` keeps the start.
        header(DeadLetter.cutHeader) != nil
            || origin?.file != nil && firstReason == RejectReason.oversized.rawValue
                && record.value?.count == Reject.keptOfOversized
    }

    /// How often it had been sent again when it was rejected.
    public var replayCount: Int64 {
        record.headers.last { $0.name == DeadLetter.replayCountHeader }.flatMap { Int64($0.text) }.map {
            min(max(0, $0), 1 << 40)
        } ?? 0
    }

    /// The record's headers before it was set aside, without those of replays.
    public var ownHeaders: [TopicRecord.Header] {
        let own = blockStart.map { record.headers[..<$0] } ?? record.headers[...]
        return own.filter { header in
            if [DeadLetter.replayCountHeader, DeadLetter.replayOfHeader].contains(header.name) { return false }
            return blockStart != nil || !Self.foreignPrefixes.contains(where: header.name.hasPrefix)
        }
    }

    /// The record's time before it was set aside: a topic that does not take it has it in a header.
    public var ownTimestamp: EventTime {
        guard let blockStart,
            let header = record.headers[blockStart...].last(where: { $0.name == "event_timestamp" })
        else { return record.timestamp }
        return RFC3339.parse(header.text) ?? record.timestamp
    }

    /// The same for the same record of the same origin, wherever and whenever it was read.
    public var seal: Int64 {
        let own = KafkaSeal.seal(of: record, offset: place.offset)
        return (Array("\(own) ".utf8) + Array((header(DeadLetter.sourceHeader) ?? "").utf8)).withUnsafeBytes {
            checksum(of: $0)
        }
    }
}

// MARK: - Origin

extension StoredLetter {
    /// Headers that other programs put behind a record that they set aside.
    private static let foreignPrefixes = [
        DeadLetter.connectPrefix, "x-original-", "x-exception-", "kafka_dlt-",
    ]

    /// Where it came from; nil where no header says so.
    public var origin: LetterOrigin? {
        if let topic = header("\(DeadLetter.connectPrefix)topic"), !topic.isEmpty {
            let partition = number("\(DeadLetter.connectPrefix)partition")
            let offset = number("\(DeadLetter.connectPrefix)offset")
            if blockStart != nil, partition == -1 {
                let file = source.map { text in text.lastIndex(of: ":").map { String(text[..<$0]) } ?? text }
                return LetterOrigin(topic: topic, file: file ?? "", line: offset)
            }
            return Self.origin(topic, partition, offset)
        }
        for prefix in ["x-original-", "kafka_dlt-original-"] {
            guard let topic = header("\(prefix)topic"), !topic.isEmpty else { continue }
            return Self.origin(topic, number("\(prefix)partition"), number("\(prefix)offset"))
        }
        return nil
    }

    private static func origin(_ topic: String, _ partition: Int64?, _ offset: Int64?) -> LetterOrigin {
        LetterOrigin(
            topic: topic, partition: partition.flatMap { (0..<10_000).contains($0) ? Int($0) : nil },
            offset: offset.flatMap { $0 >= 0 ? $0 : nil })
    }

    /// A number as text, or, as Spring writes it, as 4 or 8 bytes, the highest first.
    private func number(_ name: String) -> Int64? {
        guard let value = record.headers.last(where: { $0.name == name })?.value else { return nil }
        if let number = Int64(String(decoding: value, as: UTF8.self)) { return number }
        guard value.count == 4 || value.count == 8 else { return nil }
        let bits = value.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return value.count == 4 ? Int64(Int32(truncatingIfNeeded: bits)) : Int64(bitPattern: bits)
    }
}

// MARK: - The place of the fault

extension StoredLetter {
    /// Where in the record's bytes the fault is that its detail tells of; nil where it names no place, or the bytes have none such.
    public var fault: Range<Int>? {
        guard let detail, let bytes = record.value else { return nil }
        // What is no UTF-8 is told of in a text, which cannot hold it.
        return Self.fault(detail, column: column, in: bytes) ?? VisibleText.firstFault(in: bytes)
    }

    /// Of a row of a file, the column in its line at which the fault begins, from 1, in bytes; nil where nobody says.
    public var column: Int? {
        guard let source, let message = header(DeadLetter.messageHeader), message.hasPrefix("\(source):") else {
            return nil
        }
        return Int(message.dropFirst(source.count + 1).prefix { $0.isASCII && $0.isNumber })
    }

    /// The same for a detail and the record as it is shown.
    ///
    /// Details name their place as `… at byte 17`, by a quotation (`fare "12.x" is not …`), or by a JSON value as it is
    /// (`trip_seconds 12.5 is not …`). Where one names none, the character at the column is meant; 1 is said where nobody knows.
    public static func fault(_ detail: String, column: Int?, in bytes: [UInt8]) -> Range<Int>? {
        if let place = detail.ranges(of: " at byte ").last, let byte = Int(detail[place.upperBound...]),
            byte >= 1, byte <= bytes.count
        {
            return byte - 1..<byte
        }
        let words = detail.split(separator: " ", maxSplits: 1)
        guard words.count == 2 else { return nil }
        let (name, rest) = (String(words[0]), words[1])
        if rest.first == "\"",
            let end = rest.dropFirst().firstRange(of: "\" is ") ?? rest.dropFirst().firstRange(of: "\" holds ")
        {
            let quoted = Array(rest[rest.index(after: rest.startIndex)..<end.lowerBound].utf8)
            return find(quoted, named: name, column, in: bytes)
        }
        // The number of an Avro record's schema.
        if name == "schema", bytes.first == 0, bytes.count >= 5 { return 1..<5 }
        let value = rest.firstRange(of: " is ").map { Array(rest[..<$0.lowerBound].utf8) }
        guard let column, column > 1, column <= bytes.count else {
            return value.flatMap { find($0, named: name, column, in: bytes) }
        }
        if let value, !value.isEmpty, bytes[(column - 1)...].starts(with: value) {
            return column - 1..<column - 1 + value.count
        }
        return column - 1..<column + bytes[column...].prefix { $0 & 0xC0 == 0x80 }.count
    }

    /// At the column that is told, or behind the field's name, since the same text may stand in several fields; elsewhere only where it stands
    /// once.
    private static func find(_ text: [UInt8], named name: String, _ column: Int?, in bytes: [UInt8]) -> Range<Int>? {
        if text.isEmpty { return nil }
        if let column, column >= 1, column <= bytes.count, bytes[(column - 1)...].starts(with: text) {
            return column - 1..<column - 1 + text.count
        }
        if let key = bytes.firstRange(of: Array("\"\(name)\"".utf8)) {
            var start = key.upperBound
            // Blanks, the colon, and the quote of a text.
            while start < bytes.count, [0x20, 0x09, 0x0a, 0x0d, 0x3a].contains(bytes[start]) { start += 1 }
            if start < bytes.count, bytes[start] == 0x22, text.first != 0x22 { start += 1 }
            if start < bytes.count, bytes[start...].starts(with: text) { return start..<start + text.count }
        }
        guard let found = bytes.firstRange(of: text), bytes[(found.lowerBound + 1)...].firstRange(of: text) == nil
        else { return nil }
        return found
    }
}
