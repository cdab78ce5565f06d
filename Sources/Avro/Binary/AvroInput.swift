public import Basics

/// Why bytes are no value of a schema, and where.
public struct AvroFault: Error, Sendable, Equatable {
    public enum Kind: UInt8, Sendable {
        case endsEarly, longNumber, outOfRange, noBoolean, negativeLength, notUTF8, noBranch, noSymbol, tooDeep, tooMany
        case mismatch
    }
    public var kind: Kind
    /// Bytes before the place.
    public var offset: Int
    /// Of a mismatch: which one of the plan's.
    public var detail: Int32

    @inlinable
    public init(kind: Kind, offset: Int, detail: Int32 = 0) {
        (self.kind, self.offset, self.detail) = (kind, offset, detail)
    }

    /// What is wrong, without the place.
    public var text: String {
        switch kind {
        case .endsEarly: "it ends too early"
        case .longNumber: "a number is longer than ten bytes"
        case .outOfRange: "a number does not fit its type"
        case .noBoolean: "a boolean is neither 0 nor 1"
        case .negativeLength: "a length is negative"
        case .notUTF8: "a string is not UTF-8"
        case .noBranch: "a union has no such type"
        case .noSymbol: "an enum has no such symbol"
        case .tooDeep: "it is nested too deep"
        case .tooMany: "it has more items than its bytes can hold"
        case .mismatch: "it is of a type that the reader does not take"
        }
    }
}

/// Bytes of Avro being read: each length is checked against what is left, so that no bytes lead out of them.
public struct AvroInput {
    public var at: UnsafePointer<UInt8>
    public let end: UnsafePointer<UInt8>
    public let start: UnsafePointer<UInt8>
    /// How many more values this datum may have that take no byte: else some bytes could be a record of a million million nulls.
    @usableFromInline var fuel = 0
    @usableFromInline var depth = 0

    @usableFromInline static var maximumDepth: Int { 64 }

    /// - Parameter bytes: outlive the input.
    @inlinable
    public init(_ bytes: UnsafeBufferPointer<UInt8>) {
        // An empty buffer may have no address; nothing is ever read at this one.
        start = bytes.baseAddress ?? UnsafePointer(bitPattern: 1).unsafelyUnwrapped
        at = start
        end = start + bytes.count
    }

    @inlinable public var left: Int { end - at }
    @inlinable public var offset: Int { at - start }
    @inlinable public var isAtEnd: Bool { at == end }

    @inlinable
    public func fault(_ kind: AvroFault.Kind) -> AvroFault { AvroFault(kind: kind, offset: offset) }

    @inlinable @inline(__always)
    public mutating func long() throws(AvroFault) -> Int64 {
        guard at < end else { throw fault(.endsEarly) }
        let first = at.pointee
        if first < 0x80 {
            at += 1
            return Int64(first >> 1) ^ -Int64(first & 1)
        }
        return try longRest()
    }

    @inlinable
    mutating func longRest() throws(AvroFault) -> Int64 {
        var place = at
        let bits = try Varint.read { () throws(AvroFault) in
            guard place < end else { throw fault(.endsEarly) }
            defer { place += 1 }
            return place.pointee
        }
        guard let bits else { throw fault(.longNumber) }
        at = place
        return Varint.signed(bits)
    }

    @inlinable @inline(__always)
    public mutating func int() throws(AvroFault) -> Int32 {
        let value = try long()
        guard let int = Int32(exactly: value) else { throw fault(.outOfRange) }
        return int
    }

    @inlinable
    public mutating func boolean() throws(AvroFault) -> Bool {
        guard at < end else { throw fault(.endsEarly) }
        guard at.pointee <= 1 else { throw fault(.noBoolean) }
        defer { at += 1 }
        return at.pointee == 1
    }

    @inlinable
    public mutating func float() throws(AvroFault) -> Float {
        let bytes = try take(4)
        return Float(
            bitPattern: UInt32(littleEndian: UnsafeRawPointer(bytes.baseAddress!).loadUnaligned(as: UInt32.self)))
    }

    @inlinable
    public mutating func double() throws(AvroFault) -> Double {
        let bytes = try take(8)
        return Double(
            bitPattern: UInt64(littleEndian: UnsafeRawPointer(bytes.baseAddress!).loadUnaligned(as: UInt64.self)))
    }

    /// A length and as many bytes, which stay where they are.
    @inlinable @inline(__always)
    public mutating func bytes() throws(AvroFault) -> UnsafeBufferPointer<UInt8> {
        let length = try long()
        guard length >= 0 else { throw fault(.negativeLength) }
        guard length <= left else { throw fault(.endsEarly) }
        return try take(Int(length))
    }

    /// The same of a string, whose bytes are looked at.
    @inlinable @inline(__always)
    public mutating func string() throws(AvroFault) -> UnsafeBufferPointer<UInt8> {
        let bytes = try bytes()
        guard AvroText.isUTF8(bytes) else { throw fault(.notUTF8) }
        return bytes
    }

    @inlinable @inline(__always)
    public mutating func take(_ count: Int) throws(AvroFault) -> UnsafeBufferPointer<UInt8> {
        guard count <= left else { throw fault(.endsEarly) }
        defer { at += count }
        return UnsafeBufferPointer(start: at, count: count)
    }

    /// The number of items in the next block of an array or map; 0 at its end.
    ///
    /// - Parameter size: the least that an item can have, in bytes.
    @inlinable
    mutating func block(itemSize size: Int) throws(AvroFault) -> Int {
        var count = try long()
        if count < 0 {
            guard count > .min else { throw fault(.tooMany) }
            count = -count
            let length = try long()
            guard length >= 0 else { throw fault(.negativeLength) }
            guard length <= left else { throw fault(.endsEarly) }
        }
        if size > 0 {
            guard count <= left / size else { throw fault(.tooMany) }
        } else {
            guard count <= fuel else { throw fault(.tooMany) }
            fuel -= Int(count)
        }
        return Int(count)
    }

    @inlinable
    mutating func enter(_ values: Int) throws(AvroFault) {
        guard depth < Self.maximumDepth else { throw fault(.tooDeep) }
        depth += 1
        fuel -= values
        guard fuel >= 0 else { throw fault(.tooMany) }
    }
}

@usableFromInline
enum AvroText {
    /// Whether bytes are UTF-8; ASCII, which most are, eight at a time.
    @usableFromInline
    static func isUTF8(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        let raw = UnsafeRawBufferPointer(bytes)
        var (tops, at): (UInt64, Int) = (0, 0)
        while at &+ 8 <= raw.count {
            tops |= raw.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            at &+= 8
        }
        var rest: UInt8 = 0
        while at < raw.count {
            rest |= raw[at]
            at &+= 1
        }
        if tops & 0x8080_8080_8080_8080 == 0, rest < 0x80 { return true }
        return String(validating: bytes, as: UTF8.self) != nil
    }
}
