import Testing

@testable import Serve

@Suite struct RestartRuleTests {
    private let spec = RestartSpec(firstMs: 100, limitMs: 1000, attempts: 6)

    @Test func pausesDoubleUpToTheLongest() {
        var rule = RestartRule(spec)
        let pauses = (0..<6).map { _ in rule.ended(code: 1, ranMs: 5) }
        #expect(pauses == [100, 200, 400, 800, 1000, 1000].map { .again(afterMs: $0) })
        guard case .failed = rule.ended(code: 1, ranMs: 5) else {
            Issue.record("seven times in a row is too often")
            return
        }
    }

    @Test func oneThatHasRunLongBeginsAnew() {
        var rule = RestartRule(spec)
        for _ in 0..<4 { _ = rule.ended(code: 137, ranMs: 5) }
        #expect(rule.ended(code: 137, ranMs: 3_600_000) == .again(afterMs: 100))
    }

    @Test func exitCodesSayWhetherItIsWorthIt() {
        var rule = RestartRule(spec)
        #expect(rule.ended(code: 0, ranMs: 5) == .done)
        for code in [Int32(64), 78] {
            guard case .failed = rule.ended(code: code, ranMs: 5) else {
                Issue.record("\(code) ends the same way again")
                continue
            }
        }
        // What is only not there yet is waited for.
        for _ in 0..<100 { _ = rule.ended(code: 75, ranMs: 5) }
        #expect(rule.ended(code: 75, ranMs: 5) == .again(afterMs: 1000))
        #expect(RestartRule.text(137) == "signal 9" && RestartRule.text(130) == "exit code 130")
    }
}
