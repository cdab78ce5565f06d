/// A growing run of bytes that is written front to back; little-endian.
public struct ByteWriter: ~Copyable {
    public private(set) var start: UnsafeMutableRawPointer
    public private(set) var count = 0
    private var capacity: Int

    public init(capacity: Int = 1 << 16) {
        self.capacity = max(64, capacity)
        start = .allocate(byteCount: self.capacity, alignment: 16)
    }

    deinit { start.deallocate() }

    public mutating func removeAll() { count = 0 }

    /// Makes room for `length` bytes and counts them as written; returns where they go.
    @inline(__always)
    public mutating func extend(_ length: Int) -> UnsafeMutableRawPointer {
        if count &+ length > capacity { grow(length) }
        defer { count &+= length }
        return start + count
    }

    @inline(never)
    private mutating func grow(_ length: Int) {
        capacity = max(capacity * 2, count + length)
        let grown = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        grown.copyMemory(from: start, byteCount: count)
        start.deallocate()
        start = grown
    }

    @inline(__always)
    public mutating func append<Value: FixedWidthInteger>(_ value: Value) {
        extend(MemoryLayout<Value>.size).storeBytes(of: value.littleEndian, as: Value.self)
    }

    @inline(__always)
    public mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let from = bytes.baseAddress else { return }
        extend(bytes.count).copyMemory(from: from, byteCount: bytes.count)
    }

    /// Overwrites what stands at `offset`.
    public mutating func replace<Value: FixedWidthInteger>(at offset: Int, with value: Value) {
        (start + offset).storeBytes(of: value.littleEndian, as: Value.self)
    }

    public var bytes: [UInt8] { Array(UnsafeRawBufferPointer(start: start, count: count)) }
}

/// Reads little-endian values front to back and never past the end.
package struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    package private(set) var offset = 0

    /// What does not fit into the bytes that are there, or does not mean anything.
    package struct Truncated: Error { package init() {} }

    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    package mutating func next<Value: FixedWidthInteger>(_: Value.Type = Value.self) throws(Truncated) -> Value {
        let piece = try take(MemoryLayout<Value>.size)
        return Value(littleEndian: piece.loadUnaligned(as: Value.self))
    }

    package mutating func take(_ count: Int) throws(Truncated) -> UnsafeRawBufferPointer {
        guard count >= 0, bytes.count - offset >= count else { throw Truncated() }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    package var isAtEnd: Bool { offset == bytes.count }

    /// Everything that is left.
    package mutating func rest() throws(Truncated) -> UnsafeRawBufferPointer { try take(bytes.count - offset) }
}
