import Testing

@testable import Stream

/// How far behind a stream is, by what it is told about once a second.
@Suite struct SourceLagTests {
    private func second(_ number: Int) -> Int64 { Int64(number) * 1_000_000_000 }

    @Test func aLagThatShrinksIsGoneInTime() {
        var lag = SourceLag()
        var last: SourceLag.Partition?
        // 10,000 wait; 100 a second come in, 600 are read.
        for number in 0...10 {
            last =
                lag.look(
                    committed: [Int64(number) * 600], ends: [10_000 + Int64(number) * 100], ages: [nil],
                    atNs: second(number))[0]
        }
        #expect(last?.lagRecords == 5000 && last?.rateIn == 100 && last?.rateProcessed == 600)
        #expect(last?.clearSeconds == 10 && last?.trend == .draining)
        #expect(last?.lagSeconds == 10, "records have waited since the first look")
    }

    @Test func aLagThatGrowsIsNeverGone() {
        var lag = SourceLag()
        var last: SourceLag.Partition?
        for number in 0...5 {
            last =
                lag.look(
                    committed: [Int64(number) * 50], ends: [Int64(number) * 1000], ages: [nil], atNs: second(number))[0]
        }
        #expect(last?.trend == .growing && last?.clearSeconds == .infinity)
    }

    @Test func whoKeepsUpIsSteadyWhateverIsOnItsWay() {
        var lag = SourceLag()
        var last: SourceLag.Partition?
        for number in 0...20 {
            let end = Int64(number) * 500
            last =
                lag.look(
                    committed: [max(0, end - Int64(number % 3) * 20)], ends: [end], ages: [nil], atNs: second(number))[
                    0]
        }
        #expect(last?.trend == .steady && last?.clearSeconds == 0)
    }

    @Test func theSourceItselfKnowsBestHowOldARecordIs() {
        var lag = SourceLag()
        let partition = lag.look(committed: [5], ends: [9], ages: [7_200_000], atNs: 0)[0]
        #expect(partition.lagSeconds == 7200)
        let done = lag.look(committed: [9], ends: [9], ages: [nil], atNs: second(1))[0]
        #expect(done.lagSeconds == 0 && done.lagRecords == 0 && done.clearSeconds == 0)
    }

    @Test func filesHaveNoLag() {
        var lag = SourceLag()
        let partition = lag.look(committed: [5], ends: nil, ages: [nil], atNs: 0)[0]
        #expect(
            partition.records == 5 && partition.lagRecords == nil && partition.clearSeconds == nil
                && partition.trend == nil)
    }

    @Test func partitionsThatComeLaterBeginAnew() {
        var lag = SourceLag()
        _ = lag.look(committed: [5], ends: [5], ages: [nil], atNs: 0)
        let both = lag.look(committed: [5, 0], ends: [5, 3], ages: [nil, nil], atNs: second(1))
        #expect(both.map(\.lagRecords) == [0, 3])
        // A day of looks keeps some hundred samples.
        for number in 2..<100 {
            _ = lag.look(committed: [5, 0], ends: [5, 3], ages: [nil, nil], atNs: second(number))
        }
        #expect(lag.look(committed: [5, 0], ends: [5, 3], ages: [nil, nil], atNs: second(100))[1].lagSeconds == 99)
    }
}
