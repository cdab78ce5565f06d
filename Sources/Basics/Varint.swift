/// Whole numbers as bytes: seven bits a byte, the lowest first, the top bit set on all but the last byte. Signed ones are zigzag before that
/// (0, -1, 1, -2, … as 0, 1, 2, 3, …), so that small ones are short whatever their sign.
public enum Varint {
    /// The longest that a number of 64 bits is.
    @inlinable public static var maximumLength: Int { 10 }

    /// Writes a number where there is room for `maximumLength` bytes; returns the place after it.
    @inlinable @inline(__always)
    public static func write(_ number: UInt64, to out: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        var (rest, place) = (number, out)
        while rest >= 0x80 {
            place.pointee = UInt8(truncatingIfNeeded: rest) | 0x80
            rest >>= 7
            place += 1
        }
        place.pointee = UInt8(truncatingIfNeeded: rest)
        return place + 1
    }

    @inlinable
    public static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    @inlinable
    public static func append(signed number: Int64, to bytes: inout [UInt8]) { append(zigzag(number), to: &bytes) }

    /// Reads a number.
    ///
    /// - Parameter next: gives the next byte.
    /// - Returns: nil for one of more than 64 bits.
    @inlinable @inline(__always)
    public static func read<Failure: Error>(_ next: () throws(Failure) -> UInt8) throws(Failure) -> UInt64? {
        var (number, shift): (UInt64, UInt64) = (0, 0)
        while true {
            let byte = try next()
            // The tenth byte has room for one bit.
            guard shift < 63 || byte <= 1 else { return nil }
            number |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return number }
            shift &+= 7
        }
    }

    @inlinable @inline(__always)
    public static func zigzag(_ number: Int64) -> UInt64 { UInt64(bitPattern: number << 1 ^ number >> 63) }

    /// The number that `zigzag` made `bits` of.
    @inlinable @inline(__always)
    public static func signed(_ bits: UInt64) -> Int64 { Int64(bitPattern: bits >> 1) ^ -Int64(bitPattern: bits & 1) }
}
