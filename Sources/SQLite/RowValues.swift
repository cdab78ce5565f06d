internal import Basics
internal import CSQLite

/// The values of a row as bytes, by which it can be put back:
///
///     for each value: 0 NULL · 1 integer, a signed `Varint` · 2 real, 8 bytes little-endian · 3 text · 4 blob, their length as a `Varint`
///     before them
public enum RowValues {
    public static func append(_ text: String, to bytes: inout [UInt8]) {
        Varint.append(UInt64(text.utf8.count), to: &bytes)
        bytes.append(contentsOf: text.utf8)
    }

    /// - Parameter value: of SQLite.
    static func append(value: OpaquePointer?, to bytes: inout [UInt8]) {
        let type = sqlite3_value_type(value)
        switch type {
        case SQLITE_INTEGER:
            bytes.append(1)
            Varint.append(signed: sqlite3_value_int64(value), to: &bytes)
        case SQLITE_FLOAT:
            bytes.append(2)
            withUnsafeBytes(of: sqlite3_value_double(value).bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
        case SQLITE_TEXT, SQLITE_BLOB:
            bytes.append(type == SQLITE_TEXT ? 3 : 4)
            // First the bytes, since asking for a text may change their number.
            let start = type == SQLITE_TEXT ? UnsafeRawPointer(sqlite3_value_text(value)) : sqlite3_value_blob(value)
            let content = UnsafeRawBufferPointer(start: start, count: Int(sqlite3_value_bytes(value)))
            Varint.append(UInt64(content.count), to: &bytes)
            bytes.append(contentsOf: content)
        default: bytes.append(0)
        }
    }

    /// That bytes are none that `RowValues` makes.
    public struct Malformed: Error { public init() {} }
}

/// Reads what `RowValues` writes; never further than the bytes go.
public struct RowValuesReader {
    private let bytes: [UInt8]
    public private(set) var offset: Int
    public let end: Int

    public init(_ bytes: [UInt8]) { (self.bytes, offset, end) = (bytes, 0, bytes.count) }

    private init(_ bytes: [UInt8], _ range: Range<Int>) {
        (self.bytes, offset, end) = (bytes, range.lowerBound, range.upperBound)
    }

    public var isAtEnd: Bool { offset == end }

    public mutating func byte() throws(RowValues.Malformed) -> UInt8 {
        guard offset < end else { throw RowValues.Malformed() }
        offset += 1
        return bytes[offset - 1]
    }

    public mutating func number() throws(RowValues.Malformed) -> UInt64 {
        let number = try Varint.read { () throws(RowValues.Malformed) in try byte() }
        guard let number else { throw RowValues.Malformed() }
        return number
    }

    public mutating func signed() throws(RowValues.Malformed) -> Int64 {
        Varint.signed(try number())
    }

    /// As a length: no more than what is left.
    public mutating func count() throws(RowValues.Malformed) -> Int {
        let number = try number()
        guard number <= UInt64(end - offset) else { throw RowValues.Malformed() }
        return Int(number)
    }

    private mutating func content() throws(RowValues.Malformed) -> ArraySlice<UInt8> {
        let count = try count()
        offset += count
        return bytes[offset - count..<offset]
    }

    public mutating func text() throws(RowValues.Malformed) -> String {
        guard let text = String(validating: try content(), as: UTF8.self) else { throw RowValues.Malformed() }
        return text
    }

    /// The next `count` bytes, to be read by themselves.
    public mutating func part(_ count: Int) throws(RowValues.Malformed) -> RowValuesReader {
        guard count >= 0, count <= end - offset else { throw RowValues.Malformed() }
        offset += count
        return RowValuesReader(bytes, offset - count..<offset)
    }

    /// What was read since an earlier offset.
    public func bytes(from start: Int) -> ArraySlice<UInt8> { bytes[start..<offset] }

    /// One value. A text comes as its bytes in UTF-8, since it may hold any character.
    public mutating func value() throws(RowValues.Malformed) -> SQLValue {
        switch try byte() {
        case 0: return .null
        case 1: return .integer(try signed())
        case 2:
            var bits = UInt64(0)
            for shift in stride(from: UInt64(0), to: 64, by: 8) { bits |= UInt64(try byte()) << shift }
            return .real(Double(bitPattern: bits))
        case 3: return .text(try text())
        case 4: return .blob(Array(try content()))
        default: throw RowValues.Malformed()
        }
    }
}
