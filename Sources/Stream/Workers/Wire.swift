import Compression
package import Problems

/// What a coordinator and its workers write to each other: frames, each whole or refused.
///
///     magic     4 bytes, "TXWK"
///     version   2 bytes
///     kind      2 bytes: 1 plan, 2 range, 3 partial
///     length    8 bytes: of the payload
///     crc       4 bytes: CRC-32 (as zlib) of the payload
///     payload
///
/// All numbers are little-endian. In payloads a number is 8 bytes, a text or a list of bytes its length and as many bytes, an array its
/// number of elements and 8 bytes for each, a thing that may be missing 0 or 1 before it.
package enum WireFrame {
    package static let version: UInt16 = 3
    package static let headerLength = 20
    /// More is nobody's: a partial has the windows of one range.
    static let maximumLength = 1 << 30
    private static let magic: [UInt8] = Array("TXWK".utf8)

    package enum Kind: UInt16, Sendable { case plan = 1, range, partial }

    static func bytes(_ kind: Kind, _ payload: [UInt8]) -> [UInt8] {
        var writer = WireWriter()
        writer.bytes = magic
        writer.bytes.reserveCapacity(headerLength + payload.count)
        withUnsafeBytes(of: version.littleEndian) { writer.bytes += $0 }
        withUnsafeBytes(of: kind.rawValue.littleEndian) { writer.bytes += $0 }
        writer.add(payload.count)
        withUnsafeBytes(of: payload.withUnsafeBytes { BlockCodec.crc32($0) }.littleEndian) { writer.bytes += $0 }
        writer.bytes += payload
        return writer.bytes
    }

    /// The kind and the payload's length of a frame that begins with these `headerLength` bytes.
    ///
    /// - Throws: `.badData` for what begins no frame of this version.
    static func header(_ bytes: ArraySlice<UInt8>) throws(Problem) -> (kind: Kind, length: Int, crc: UInt32) {
        guard bytes.count == headerLength, bytes.prefix(4).elementsEqual(magic) else {
            throw Problem(
                .badData, "what should be a frame of a worker begins otherwise",
                hint: "See that nothing else writes to the worker's stdout or stdin.")
        }
        func number(_ from: Int, _ count: Int) -> UInt64 {
            bytes.dropFirst(from).prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        guard number(4, 2) == UInt64(version) else {
            throw Problem(
                .badData, "a frame has version \(number(4, 2)), and this taxi-cli writes \(version)",
                hint: "Run the same taxi-cli as coordinator and as worker.")
        }
        guard let kind = Kind(rawValue: UInt16(number(6, 2))), number(8, 8) <= UInt64(maximumLength) else {
            throw Problem(.badData, "a worker's frame has a kind or a length that none has")
        }
        return (kind, Int(number(8, 8)), UInt32(number(16, 4)))
    }

    /// The next frame of a stream; nil where that ends.
    ///
    /// - Parameter read: gives so many bytes, or fewer at the end.
    package static func next(_ read: (Int) throws -> [UInt8]) throws -> (kind: Kind, payload: [UInt8])? {
        let start = try read(headerLength)
        if start.isEmpty { return nil }
        let header = try header(start[...])
        let payload = try read(header.length)
        guard payload.count == header.length else { throw Problem(.badData, "a worker's frame ends too early") }
        try check(payload, header.crc)
        return (header.kind, payload)
    }

    private static func check(_ payload: [UInt8], _ crc: UInt32) throws(Problem) {
        guard payload.withUnsafeBytes({ BlockCodec.crc32($0) }) == crc else {
            throw Problem(.badData, "a worker's frame is damaged: its checksum differs")
        }
    }

    /// The frames that bytes consist of, one behind the other.
    ///
    /// - Throws: `.badData` for bytes that are anything else.
    package static func all(in bytes: [UInt8]) throws(Problem) -> [(kind: Kind, payload: [UInt8])] {
        var frames: [(kind: Kind, payload: [UInt8])] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let header = try header(rest.prefix(headerLength))
            rest = rest.dropFirst(headerLength)
            guard rest.count >= header.length else { throw Problem(.badData, "a worker's frame ends too early") }
            let payload = Array(rest.prefix(header.length))
            rest = rest.dropFirst(header.length)
            try check(payload, header.crc)
            frames.append((header.kind, payload))
        }
        return frames
    }
}

/// Appends to a payload.
struct WireWriter {
    var bytes: [UInt8] = []

