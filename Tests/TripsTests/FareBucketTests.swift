import Basics
import Foundation
import Testing
import Trips

@Suite struct FareBucketTests {
    /// Amounts of every size, both signs; besides each bound of a bucket and its neighbours.
    private func amounts(seed: UInt64) -> [Cents] {
        var random = SplitMix64(seed: seed)
        let sizes = (0..<2000).map { _ -> Int64 in
            Int64.random(in: 1...(1 << Int64.random(in: 1...40, using: &random)), using: &random)
        }
        let edges = (0...1700).flatMap { bucket in
            let edge = Int64(pow(FareBucket.gamma, Double(bucket)))
            return [edge - 1, edge, edge + 1].filter { $0 > 0 }
        }
        let special: [Int64] = [1, 2, 99, 100, 101, 32_767, 32_768, 8_999_999, 9_000_000, 99_999_999_999]
        return (sizes + edges + special).flatMap { [$0, -$0] } + [0]
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func whatStandsForABucketIsWithinHalfAPercentOfAllThatItHolds(seed: UInt64) {
        for cents in amounts(seed: seed) {
            let middle = FareBucket.middle(of: FareBucket.index(ofCents: cents))
            // An exact half percent is rounded in the 16th digit.
            #expect(
                abs(middle - Double(cents)) <= abs(Double(cents)) * (0.005 + 1e-12), "\(cents) cents gives \(middle)")
            if abs(cents) < 100 { #expect(middle == Double(cents)) }
        }
    }

    @Test func bucketsAreInTheOrderOfTheirAmounts() {
        let sorted = amounts(seed: 4).sorted()
        let buckets = sorted.map(FareBucket.index(ofCents:))
        #expect(buckets == buckets.sorted())
        let middles = FareBucket.all.map(FareBucket.middle(of:))
        #expect(middles == middles.sorted())
    }

    @Test func amountsBelowZeroMirrorThoseAbove() {
        for cents in amounts(seed: 5) where cents != 0 {
            #expect(FareBucket.index(ofCents: -cents) == -2 - FareBucket.index(ofCents: cents))
        }
        for bucket: Int64 in [0, 1, 700] {
            let (above, below) = (FareBucket.dollars(of: bucket), FareBucket.dollars(of: -2 - bucket))
            #expect(below.from == -above.to && below.to == -above.from)
        }
        #expect(FareBucket.index(ofCents: .min) == FareBucket.first)
        #expect(FareBucket.index(ofCents: .max) == FareBucket.last)
    }

    @Test func aShareIsReachedWhereItsDecimalsSay() {
        // 0.07 * 100 is 7.000000000000001 in binary, and the 7th of 100 values is their 0.07 all the same.
        #expect(DecimalShare(0.07).isReached(by: 7, of: 100))
        #expect(!DecimalShare(0.07).isReached(by: 6, of: 100))
        #expect(DecimalShare(0.75).isReached(by: 8, of: 10) && !DecimalShare(0.75).isReached(by: 7, of: 10))
        #expect(DecimalShare(0).isReached(by: 1, of: 10) && !DecimalShare(0).isReached(by: 0, of: 10))
        #expect(DecimalShare(1).isReached(by: 10, of: 10) && !DecimalShare(1).isReached(by: 9, of: 10))
        #expect(DecimalShare(1).isReached(by: .max, of: .max))
    }
}
