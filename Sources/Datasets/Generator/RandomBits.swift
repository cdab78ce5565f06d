/// SplitMix64: a stream of 64 random bits at a time that is the same on every machine.
///
/// Each trip has a stream of its own, so that trip number k can be made without those before it.
///
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
struct RandomBits {
    private var state: UInt64

    /// A stream that looks unrelated to those of other seeds and other numbers.
    init(seed: UInt64, number: UInt64) {
        state = Self.mix(Self.mix(seed &+ Self.step) &+ number &* 0xd134_2543_de82_ef95)
    }

    mutating func next() -> UInt64 {
        state &+= Self.step
        return Self.mix(state)
    }

    /// 0..<bound. Some values come up more often than others by less than one part in 2^64 / bound.
    mutating func below(_ bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

    /// Both ends belong to the range.
    mutating func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }

    /// Whether something happens that happens `perMillion` times in a million.
    mutating func happens(_ perMillion: Int) -> Bool { below(1_000_000) < perMillion }

    /// The bijection at the heart of the stream: spreads a number over all 64 bits.
    static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    private static let step: UInt64 = 0x9e37_79b9_7f4a_7c15
}