    mutating func add(_ value: Int64) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
    mutating func add(_ value: Int) { add(Int64(value)) }
    mutating func add(_ value: Bool) { bytes.append(value ? 1 : 0) }
    mutating func add(_ text: [UInt8]) {
        add(text.count)
        bytes += text
    }
    mutating func add(_ text: String) { add(Array(text.utf8)) }
    mutating func add(_ value: Int64?) { add(value) { $0.add($1) } }
    mutating func add(_ text: [UInt8]?) { add(text) { $0.add($1) } }
    mutating func add(_ range: Range<Int64>) {
        add(range.lowerBound)
        add(range.upperBound)
    }

    mutating func add<Value>(_ value: Value?, _ body: (inout WireWriter, Value) -> Void) {
        add(value != nil)
        if let value { body(&self, value) }
    }

    mutating func add<List: Collection>(_ list: List, _ body: (inout WireWriter, List.Element) -> Void) {
        add(list.count)
        for element in list { body(&self, element) }
    }

    /// An array of words as it lies in memory.
    mutating func add(words: UnsafeBufferPointer<Int64>) {
        add(words.count)
        #if _endian(little)
            bytes += UnsafeRawBufferPointer(words)
        #else
            for word in words { add(word) }
        #endif
    }
}

/// Takes a payload apart; checks each length before anything is made of it.
struct WireReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var left: Int { bytes.count - position }

    func damage(_ reason: String) -> Problem {
        Problem(.badData, "what a worker and its coordinator say is damaged at byte \(position): \(reason)")
    }

    private mutating func take(_ count: Int) throws(Problem) -> Range<Int> {
        guard count >= 0, count <= left else { throw damage("it ends too early") }
        defer { position += count }
        return position..<position + count
    }

    mutating func number() throws(Problem) -> Int64 {
        let range = try take(8)
        return bytes.withUnsafeBytes {
            Int64(littleEndian: $0.loadUnaligned(fromByteOffset: range.lowerBound, as: Int64.self))
        }
    }

    mutating func number(in range: ClosedRange<Int64>) throws(Problem) -> Int64 {
        let value = try number()
        guard range.contains(value) else { throw damage("\(value) is not in \(range.lowerBound)…\(range.upperBound)") }
        return value
    }

    mutating func flag() throws(Problem) -> Bool {
        let byte = bytes[try take(1).lowerBound]
        guard byte <= 1 else { throw damage("neither 0 nor 1") }
        return byte == 1
    }

    mutating func text() throws(Problem) -> [UInt8] { Array(bytes[try take(Int(try number(in: 0...Int64(left))))]) }

    mutating func string() throws(Problem) -> String {
        guard let text = String(validating: try text(), as: UTF8.self) else { throw damage("not UTF-8") }
        return text
    }

    mutating func range(of counts: ClosedRange<Int64> = .min ... .max) throws(Problem) -> Range<Int64> {
        let lower = try number(in: counts)
        let upper = try number(in: counts)
        guard lower <= upper else { throw damage("a range ends before it begins") }
        return lower..<upper
    }

    mutating func optional<Value>(
        _ body: (inout WireReader) throws(Problem) -> Value
    ) throws(Problem) -> Value? { try flag() ? try body(&self) : nil }

    /// - Parameter least: so many bytes an element takes at least.
    mutating func count(least: Int) throws(Problem) -> Int {
        let count = try number()
        guard count >= 0, count <= Int64(left / least) else { throw damage("\(count) elements cannot be in it") }
        return Int(count)
    }

    mutating func list<Value>(
        least: Int, _ body: (inout WireReader) throws(Problem) -> Value
    ) throws(Problem) -> [Value] {
        var list: [Value] = []
        for _ in 0..<(try count(least: least)) { list.append(try body(&self)) }
        return list
    }

    /// An array of words, of which there must be as many as expected.
    mutating func words(_ expected: Int) throws(Problem) -> [Int64] {
        guard try count(least: 8) == expected else { throw damage("an array has not \(expected) elements") }
        let range = try take(expected * 8)
        return [Int64](unsafeUninitializedCapacity: expected) { words, count in
            bytes.withUnsafeBytes { bytes in
                for index in 0..<expected {
                    words.initializeElement(
                        at: index,
                        to: Int64(
                            littleEndian: bytes.loadUnaligned(
                                fromByteOffset: range.lowerBound + index * 8, as: Int64.self)))
                }
            }
            count = expected
        }
    }

    func requireEnd() throws(Problem) { if left > 0 { throw damage("bytes follow the end") } }
}
