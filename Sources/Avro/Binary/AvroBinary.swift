public import Basics

/// Avro's binary encoding, value by value.
///
///     null           nothing
///     boolean        a byte, 0 or 1
///     int, long      a signed `Varint`
///     float, double  IEEE 754, little-endian
///     bytes, string  a long for the length, and as many bytes (of UTF-8)
///     fixed          its bytes
///     enum           an int: which symbol
///     array, map     blocks, each a long for the number of items and the items (of a map each with a string before it); a negative number
///                    is followed by a long for the block's bytes; a block of 0 items ends it
///     union          a long: which of its types; then the value
///     record         its fields in their order
///
/// Functions that write at a pointer need the room that their constants say, and give the place behind what they wrote.
public enum AvroBinary {
    /// The longest that an int or long can be.
    public static let maximumLongLength = Varint.maximumLength

    @inlinable @inline(__always)
    public static func write(long value: Int64, to out: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        Varint.write(Varint.zigzag(value), to: out)
    }

    @inlinable @inline(__always)
    public static func write(double value: Double, to out: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        UnsafeMutableRawPointer(out).storeBytes(of: value.bitPattern.littleEndian, as: UInt64.self)
        return out + 8
    }

    /// The longest that a decimal of 64 bits can be, with its length.
    public static let maximumDecimalLength = 9

    /// A whole number as the bytes of a decimal: two's complement, the highest byte first, no longer than it has to be.
    @inlinable @inline(__always)
    public static func write(decimal value: Int64, to out: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        // One bit more than the number has, for its sign.
        let bits = 65 &- (value ^ value >> 63).leadingZeroBitCount
        let count = (bits &+ 7) >> 3
        // The length is below 64, and so one byte of a long.
        out.pointee = UInt8(truncatingIfNeeded: count << 1)
        for index in 0..<count {
            out[1 + index] = UInt8(truncatingIfNeeded: value >> Int64(truncatingIfNeeded: (count - 1 - index) << 3))
        }
        return out + 1 + count
    }

    /// The whole number that a decimal's bytes are; nil where 64 bits do not hold it, or where there is no byte.
    @inlinable
    public static func decimal(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        guard let first = bytes.first else { return nil }
        let sign: UInt8 = first < 0x80 ? 0 : 0xff
        var value: Int64 = sign == 0 ? 0 : -1
        for (index, byte) in bytes.enumerated() {
            // Bytes above the lowest eight say nothing but the sign.
            if bytes.count - index > 8 {
                guard byte == sign else { return nil }
            } else {
                value = value << 8 | Int64(byte)
            }
        }
        return (value < 0) == (sign != 0) ? value : nil
    }
}

extension AvroBinary {
    public static func append(long value: Int64, to bytes: inout [UInt8]) {
        Varint.append(signed: value, to: &bytes)
    }

    public static func append(float value: Float, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }

    public static func append(double value: Double, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// A length and the bytes: `bytes` or `string`.
    public static func append(bytes content: some Collection<UInt8>, to bytes: inout [UInt8]) {
        append(long: Int64(content.count), to: &bytes)
        bytes.append(contentsOf: content)
    }
}
