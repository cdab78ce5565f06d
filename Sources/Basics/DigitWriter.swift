/// Writes digits, and what stands between them, at a pointer that has room for it.
public struct DigitWriter {
    public let out: UnsafeMutablePointer<UInt8>
    public var count = 0

    @inlinable public init(out: UnsafeMutablePointer<UInt8>) { self.out = out }

    /// The place after what was written.
    @inlinable public var end: UnsafeMutablePointer<UInt8> { out + count }

    /// - Parameter scalar: below 256.
    @inlinable
    public mutating func byte(_ scalar: Unicode.Scalar) {
        out[count] = UInt8(truncatingIfNeeded: scalar.value)
        count += 1
    }

    @inlinable
    public mutating func string(_ text: StaticString) {
        end.update(from: text.utf8Start, count: text.utf8CodeUnitCount)
        count += text.utf8CodeUnitCount
    }

    @inlinable
    public mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let start = bytes.baseAddress else { return }
        end.update(from: start, count: bytes.count)
        count += bytes.count
    }

    @inlinable
    public mutating func two(_ value: Int) {
        out[count] = UInt8(truncatingIfNeeded: value / 10 + 48)
        out[count + 1] = UInt8(truncatingIfNeeded: value % 10 + 48)
        count += 2
    }

    @inlinable
    public mutating func three(_ value: Int) {
        out[count] = UInt8(truncatingIfNeeded: value / 100 + 48)
        count += 1
        two(value % 100)
    }

    @inlinable
    public mutating func four(_ value: Int) {
        two(value / 100)
        two(value % 100)
    }

    @inlinable
    public mutating func number(_ value: Int) {
        if value < 10 { return byte(Unicode.Scalar(UInt8(value + 48))) }
        var divisor = 1
        while value / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            out[count] = UInt8(truncatingIfNeeded: value / divisor % 10 + 48)
            count += 1
            divisor /= 10
        }
    }
}
