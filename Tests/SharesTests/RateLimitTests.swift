import Shares
import Testing

@Suite struct RateLimitTests {
    /// Takes as much as is allowed, whenever it is; gives how many records a second came through.
    private func rate(_ perSecond: Double, atOnce: Int, seconds: Int64, pausesNs: Int64 = 0) -> Double {
        var limit = RateLimit(perSecond: perSecond)
        var (now, taken): (Int64, Int) = (0, 0)
        while now < seconds * 1_000_000_000 {
            let wait = limit.waitNs(atNs: now)
            if wait > 0 {
                now += wait
                continue
            }
            limit.take(atOnce, atNs: now)
            taken += atOnce
            now += pausesNs
        }
        return Double(taken) / Double(seconds)
    }

    @Test(arguments: [(5000.0, 1), (5000, 250), (5000, 8192), (0.5, 1), (1e6, 25_000)])
    func theMeanIsTheLimit(_ perSecond: Double, _ atOnce: Int) {
        let got = rate(perSecond, atOnce: atOnce, seconds: 1000)
        #expect(abs(got / perSecond - 1) < 0.02, "\(got)")
    }

    @Test func whoTakesLessIsNotHeldBack() {
        var limit = RateLimit(perSecond: 100)
        for second in Int64(0)..<100 {
            let now = second * 1_000_000_000
            #expect(limit.waitNs(atNs: now) == 0)
            limit.take(50, atNs: now)
        }
    }

    @Test func aPauseSavesUpATenthOfASecond() {
        var limit = RateLimit(perSecond: 1000)
        limit.take(1, atNs: 0)
        let hour: Int64 = 3_600_000_000_000
        limit.take(100, atNs: hour)
        #expect(limit.waitNs(atNs: hour) == 0)
        limit.take(1000, atNs: hour)
        #expect(limit.waitNs(atNs: hour) == 1_000_000_000)
    }
}
