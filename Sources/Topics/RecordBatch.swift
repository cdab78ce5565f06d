public import Problems
import Trips

/// Records as the bytes of one stored batch (`BatchEncoding.records`), and back.
///
/// Layout; numbers are varints (seven bits a byte, the lowest first, the top bit set on all but the last byte), signed ones
/// zigzag (0, -1, 1, -2, … as 0, 1, 2, 3, …), text and bytes are a length and as many bytes:
///
///     version     1 byte, 1
///     count       number of records
///     records     count times:
///       flags     1 byte: 1 key present, 2 value present, 4 headers present
///       time      signed: event time in ms UTC less that of the record before (the first: less 0)
///       key       if present
///       value     if present
///       headers   if present: their number (at least 1), and for each its name (UTF-8) and value
///
/// Nothing follows the last record. There is no checksum here: the store keeps one of the whole payload. Bytes that break these
/// rules are refused; bytes that were changed and still follow them cannot be told.
public enum RecordBatch {
    private static let version: UInt8 = 1

    private struct Flags: OptionSet {
        var rawValue: UInt8
        static let key = Flags(rawValue: 1)
        static let value = Flags(rawValue: 2)
        static let headers = Flags(rawValue: 4)
        static let all: Flags = [.key, .value, .headers]
    }

    public static func encode(_ records: some Collection<TopicRecord>) -> [UInt8] {
        var bytes = [version]
        bytes.reserveCapacity(records.reduce(16) { $0 + 16 + ($1.key?.count ?? 0) + ($1.value?.count ?? 0) })
        append(UInt64(records.count), to: &bytes)
        var before: EventTime = 0
        for record in records {
            var flags: Flags = []
            if record.key != nil { flags.insert(.key) }
            if record.value != nil { flags.insert(.value) }
            if !record.headers.isEmpty { flags.insert(.headers) }
            bytes.append(flags.rawValue)
            let delta = record.timestamp &- before
            append(UInt64(bitPattern: delta << 1 ^ delta >> 63), to: &bytes)
            before = record.timestamp
            if let key = record.key { append(key, to: &bytes) }
            if let value = record.value { append(value, to: &bytes) }
            if record.headers.isEmpty { continue }
            append(UInt64(record.headers.count), to: &bytes)
            for header in record.headers {
                append(Array(header.name.utf8), to: &bytes)
                append(header.value, to: &bytes)
            }
        }
        return bytes
    }

    /// - Throws: `.badData` for bytes that are no batch of records; never traps, whatever the bytes.
    public static func decode(_ bytes: [UInt8]) throws(Problem) -> [TopicRecord] {
        try bytes.withUnsafeBufferPointer { (bytes) throws(Problem) in
            var input = Input(bytes: bytes)
            guard try input.byte() == version else { throw input.damaged("unknown version") }
            let count = try input.number()
            // A record takes two bytes at least, so a wrong count cannot make us reserve the machine's memory.
            guard count <= input.left / 2 else { throw input.damaged("\(count) records cannot be in it") }
            var records: [TopicRecord] = []
            records.reserveCapacity(Int(count))
            var before: EventTime = 0
            for _ in 0..<count {
                let record = try input.record(after: before)
                before = record.timestamp
                records.append(record)
            }
            guard input.left == 0 else { throw input.damaged("bytes follow the last record") }
            return records
        }
    }

    private static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private static func append(_ text: [UInt8], to bytes: inout [UInt8]) {
        append(UInt64(text.count), to: &bytes)
        bytes.append(contentsOf: text)
    }

    private struct Input {
        let bytes: UnsafeBufferPointer<UInt8>
        var position = 0
        var left: Int { bytes.count - position }

        func damaged(_ reason: String) -> Problem {
            Problem(.badData, "a batch of records is damaged at byte \(position) of \(bytes.count): \(reason)")
        }

        mutating func byte() throws(Problem) -> UInt8 {
            guard left > 0 else { throw damaged("it ends too early") }
            defer { position += 1 }
            return bytes[position]
        }

        mutating func number() throws(Problem) -> UInt64 {
            var (value, shift): (UInt64, UInt64) = (0, 0)
            while true {
                let next = try byte()
                // The tenth byte has room for one bit.
                guard shift < 63 || next <= 1 else { throw damaged("a number is too long") }
                value |= UInt64(next & 0x7f) << shift
                if next < 0x80 { return value }
                shift += 7
            }
        }

        mutating func text() throws(Problem) -> [UInt8] {
            let length = try number()
            guard length <= left else { throw damaged("it ends too early") }
            defer { position += Int(length) }
            return Array(bytes[position..<position + Int(length)])
        }

        mutating func record(after before: EventTime) throws(Problem) -> TopicRecord {
            let flags = Flags(rawValue: try byte())
            guard flags.isSubset(of: .all) else { throw damaged("unknown flags \(flags.rawValue)") }
            let delta = try number()
            let time = before &+ (Int64(bitPattern: delta >> 1) ^ -Int64(bitPattern: delta & 1))
            var record = TopicRecord(key: nil, value: nil, timestamp: time)
            if flags.contains(.key) { record.key = try text() }
            if flags.contains(.value) { record.value = try text() }
            if flags.contains(.headers) {
                let count = try number()
                guard count >= 1, count <= left / 2 else { throw damaged("\(count) headers cannot be in it") }
                for _ in 0..<count {
                    guard let name = String(validating: try text(), as: UTF8.self) else {
                        throw damaged("a header's name is not UTF-8")
                    }
                    record.headers.append(.init(name: name, value: try text()))
                }
            }
            return record
        }
    }
}

extension PendingBatch {
    /// Records on their way into one partition; nil where there are none.
    public init?(topic: String, partition: Int, records: some Collection<TopicRecord>) {
        guard var (least, greatest) = records.first.map({ ($0.timestamp, $0.timestamp) }) else { return nil }
        for record in records {
            least = min(least, record.timestamp)
            greatest = max(greatest, record.timestamp)
        }
        self.init(
            topic: topic, partition: partition, count: records.count, times: least...greatest, encoding: .records,
            payload: RecordBatch.encode(records))
    }
}
