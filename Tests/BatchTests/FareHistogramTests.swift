import Basics
import Testing
import Trips

@testable import Batch

@Suite struct FareHistogramTests {
    private func histogram(_ fares: [Cents]) -> FareHistogram {
        var histogram = FareHistogram()
        for fare in fares { histogram.add(1, to: FareBucket.index(ofCents: fare)) }
        return histogram
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func percentilesAreWithinHalfAPercentOfTheExactOnes(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let largest = [30, 400, 10_000, 5_000_000].randomElement(using: &random)!
        let fares = (0..<Int.random(in: 1...400, using: &random))
            .map { _ in Int64.random(in: Int64(-largest / 4)...Int64(largest), using: &random) }.sorted()
        let (half, rest) = (fares.prefix(fares.count / 2), fares.dropFirst(fares.count / 2))
        var merged = histogram(Array(half))
        merged.merge(histogram(Array(rest)))
        #expect(merged == histogram(fares))
        for percent: Int64 in [1, 10, 25, 50, 75, 90, 99, 100] {
            let exact = fares[(Int(percent) * fares.count + 99) / 100 - 1]
            let estimate = try #require(merged.percentile(percent))
            #expect(
                Double(abs(estimate - exact)) <= 0.005 * Double(abs(exact)) + 0.5 + 1e-9, "p\(percent) of seed \(seed)")
        }
    }

    @Test func hasNoPercentilesWithoutTrips() { #expect(FareHistogram().percentile(50) == nil) }

    @Test func tellsZeroAndNegativeFaresApart() {
        let fares = histogram([-500, -1, 0, 0, 0, 1000, 1000, 1000, 1000, 1000])
        #expect(fares.percentile(10).map { -502 ... -498 ~= $0 } == true)
        #expect(fares.percentile(20) == -1)
        #expect(fares.percentile(25) == 0)
        #expect(fares.percentile(50) == 0)
        #expect(fares.percentile(51).map { 995...1005 ~= $0 } == true)
    }

    @Test func aMedianThatMovesByAQuarterShows() throws {
        let (before, after) = (histogram([900, 1250, 1250, 4000]), histogram([900, 1275, 1275, 4000]))
        let (first, second) = (try #require(before.percentile(50)), try #require(after.percentile(50)))
        #expect(abs(first - 1250) <= 6 && abs(second - 1275) <= 6 && second - first >= 13)
    }

    @Test func wordsThatNoMonthHasAreNotTakenUp() {
        for words: [Int64] in [[1], [.max, 5], [.min, 5], [700, -1], [700, .max, 701, 1], [700, .min]] {
            var histogram = FareHistogram()
            let isTaken = histogram.restore(words)
            #expect(!isTaken, "\(words)")
        }
        var histogram = FareHistogram()
        let isTaken = histogram.restore([-900, 3, 700, 2])
        #expect(isTaken)
        #expect(histogram.count == 5)
    }

    @Test func aCountThatLeaves64BitsIsFound() {
        var histogram = FareHistogram()
        histogram.add(.max, to: 700)
        #expect(histogram.damage == nil)
        histogram.add(1, to: -700)
        #expect(histogram.damage != nil)
    }

    @Test(
        arguments: [
            (5, 2, 3), (-5, 2, -3), (4, 3, 1), (-4, 3, -1), (5, 3, 2), (-5, 3, -2), (0, 7, 0), (7, 1, 7), (1, 2, 1),
            (2, 5, 0),
            (9_007_199_254_740_993, 2, 4_503_599_627_370_497),
        ] as [(Int64, Int64, Int64)])
    func roundsHalfUpWithoutFloatingPoint(dividend: Int64, divisor: Int64, quotient: Int64) {
        #expect(roundedQuotient(Int128(dividend), Int128(divisor)) == Int128(quotient))
    }
}
