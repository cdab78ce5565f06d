public import Time

/// Bytes being written, in one block that grows: what encoders fill and writers send, reused from batch to batch.
///
/// Encoders ask for room once a record (`reserve`), write through the pointer without further checks, and say how far they
/// came (`advance`); everybody else appends. One owner, freed with it; growing doubles, so n bytes cost O(n).
///
/// `@unchecked Sendable`: the block has no second reference, since the type cannot be copied.
public struct OutputBuffer: ~Copyable, @unchecked Sendable {
    @usableFromInline var start: UnsafeMutablePointer<UInt8>
    @usableFromInline var room: Int
    @usableFromInline var used = 0

    /// - Parameter capacity: bytes to hold before the first growth.
    public init(capacity: Int = 1 << 16) {
        room = max(capacity, 64)
        start = .allocate(capacity: room)
    }

    deinit { start.deallocate() }

    /// How many bytes were written.
    @inlinable public var count: Int { used }
    @inlinable public var isEmpty: Bool { used == 0 }

    /// What was written; valid until the buffer is changed or goes away.
    @inlinable public var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: start, count: used) }

    /// A place with room for at least `count` bytes, after what was written; valid until the next call that reserves or appends.
    @inlinable public mutating func reserve(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        if room - used < count { grow(by: count) }
        return start + used
    }

    /// Takes `count` bytes as written, at the place that `reserve` gave.
    @inlinable public mutating func advance(by count: Int) {
        assert(count >= 0 && count <= room - used, "more was written than was reserved")
        used += count
    }

    /// Empties the buffer and keeps its block.
    @inlinable public mutating func removeAll() { used = 0 }

    @usableFromInline @inline(never) mutating func grow(by count: Int) {
        room = max(room * 2, used + count)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: room)
        larger.update(from: start, count: used)
        start.deallocate()
        start = larger
    }
}

extension OutputBuffer {
    @inlinable public mutating func append(_ byte: UInt8) {
        reserve(1).pointee = byte
        used += 1
    }

    @inlinable public mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let source = bytes.baseAddress else { return }
        reserve(bytes.count).update(from: source, count: bytes.count)
        used += bytes.count
    }

    @inlinable public mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBufferPointer { append($0) }
    }

    /// Appends a literal; nothing is allocated.
    @inlinable public mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { append($0) }
    }

    public mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append($0) }
    }

    /// Appends an integer in decimal digits.
    public mutating func append(decimal value: Int64) {
        let place = reserve(DecimalText.maximumIntegerLength)
        used += DecimalText.write(value, to: place) - place
    }
}

extension OutputBuffer {
    /// Appends a time as RFC 3339 has it.
    public mutating func append(time: EventTime) {
        RFC3339.write(time, to: reserve(RFC3339.length))
        used += RFC3339.length
    }

    /// Appends a member of a JSON object whose name and value are integers: `"17031":12`.
    public mutating func append(member name: Int64, _ value: Int64) {
        let start = reserve(2 * DecimalText.maximumIntegerLength + 3)
        start.pointee = UInt8(ascii: "\"")
        var place = DecimalText.write(name, to: start + 1)
        place[0] = UInt8(ascii: "\"")
        place[1] = UInt8(ascii: ":")
        place = DecimalText.write(value, to: place + 2)
        used += place - start
    }

    /// Appends UTF-8 text as a JSON string, in quotes and escaped.
    public mutating func append(jsonString text: [UInt8]) {
        append(UInt8(ascii: "\""))
        let place = reserve(text.count * JSONEscape.maximumGrowth)
        text.withUnsafeBufferPointer { bytes in
            guard let start = bytes.baseAddress else { return }
            used += JSONEscape.write(start, bytes.count, to: place) - place
        }
        append(UInt8(ascii: "\""))
    }
}
