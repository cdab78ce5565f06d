import Testing

@testable import Batch

@Suite struct HotspotTallyTests {
    private func tally(_ days: [[Int: Int64]], positions: [Int32]? = nil) -> HotspotTally {
        var tally = HotspotTally(precedence: .init(positions: positions))
        for day in days {
            for (id, pickups) in day { tally.add(pickups, at: id) }
            tally.endDay()
        }
        return tally
    }

    @Test func ranksByPickupsAndBreaksTiesByTheGivenOrder() {
        let days: [[Int: Int64]] = [[1: 5, 2: 7, 3: 5], [3: 2, 4: 7]]
        #expect(tally(days).ranked().map(\.id) == [2, 3, 4, 1])
        #expect(tally(days, positions: [0, 1, 4, 3, 2]).ranked().map(\.id) == [4, 3, 2, 1])
        #expect(tally(days).ranked().map(\.rank) == [1, 2, 3, 4])
    }

    @Test func countsTenPlacesADayEvenIfAllAreEqual() {
        let ranked = tally([Dictionary(uniqueKeysWithValues: (1...13).map { ($0, 4) })]).ranked()
        #expect(ranked.filter { $0.top10Days == 1 }.map(\.id) == Array(1...10))
        let positions = (0...13).map { Int32(13 - $0) }
        let other = tally([Dictionary(uniqueKeysWithValues: (1...13).map { ($0, 4) })], positions: positions).ranked()
        #expect(other.filter { $0.top10Days == 1 }.map(\.id) == Array((4...13).reversed()))
    }

    @Test(arguments: [(3, 4, true), (2, 3, false), (6, 8, true), (5, 7, false), (1, 1, true), (0, 1, false)])
    func isPersistentFromThreeQuartersOfTheDaysOn(inTop: Int, days: Int, persistent: Bool) throws {
        let busy = Dictionary(uniqueKeysWithValues: (1...10).map { ($0, Int64(100)) })
        let made = (0..<days).map { day in busy.merging([50: day < inTop ? 200 : 1]) { $1 } }
        let place = try #require(tally(made).ranked().first { $0.id == 50 })
        #expect(place.top10Days == Int64(inTop))
        #expect(place.isPersistent == persistent)
    }

    @Test func mergesInAnyOrder() {
        let (a, b) = (tally([[1: 5, 2: 3], [7: 1]]), tally([[2: 4]]))
        var (ab, ba) = (a, b)
        ab.merge(b)
        ba.merge(a)
        #expect(ab.ranked() == ba.ranked())
        #expect(ab.days == 3)
        #expect(ab.total == 13)
    }

    @Test func aDayWithoutPickupsIsNoDay() {
        var tally = tally([[1: 5]])
        tally.add(0, at: 2)
        tally.endDay()
        tally.endDay()
        #expect(tally.days == 1)
    }
}
