import Basics
public import Problems
public import Time

/// Records as the bytes of one stored batch (`BatchEncoding.records`), and back.
///
/// Layout; numbers are `Varint`s, text and bytes are a length and as many bytes:
///
///     version     1 byte, 1
///     count       number of records, always 4 bytes: varints of it may have needless zeros at their top
///     records     count times:
///       flags     1 byte: 1 key present, 2 value present, 4 headers present, all with values, 8 headers present, some without
///       time      signed: event time in ms UTC less that of the record before (the first: less 0)
///       key       if present
///       value     if present
///       headers   if present: their number (at least 1), and for each its name (UTF-8) and value; under flag 8 the value's length
///                 is one more than its bytes, and 0 where there is no value
///
/// Nothing follows the last record. There is no checksum here: the store keeps one of the whole payload. Bytes that break these
/// rules are refused; bytes that were changed and still follow them cannot be told.
public enum RecordBatch {
    fileprivate static let version: UInt8 = 1

    fileprivate struct Flags: OptionSet {
        var rawValue: UInt8
        static let key = Flags(rawValue: 1)
        static let value = Flags(rawValue: 2)
        static let headers = Flags(rawValue: 4)
        static let nullHeaders = Flags(rawValue: 8)
        static let all: Flags = [.key, .value, .headers, .nullHeaders]
    }

    /// One record of a batch, pointing into its bytes.
    public struct Slice {
        public var key: UnsafeRawBufferPointer?
        public var value: UnsafeRawBufferPointer?
        public var headers: [TopicRecord.Header] = []
        public var timestamp: EventTime

        fileprivate var record: TopicRecord {
            TopicRecord(
                key: key.map { Array($0) }, value: value.map { Array($0) }, headers: headers, timestamp: timestamp)
        }
    }

    public static func encode(_ records: some Collection<TopicRecord>) -> [UInt8] {
        var builder = RecordBatchBuilder(
            capacity: records.reduce(16) { $0 + 16 + ($1.key?.count ?? 0) + ($1.value?.count ?? 0) })
        for record in records {
            withBytes(record.key) { key in
                withBytes(record.value) { value in
                    builder.append(key: key, value: value, headers: record.headers, timestamp: record.timestamp)
                }
            }
        }
        return builder.finish()
    }

    static func withBytes(_ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) -> Void) {
        if let bytes { bytes.withUnsafeBytes(body) } else { body(nil) }
    }

    /// - Throws: `.badData` for bytes that are no batch of records; never traps, whatever the bytes.
    public static func decode(_ bytes: [UInt8]) throws(Problem) -> [TopicRecord] {
        try bytes.withUnsafeBufferPointer { (bytes) throws(Problem) in
            var records: [TopicRecord] = []
            try forEach(in: UnsafeRawBufferPointer(bytes)) { slice in records.append(slice.record) }
            return records
        }
    }

    /// Shows each record of a batch; nothing is copied. What `body` was shown counts only if this returns: the end may be damaged.
    ///
    /// - Throws: as `decode`.
    public static func forEach(in bytes: UnsafeRawBufferPointer, _ body: (Slice) -> Void) throws(Problem) {
        var input = Input(bytes: bytes)
        guard try input.byte() == version else { throw input.damaged("unknown version") }
        let count = try input.number()
        // A record takes two bytes at least.
        guard count <= input.left / 2 else { throw input.damaged("\(count) records cannot be in it") }
        var before: EventTime = 0
        for _ in 0..<count {
            let record = try input.record(after: before)
            before = record.timestamp
            body(record)
        }
        guard input.left == 0 else { throw input.damaged("bytes follow the last record") }
    }

    private struct Input {
        let bytes: UnsafeRawBufferPointer
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
            let number = try Varint.read { () throws(Problem) in try byte() }
            guard let number else { throw damaged("a number is too long") }
            return number
        }

        mutating func text() throws(Problem) -> UnsafeRawBufferPointer {
            let length = try number()
            guard length <= left else { throw damaged("it ends too early") }
            defer { position += Int(length) }
            return UnsafeRawBufferPointer(rebasing: bytes[position..<position + Int(length)])
        }

        /// Under flag 8.
        mutating func nullableText() throws(Problem) -> UnsafeRawBufferPointer? {
            let length = try number()
            guard length > 0 else { return nil }
            guard length - 1 <= left else { throw damaged("it ends too early") }
            defer { position += Int(length - 1) }
            return UnsafeRawBufferPointer(rebasing: bytes[position..<position + Int(length - 1)])
        }

        @inline(__always)
        mutating func record(after before: EventTime) throws(Problem) -> Slice {
            let flags = Flags(rawValue: try byte())
            guard flags.isSubset(of: .all) else { throw damaged("unknown flags \(flags.rawValue)") }
            var record = Slice(timestamp: before &+ Varint.signed(try number()))
            if flags.contains(.key) { record.key = try text() }
            if flags.contains(.value) { record.value = try text() }
            if !flags.isDisjoint(with: [.headers, .nullHeaders]) {
                let mayBeNull = flags.contains(.nullHeaders)
                guard !mayBeNull || !flags.contains(.headers) else { throw damaged("headers of two kinds") }
                let count = try number()
                guard count >= 1, count <= left / 2 else { throw damaged("\(count) headers cannot be in it") }
                for _ in 0..<count {
                    guard let name = String(validating: try text(), as: UTF8.self) else {
                        throw damaged("a header's name is not UTF-8")
                    }
                    let value = mayBeNull ? try nullableText() : try text()
                    record.headers.append(.init(name: name, value: value.map { Array($0) }))
                }
            }
            return record
        }
    }
}

