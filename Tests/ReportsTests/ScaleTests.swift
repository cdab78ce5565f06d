import Basics
import Testing

@testable import Reports

@Suite struct ScaleTests {
    struct Ticks: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var from: Double
        var to: Double
        var count: Int
        var ticks: [Double]
    }

    @Test(arguments: [
        Ticks(testDescription: "ones", from: 0, to: 5, count: 5, ticks: [0, 1, 2, 3, 4, 5]),
        Ticks(testDescription: "reaches over the greatest value", from: 0, to: 51.2, count: 5, ticks: [0, 20, 40, 60]),
        Ticks(testDescription: "below zero", from: -3, to: 4, count: 4, ticks: [-4, -2, 0, 2, 4]),
        Ticks(testDescription: "parts of one", from: 0, to: 0.07, count: 4, ticks: [0, 0.02, 0.04, 0.06, 0.08]),
        Ticks(testDescription: "millions", from: 0, to: 7_300_000, count: 3, ticks: [0, 5_000_000, 10_000_000]),
        Ticks(testDescription: "nothing at all still has two", from: 0, to: 0, count: 2, ticks: [0, 0.5, 1]),
    ])
    func ticksAreRound(_ c: Ticks) {
        let ticks = niceTicks(from: c.from, to: c.to, count: c.count)
        #expect(ticks.count == c.ticks.count)
        for (tick, expected) in zip(ticks, c.ticks) { #expect(abs(tick - expected) < 1e-9) }
    }

    @Test func scalesMapEndsToEnds() {
        let y = LinearScale((0, 50), to: (300, 20))
        #expect([y(0), y(25), y(50)] == [300, 160, 20])
        let log = LogScale((1, 100), to: (0, 200))
        #expect(abs(log(10) - 100) < 1e-9)
        #expect(LinearScale((3, 3), to: (0, 10))(3) == 0, "a range without length divides nothing by zero")
    }

    @Test func labelsAreCountedFromTheNewest() {
        #expect(labelled(count: 36, most: 12) == Set(stride(from: 35, through: 2, by: -3)))
        #expect(labelled(count: 3, most: 12) == [0, 1, 2])
        #expect(labelled(count: 0, most: 12).isEmpty)
        #expect(labelled(count: 120, most: 4).count <= 4)
    }

    @Test(arguments: [
        (0.0, "0"), (12.5, "12.5"), (1000, "1k"), (1250, "1.25k"), (5_000_000, "5M"), (2.5e9, "2.5G"), (-1500, "-1.5k"),
    ])
    func axesAreShort(value: Double, text: String) { #expect(shortNumber(value) == text) }

    @Test(arguments: [
        ("1234567.50", "1,234,567.50"), ("999", "999"), ("-1000", "-1,000"), ("", ""), ("100000", "100,000"),
    ])
    func digitsStandInThrees(number: String, text: String) { #expect(grouped(number) == text) }

    @Test(arguments: [(0.125, 2, "0.13"), (-0.004, 2, "0.00"), (1.5, 0, "2"), (20, 2, "20.00"), (-12.345, 1, "-12.3")])
    func decimalsAreFixed(value: Double, decimals: Int, text: String) {
        #expect(fixed(value, decimals: decimals) == text)
    }

    @Test(arguments: [
        ("2024-01", "2024-01", "2024-02", "Jan 24"), ("2024-12", "2024-12", "2025-01", "Dec 24"),
        ("2024-Q4", "2024-10", "2025-01", "Q4 24"), ("2024-Q1", "2024-01", "2024-04", "Q1 24"),
        ("2024", "2024", "2025", "2024"),
    ])
    func periodsHaveBoundsAndLabels(period: String, from: String, until: String, label: String) {
        let text = PeriodText(text: period)
        #expect(text.bounds == (from, until))
        #expect(text.short == label)
    }
}
