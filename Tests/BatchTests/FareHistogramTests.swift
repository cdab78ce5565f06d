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
    func percentilesAreWithinTwoPercentOfTheExactOnes(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let largest = [30, 400, 10_000, 5_000_000].randomElement(using: &random)!
        let fares = (0..<Int.random(in: 1...400, using: &random))
            .map { _ in max(0, Int64.random(in: -3...Int64(largest), using: &random)) }.sorted()
        let (half, rest) = (fares.prefix(fares.count / 2), fares.dropFirst(fares.count / 2))
        var merged = histogram(Array(half))
        merged.merge(histogram(Array(rest)))
        #expect(merged == histogram(fares))
        for percent: Int64 in [1, 10, 25, 50, 75, 90, 99, 100] {
            let exact = fares[(Int(percent) * fares.count + 99) / 100 - 1]
            let estimate = try #require(merged.percentile(percent))
            #expect(Double(abs(estimate - exact)) <= 0.02 * Double(exact) + 0.5 + 1e-9, "p\(percent) of seed \(seed)")
        }
    }

    @Test func hasNoPercentilesWithoutTrips() { #expect(FareHistogram().percentile(50) == nil) }

    @Test func tellsZeroAndNegativeFaresApart() {
        let fares = histogram([-500, -1, 0, 0, 0, 1000, 1000, 1000, 1000, 1000])
        #expect(fares.percentile(10) == -1)
        #expect(fares.percentile(20) == -1)
        #expect(fares.percentile(25) == 0)
        #expect(fares.percentile(50) == 0)
        #expect(fares.percentile(51).map { 980...1020 ~= $0 } == true)
    }

    @Test(
        arguments: [
            (5, 2, 3), (-5, 2, -3), (4, 3, 1), (-4, 3, -1), (5, 3, 2), (-5, 3, -2), (0, 7, 0), (7, 1, 7), (1, 2, 1),
            (2, 5, 0),
            (9_007_199_254_740_993, 2, 4_503_599_627_370_497),
        ] as [(Int64, Int64, Int64)])
    func roundsHalfUpWithoutFloatingPoint(dividend: Int64, divisor: Int64, quotient: Int64) {
        #expect(roundedQuotient(dividend, divisor) == quotient)
    }
}