/// Makes the bytes of a `RecordBatch` record by record, from memory that is only lent.
public struct RecordBatchBuilder: Sendable {
    private var bytes: [UInt8]
    private var before: EventTime = 0
    public private(set) var count = 0
    /// Least and greatest event time so far.
    private var least = EventTime.max
    private var greatest = EventTime.min

    private static let countBytes = 4
    private static let capacity = 1 << 28

    /// - Parameter capacity: bytes to hold before the first growth.
    public init(capacity: Int = 1 << 16) {
        bytes = [RecordBatch.version] + Array(repeating: 0, count: Self.countBytes)
        bytes.reserveCapacity(capacity)
    }

    public var byteCount: Int { bytes.count }
    /// Least and greatest event time; nil where there is no record.
    public var times: ClosedRange<EventTime>? { count > 0 ? least...greatest : nil }

    public mutating func append(
        key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, headers: [TopicRecord.Header] = [],
        timestamp: EventTime
    ) {
        precondition(count < Self.capacity - 1, "a batch holds less than 2^28 records")
        count += 1
        (least, greatest) = (min(least, timestamp), max(greatest, timestamp))
        var flags: RecordBatch.Flags = []
        if key != nil { flags.insert(.key) }
        if value != nil { flags.insert(.value) }
        // Who reads this with an earlier release can, unless a header has no value.
        let hasNull = headers.contains { $0.value == nil }
        if !headers.isEmpty { flags.insert(hasNull ? .nullHeaders : .headers) }
        bytes.append(flags.rawValue)
        Varint.append(signed: timestamp &- before, to: &bytes)
        before = timestamp
        if let key { append(key) }
        if let value { append(value) }
        if headers.isEmpty { return }
        Varint.append(UInt64(headers.count), to: &bytes)
        for header in headers {
            Array(header.name.utf8).withUnsafeBytes { append($0) }
            guard let value = header.value else {
                Varint.append(0, to: &bytes)
                continue
            }
            Varint.append(UInt64(value.count + (hasNull ? 1 : 0)), to: &bytes)
            bytes += value
        }
    }

    private mutating func append(_ text: UnsafeRawBufferPointer) {
        Varint.append(UInt64(text.count), to: &bytes)
        bytes.append(contentsOf: text)
    }

    /// The batch; the builder begins a new one.
    public mutating func finish() -> [UInt8] {
        for place in 0..<Self.countBytes {
            let isLast = place == Self.countBytes - 1
            bytes[1 + place] = UInt8(count >> (7 * place) & 0x7f) | (isLast ? 0 : 0x80)
        }
        let finished = bytes
        self = RecordBatchBuilder(capacity: min(finished.count, 1 << 20))
        return finished
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
