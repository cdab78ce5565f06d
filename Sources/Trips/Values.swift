import Time

/// Money in cents; never a floating-point number.
public typealias Cents = Int64

/// The cell of a number or time that its source left empty.
public let nullCell = Int64.min

/// A decimal number with the digits its source gave it, in one 64-bit cell: `mantissa * 10^-scale`.
///
/// Layout: mantissa in the upper 60 bits (signed), scale 0…15 in the lower four. Up to 17 significant digits, so
/// `41.899602111` and `41.8996021110` stay apart and both come back as they were written.
public struct PackedDecimal: Sendable, Hashable {
    public var cell: Int64
    public init(cell: Int64) { self.cell = cell }
    public init(mantissa: Int64, scale: Int) { cell = mantissa << 4 | Int64(scale) }

    public var mantissa: Int64 { cell >> 4 }
    public var scale: Int { Int(cell & 15) }

    /// The value in millionths, rounded half away from zero: what sums add up, exactly and in any order.
    public var millionths: Int64 {
        let difference = 6 - scale
        if difference >= 0 { return mantissa &* Self.powersOfTen[difference] }
        let divisor = Self.powersOfTen[-difference]
        let half = divisor / 2
        return (mantissa >= 0 ? mantissa &+ half : mantissa &- half) / divisor
    }

    static let powersOfTen: [Int64] = (0...18).map { (0..<$0).reduce(1) { power, _ in power * 10 } }
}

/// Text of a string column, as a piece of the bytes that a batch was decoded from.
///
/// Layout of the cell: offset in the lower 40 bits, length in the 23 above (up to 8 MiB), and in the top bit whether the
/// offset counts in the bytes that the batch keeps itself (a quoted field with doubled quotes) instead of its source.
public struct TextCell: Sendable, Hashable {
    public var cell: Int64
    @inlinable public init(cell: Int64) { self.cell = cell }
    @inlinable public init(offset: Int, length: Int) { cell = Int64(length) << 40 | Int64(offset) }

    @inlinable public var offset: Int { Int(cell & 0xff_ffff_ffff) }
    @inlinable public var length: Int { Int((cell >> 40) & 0x7f_ffff) }
    /// Stored columns give a text's length two bytes; longer ones are rejected as `oversized`.
    static let maximumLength = 65535

    /// Whether the source had nothing there; an empty string is a null.
    @inlinable public var isEmpty: Bool { length == 0 }
}
