/// Random numbers that are the same for the same seed on every machine.
///
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
public struct SplitMix64: RandomNumberGenerator, Sendable {
    @usableFromInline var state: UInt64

    @inlinable public init(seed: UInt64) { state = seed }

    @inlinable
    public mutating func next() -> UInt64 {
        state &+= Self.step
        return mixed64(state)
    }

    @inlinable public static var step: UInt64 { 0x9e37_79b9_7f4a_7c15 }
}

/// One step of SplitMix64: a well-mixed number from any other.
@inlinable @inline(__always)
public func splitMix64(_ value: UInt64) -> UInt64 { mixed64(value &+ SplitMix64.step) }

/// The bijection at the heart of SplitMix64: spreads a number over all 64 bits; different numbers stay different.
///
/// Source: Stafford's variant 13 of MurmurHash3's finalizer.
@inlinable @inline(__always)
public func mixed64(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
}
