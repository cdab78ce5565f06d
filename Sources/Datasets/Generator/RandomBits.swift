import Basics
import Trips

/// A stream of random numbers that is the same on every machine.
///
/// Each trip has a stream of its own, so that trip number k can be made without those before it.
struct RandomBits {
    private var bits: SplitMix64

    /// A stream that looks unrelated to those of other seeds and other numbers.
    init(seed: UInt64, number: UInt64) {
        bits = SplitMix64(seed: mixed64(splitMix64(seed) &+ number &* 0xd134_2543_de82_ef95))
    }

    mutating func next() -> UInt64 { bits.next() }

    /// 0..<bound. Some values come up more often than others by less than one part in 2^64 / bound.
    mutating func below(_ bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

    /// Both ends belong to the range.
    mutating func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }

    /// Whether something happens that happens `perMillion` times in a million.
    mutating func happens(_ perMillion: Int) -> Bool { below(1_000_000) < perMillion }
}
