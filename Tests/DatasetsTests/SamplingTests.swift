import Basics
import Testing
import Trips

@testable import Datasets

@Suite struct SamplingTests {
    @Test func weightedChoiceKeepsItsWeights() {
        let weights = [0, 1, 10, 0, 500, 89, 400]
        let choice = WeightedChoice(weights)
        var random = RandomBits(seed: 5, number: 0)
        var counts = Array(repeating: 0, count: weights.count)
        for _ in 0..<200_000 { counts[choice.pick(&random)] += 1 }
        for (count, weight) in zip(counts, weights) {
            #expect(abs(count - weight * 200) <= 4 * Int(Double(weight * 200).squareRoot()))
        }
        let only = WeightedChoice([7]).pick(&random)
        #expect(only == 0)
    }

    @Test func belowStaysBelow() {
        var random = RandomBits(seed: 1, number: 1)
        for bound in [1, 2, 3, 1000, Int.max] {
            for _ in 0..<100 {
                let value = random.below(bound)
                #expect((0..<bound).contains(value))
            }
        }
        let only = random.within(5...5)
        #expect(only == 5)
    }

    @Test(arguments: [0, 1, 2, 3, 7, 64, 65, 1000, 4097])
    func shuffledOrderHoldsEachTripOnce(count: Int) {
        let quarters = QuarterHours(days: day("2024-04-13")...day("2024-04-14"))
        let order = TripOrder(count: count, quarters: quarters, seed: 3, isShuffled: true)
        #expect((0..<count).map { order.trip(atRow: $0) }.sorted() == Array(0..<count))
        let starts = (0..<count).map { order.quarter(ofTrip: $0) }
        #expect(starts == starts.sorted())
        #expect(starts.allSatisfy { (0..<192).contains($0) })
    }

    @Test func distinctValuesAreExactBelowTheCapacity() {
        var sample = DistinctSample(capacity: 1024)
        var counts: [UInt64: Int] = [:]
        var random = RandomBits(seed: 9, number: 0)
        var wrong = 0
        for _ in 0..<10_000 {
            let value = UInt64(random.below(1_000))
            let isNew = sample.add(mixed64(value))
            if isNew != (counts[value] == nil) { wrong += 1 }
            counts[value, default: 0] += 1
        }
        #expect(sample.isExact && wrong == 0)
        #expect(sample.distinct == counts.count)
        #expect(sample.surplus == 10_000 - counts.count)
        #expect(sample.commonest(1).first?.count == counts.values.max())
    }

    @Test func aboveTheCapacityItEstimates() {
        var sample = DistinctSample(capacity: 4096)
        for round in 0..<3 {
            for value in 0..<300_000 where round == 0 || value % 2 == 0 {
                sample.add(mixed64(UInt64(value) + 1))
            }
        }
        #expect(!sample.isExact)
        #expect(abs(sample.distinct - 300_000) < 30_000)
        #expect(abs(sample.surplus - 300_000) < 30_000)
    }

    @Test func zeroIsAHashLikeOthers() {
        var sample = DistinctSample(capacity: 4)
        let first = sample.add(0)
        let again = sample.add(0)
        #expect(first && !again)
        #expect(sample.distinct == 1)
    }

    @Test func byteHashSeesEveryByte() {
        var seen: Set<UInt64> = []
        for length in 0...40 {
            var bytes = Array(repeating: UInt8(65), count: length)
            #expect(seen.insert(bytes.withUnsafeBufferPointer(byteHash)).inserted)
            for index in 0..<length {
                bytes[index] = 66
                #expect(seen.insert(bytes.withUnsafeBufferPointer(byteHash)).inserted)
                bytes[index] = 65
            }
        }
    }

    @Test(arguments: [
        (Int64(-876_333_080_367), 10, "-87.6333080367"), (-876_333_080_367, 9, "-87.633308037"),
        (419_751_709_433, 9, "41.975170943"),
        (-876_735_740_325, 9, "-87.673574032"), (419_382_391_255, 9, "41.938239126"),
        (420_015_710_270, 10, "42.001571027"), (420_000_000_000, 9, "42"),
        (-876_333_080_367, 6, "-87.633308"),
    ])
    func degreesRoundHalfToEven(value: Int64, decimals: Int, text: String) {
        #expect(TripFileStyle.degrees(value, decimals: decimals) == text)
    }
}
