import Basics
import Testing

@Suite struct DurationTextTests {
    @Test(
        arguments: [
            ("5s", 5000), ("1m", 60_000), ("1h30m", 5_400_000), ("7d", 604_800_000), ("250ms", 250), ("1s5ms", 1005),
            ("0s", 0), ("", nil), ("5", nil), ("s", nil), ("5S", nil), ("1m1h", nil), ("1m1m", nil), ("-5s", nil),
            ("5 s", nil), ("99999999999999999999s", nil), ("9999999999999999d", nil), ("１s", nil), ("1.5h", nil),
            ("106751991167d7h12m55s807ms", Int64.max), ("106751991167d7h12m55s808ms", nil),
        ] as [(String, Int64?)])
    func readsLengthsOfTime(_ text: String, _ ms: Int64?) {
        #expect(parseDurationMs(text) == ms)
        if let ms { #expect(parseDurationMs(durationText(ms: ms)) == ms) }
        if !text.contains(".") { #expect(parseDurationMs(text, fractions: true) == ms) }
    }

    @Test(
        arguments: [
            ("1.5h", 5_400_000), ("0.1s", 100), ("0.001s", 1), ("1.15s", 1150), ("0.00001h", 36),
            ("2.50000000000m", 150_000),
            ("1.0d2.5m", 86_550_000), ("0.0s", 0), ("0.0001s", nil), (".5s", nil), ("5.s", nil), ("1.5.2s", nil),
            (".s", nil),
            ("0.5ms", nil), ("106751991167.9d", nil),
        ] as [(String, Int64?)])
    func readsFractionsThatAreWholeMilliseconds(_ text: String, _ ms: Int64?) {
        #expect(parseDurationMs(text, fractions: true) == ms)
    }

    @Test(
        arguments: [
            (0, "0ms"), (999, "999ms"), (1500, "1.5s"), (5000, "5s"), (125_000, "2m5s"), (60_000, "1m"),
            (11_400_000, "3h10m"), (187_200_000, "2d4h"), (-5000, "-5s"),
        ] as [(Int64, String)])
    func roundsToTwoUnits(_ ms: Int64, _ text: String) {
        #expect(roundedDurationText(ms: ms) == text)
    }
}
