import Testing
import Time
import Trips

@testable import Replay

private let second: Int64 = 1_000_000_000

/// Plays a pacer against a clock in which a wake-up is a bit late and now and then somebody stalls.
private func play(_ pacer: inout Pacer, untilNs: Int64, stall: (Int64) -> Int64 = { _ in 0 }) -> [Pacer.SecondAccount] {
    var now = pacer.startNs
    var seconds: [Pacer.SecondAccount] = []
    let events = [EventTime](repeating: 0, count: 100_000)
    while now < untilNs {
        let due = events.withUnsafeBufferPointer { pacer.dueCount(atNs: now, events: $0) }
        if due > 0 { pacer.markSent(due, atNs: now, first: 0) } else { pacer.close(secondsBefore: now) }
        if let last = pacer.lastSecond, last != seconds.last { seconds.append(last) }
        now = max(now, min(pacer.wakeNs(next: 0), untilNs)) + 60_000 + stall(now)
    }
    return seconds
}

@Suite struct PacerTests {
    @Test("every second gets what was asked for, within 1 %", arguments: [1.0, 3, 100, 150, 10_000])
    func rates(_ rate: Double) {
        var pacer = Pacer(pace: .shaped(.constant(rate)), startNs: 5 * second, firstEvent: 0)
        let seconds = play(&pacer, untilNs: 36 * second)
        #expect(seconds.count >= 29)
        for account in seconds {
            #expect(account.asked == Int(rate))
            #expect(abs(account.sent - Int(rate)) <= Int(rate / 100), "second \(account.index)")
        }
        #expect(pacer.maxBehindNs <= Pacer.tickNs + 60_000)
    }

    @Test func aSlowRecordGoesOutAtItsExactTime() {
        var pacer = Pacer(pace: .shaped(.constant(1)), startNs: 0, firstEvent: 0)
        pacer.markSent(1, atNs: 40_000, first: 0)
        #expect(pacer.wakeNs(next: 0) == second)
    }

    @Test func aStallIsCaughtUpAndShown() {
        var pacer = Pacer(pace: .shaped(.constant(100)), startNs: 0, firstEvent: 0)
        let seconds = play(&pacer, untilNs: 20 * second) { now in
            now > 5 * second && now < 5 * second + 8_000_000 ? 3 * second : 0
        }
        #expect(pacer.maxBehindNs > 2_900_000_000 && pacer.maxBehindNs < 3_100_000_000)
        #expect(seconds.contains { $0.sent > 300 })
        #expect(abs(pacer.sent - 2001) <= 1)
        #expect(pacer.behindNs(atNs: 20 * second, next: 0) == 0)
    }

    @Test func aNewRateCountsFromNow() {
        var pacer = Pacer(pace: .shaped(.constant(100)), startNs: 0, firstEvent: 0)
        _ = play(&pacer, untilNs: 10 * second)
        let before = pacer.sent
        pacer.change(to: .shaped(.constant(1000)), atNs: 10 * second, next: 0)
        let events = [EventTime](repeating: 0, count: 10_000)
        #expect(events.withUnsafeBufferPointer { pacer.dueCount(atNs: 10 * second, events: $0) } <= 1)
        let after = events.withUnsafeBufferPointer { pacer.dueCount(atNs: 11 * second, events: $0) }
        #expect(abs(after - 1000) <= 1)
        #expect(abs(before - 1000) <= 1)
    }

    @Test func aRecordPartlyDueStaysPartlyDue() {
        var pacer = Pacer(pace: .shaped(.constant(1)), startNs: 0, firstEvent: 0)
        pacer.markSent(1, atNs: 0, first: 0)
        pacer.change(to: .shaped(.constant(0.1)), atNs: second / 2, next: 0)
        #expect(pacer.dueNs(next: 0) == second / 2 + 5 * second)
    }

    @Test func aLowerRateForgetsTheDelayOfAHigherOne() {
        var pacer = Pacer(pace: .shaped(.constant(1e6)), startNs: 0, firstEvent: 0)
        pacer.markSent(10, atNs: 0, first: 0)
        pacer.change(to: .shaped(.constant(10)), atNs: 10 * second, next: 0)
        #expect(pacer.behindNs(atNs: 10 * second, next: 0) == 0)
        let events = [EventTime](repeating: 0, count: 10_000)
        #expect(events.withUnsafeBufferPointer { pacer.dueCount(atNs: 11 * second, events: $0) } == 11)
    }

    @Test func theMeanAskedRateCountsEachPaceForItsTime() {
        var pacer = Pacer(pace: .shaped(.constant(100)), startNs: 0, firstEvent: 0)
        #expect(pacer.meanAskedRate(byNs: 7 * second) == 100)
        pacer.change(to: .shaped(.constant(300)), atNs: 10 * second, next: 0)
        #expect(abs((pacer.meanAskedRate(byNs: 20 * second) ?? 0) - 200) < 1e-6)
    }

    @Test(
        "shapes send their totals",
        arguments: [
            (RateShape.ramp(from: 10, to: 5000, overNs: 20 * second), 50_100),
            (.sine(least: 100, greatest: 900, periodNs: 10 * second), 10_000),
            (.burst(base: 10, extra: 500, lengthNs: 2 * second, everyNs: 10 * second), 2200),
        ])
    func totals(_ shape: RateShape, _ total: Int) {
        var pacer = Pacer(pace: .shaped(shape), startNs: 0, firstEvent: 0)
        for account in play(&pacer, untilNs: 20 * second) {
            #expect(
                abs(account.sent - (account.asked ?? 0)) <= max(1, (account.asked ?? 0) / 100),
                "second \(account.index)")
        }
        #expect(abs(pacer.sent - total) <= 1 + total / 1000)
    }

    @Test func eventTimeIsSpedUp() {
        var pacer = Pacer(pace: .eventTime(factor: 60), startNs: 0, firstEvent: 1_000_000)
        #expect(pacer.dueNs(next: 1_060_000) == second)
        let events: [EventTime] = [1_000_000, 1_030_000, 1_060_000, 1_060_001]
        #expect(events.withUnsafeBufferPointer { pacer.dueCount(atNs: second, events: $0) } == 3)
        pacer.change(to: .eventTime(factor: 1), atNs: second, next: 1_070_000)
        #expect(pacer.dueNs(next: 1_070_000) == 11 * second)
    }

    /// Years of a replay at the greatest speed are more event time than there is.
    @Test func theGreatestSpeedIsChangedAfterAnyTime() {
        var pacer = Pacer(pace: .eventTime(factor: Pace.greatestFactor), startNs: 0, firstEvent: 1_000_000)
        pacer.change(to: .eventTime(factor: 1), atNs: 100 * 365 * 86_400 * second, next: 1_070_000)
        #expect(pacer.dueNs(next: 1_070_000) == 100 * 365 * 86_400 * second)
    }
}
