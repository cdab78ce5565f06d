/// Draws an index with given weights in constant time, from 64 random bits, without floating point.
///
/// Source: M. D. Vose, "A Linear Algorithm for Generating Random Numbers with a Given Distribution",
/// IEEE Transactions on Software Engineering 17(9), 1991 (the alias method).
struct WeightedChoice: Sendable {
    /// Of each index: the share of its turns that it keeps, in 2^-32, in the upper half; who gets the others in the lower.
    private let turns: [UInt64]

    /// - Parameter weights: at least one, none negative, at least one positive; fewer than 2^31, with a sum below 2^40.
    init(_ weights: [Int]) {
        let total = UInt64(weights.reduce(0, +))
        precondition(total > 0 && total < 1 << 40, "weights must have a positive sum below 2^40")
        let count = UInt64(weights.count)
        // In units where an even share is `total`.
        var rest = weights.map { UInt64($0) * count }
        var small = rest.indices.filter { rest[$0] < total }
        var large = rest.indices.filter { rest[$0] >= total }
        var turns = (0..<count).map { UInt64(UInt32.max) << 32 | $0 }
        while let poor = small.popLast(), let rich = large.popLast() {
            let (high, low) = rest[poor].multipliedFullWidth(by: 1 << 32)
            turns[poor] = total.dividingFullWidth((high, low)).quotient << 32 | UInt64(rich)
            rest[rich] -= total - rest[poor]
            if rest[rich] < total { small.append(rich) } else { large.append(rich) }
        }
        self.turns = turns
    }

    func pick(_ random: inout RandomBits) -> Int {
        let bits = random.next()
        let index = Int(bits.multipliedFullWidth(by: UInt64(turns.count)).high)
        let turn = turns[index]
        return bits & 0xffff_ffff < turn >> 32 ? index : Int(turn & 0xffff_ffff)
    }
}
