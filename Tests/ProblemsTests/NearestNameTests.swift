import Problems
import Testing

@Suite struct NearestNameTests {
    @Test(
        arguments: [
            ("sumFareWindw", "sumFareWindow"), ("TRIPSTOTAL", "tripsTotal"), ("tirpsTotal", "tripsTotal"), ("x", nil),
            ("", nil),
            ("hot", nil),
        ] as [(String, String?)])
    func isTheOneThatWasMeant(text: String, name: String?) {
        #expect(nearestName(to: text, among: ["sumFareWindow", "tripsTotal", "hotspotWindow"]) == name)
    }

    /// One that is a letter away, though another has as many letters in common.
    @Test func amongThoseThatAreNearTheNearestIsTaken() {
        #expect(nearestName(to: "abcd", among: ["a", "abcdef", "abcde"]) == "abcde")
    }

    /// Of a megabyte each letter would be compared with each of every name.
    @Test func ofAHugeTextNothingIsCompared() {
        let text = String(repeating: "9", count: 1 << 20)
        let start = ContinuousClock.now
        #expect(nearestName(to: text, among: Array(repeating: "sumFareWindow", count: 200)) == nil)
        #expect(start.duration(to: .now) < .seconds(5))
    }
}
