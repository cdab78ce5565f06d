import Testing

@testable import Time

/// The time on the wall as a process takes it.
@Suite struct SteadyTimeTests {
    private static let day: Int64 = 86_400_000

    /// What `now` gives at each look: seconds since the first one, and by how many ms the wall was set by then.
    private func looks(_ looks: [(second: Int64, setMs: Int64)]) -> [EventTime] {
        var time = SteadyTime()
        return looks.map { time.now(wallMs: 1_000_000_000 + $0.second * 1000 + $0.setMs, elapsedMs: $0.second * 1000) }
            .map { $0 - 1_000_000_000 }
    }

    //  0 s      10 s  +400 d        16 s back      20 s
    @Test(arguments: [400 * day, -400 * day, 61_000, -61_000])
    func aClockThatJumpsForAMomentMovesNothing(_ jumpMs: Int64) {
        #expect(looks([(0, 0), (10, jumpMs), (15, jumpMs), (16, 0), (20, 0)]) == [0, 10_000, 15_000, 16_000, 20_000])
    }

    @Test(arguments: [400 * day, -400 * day])
    func aClockThatWasSetIsBelievedAfterAMinute(_ jumpMs: Int64) {
        #expect(
            looks([(0, 0), (10, jumpMs), (69, jumpMs), (70, jumpMs), (71, jumpMs)])
                == [0, 10_000, 69_000, 70_000 + jumpMs, 71_000 + jumpMs])
        // A minute at one place, not at several.
        #expect(looks([(0, 0), (10, jumpMs), (60, 2 * jumpMs), (100, 2 * jumpMs)]) == [0, 10_000, 60_000, 100_000])
    }

    @Test func whatATimeServerCorrectsIsBelievedAtOnce() {
        #expect(looks([(0, 0), (10, 60_000), (20, 120_000), (30, 119_000)]) == [0, 70_000, 140_000, 149_000])
    }

    @Test func sleepIsNoJump() {
        #expect(looks([(0, 0), (400 * 86_400, 0)]) == [0, 400 * Self.day])
    }

    @Test func saysWhatItDoesNotBelieve() {
        var time = SteadyTime()
        _ = time.now(wallMs: 1000, elapsedMs: 1000)
        #expect(time.heldJumpMs == nil)
        _ = time.now(wallMs: 2000 + 3 * Self.day, elapsedMs: 2000)
        #expect(time.heldJumpMs == 3 * Self.day)
        _ = time.now(wallMs: 3000, elapsedMs: 3000)
        #expect(time.heldJumpMs == nil)
    }
}
