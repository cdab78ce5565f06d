import Problems
import Testing

@testable import Replay

private let second: Int64 = 1_000_000_000

@Suite struct RateShapeTests {
    static let shapes: [RateShape] = [
        .constant(1), .constant(3), .constant(10_000), .constant(0.01), .ramp(from: 10, to: 5000, overNs: 60 * second),
        .ramp(from: 100, to: 0, overNs: 10 * second), .ramp(from: 0, to: 50, overNs: 20 * second),
        .sine(least: 100, greatest: 900, periodNs: 300 * second), .sine(least: 0, greatest: 40, periodNs: 7 * second),
        .sine(least: 5, greatest: 5, periodNs: second),
        .burst(base: 100, extra: 5000, lengthNs: 2 * second, everyNs: 30 * second),
        .burst(base: 0, extra: 10, lengthNs: 300_000_000, everyNs: second),
    ]

    @Test("records are the integral of the rate", arguments: shapes)
    func integral(_ shape: RateShape) {
        let steps = 100_000
        let stepNs: Int64 = 1_000_000
        var sum = 0.0
        for step in 0..<steps {
            sum += shape.rate(atNs: Int64(step) * stepNs + stepNs / 2) * 1e-3
            if step % 9973 == 0 || step == steps - 1 {
                let exact = shape.records(byNs: Int64(step + 1) * stepNs)
                #expect(abs(exact - sum) <= max(1e-6, sum * 1e-6), "after \(step + 1) ms")
            }
        }
    }

    @Test("a due time is the instant from which the record is asked for", arguments: shapes)
    func inverse(_ shape: RateShape) {
        var last: Int64 = 0
        for n in stride(from: 0, through: 3000, by: 7) {
            let due = shape.dueNs(ofRecord: Double(n))
            #expect(due >= last)
            last = due
            guard due != .max else { continue }
            #expect(shape.records(byNs: due + 1000) >= Double(n) - 1e-6)
            #expect(shape.records(byNs: due - 2) <= Double(n) + 1e-6)
        }
    }

    @Test func aConstantRateDoesNotDriftOverADay() {
        let day = 86400 * second
        #expect(RateShape.constant(3).dueNs(ofRecord: 3 * 86400) == day)
        #expect(RateShape.constant(10_000).dueNs(ofRecord: 864_000_000) == day)
        let sine = RateShape.sine(least: 100, greatest: 900, periodNs: 300 * second)
        #expect(abs(sine.dueNs(ofRecord: 500 * 86400) - day) <= 1000)
    }

    @Test func aBurstWithoutBaseKeepsItsRecordsInside() {
        let burst = RateShape.burst(base: 0, extra: 5000, lengthNs: 2 * second, everyNs: 30 * second)
        #expect(burst.dueNs(ofRecord: 9999) < 2 * second)
        #expect(burst.dueNs(ofRecord: 10_000) == 30 * second)
    }

    @Test func aRampToNothingEnds() {
        let ramp = RateShape.ramp(from: 100, to: 0, overNs: 10 * second)
        #expect(ramp.records(byNs: 100 * second) == 500)
        #expect(ramp.dueNs(ofRecord: 500) == .max)
    }

    @Test(arguments: [
        ("1000/s", Pace.shaped(.constant(1000))), ("1000", .shaped(.constant(1000))),
        ("10k/s", .shaped(.constant(10_000))),
        ("60/min", .shaped(.constant(1))), ("1,500/s", .shaped(.constant(1500))), ("max", .unlimited),
        ("60x", .eventTime(factor: 60)), ("ramp:10..5000/60s", .shaped(.ramp(from: 10, to: 5000, overNs: 60 * second))),
        ("sine:100..900/5m", .shaped(.sine(least: 100, greatest: 900, periodNs: 300 * second))),
        ("burst:5000x2s/30s", .shaped(.burst(base: 0, extra: 5000, lengthNs: 2 * second, everyNs: 30 * second))),
    ])
    func reads(_ text: String, _ pace: Pace) throws {
        #expect(try Pace.parse(text) == pace)
    }

    @Test(arguments: [
        "0/s", "-5", "fast", "10/day/s", "1e9", "ramp:10..5000", "ramp:5/60s", "ramp:0..0/5s", "sine:9..1/5m",
        "burst:5x2s",
        "burst:5x40s/30s", "rampe:1..2/3s", "0x", "x", "inf", "nan/s", "", ":", "2000000000/s", "ramp:..5/60s",
        "sine:1..2/", "99999999999x", "1e9x", "\(String(repeating: "9", count: 400))x",
        "burst:1x\(String(repeating: "9", count: 400))s/5s", "ramp:1..2/99999999999d",
    ])
    func refuses(_ text: String) {
        #expect { try Pace.parse(text) } throws: { error in
            guard let problem = error as? Problem else { return false }
            return problem.code == .usage && problem.hint != nil
        }
    }

    @Test func optionsCombineOrExcludeEachOther() throws {
        #expect(try Pace.parse(rate: nil, shape: nil, speed: nil, unlimited: false) == .unlimited)
        #expect(try Pace.parse(rate: "5/s", shape: "constant", speed: nil, unlimited: false) == .shaped(.constant(5)))
        let burst = RateShape.burst(base: 5, extra: 10, lengthNs: second, everyNs: 2 * second)
        #expect(try Pace.parse(rate: "5/s", shape: "burst:10x1s/2s", speed: nil, unlimited: false) == .shaped(burst))
        for wrong: (String?, String?, Double?, Bool) in [
            ("5/s", nil, 60, false), (nil, nil, 60, true), ("5/s", nil, nil, true),
            ("5/s", "ramp:1..2/3s", nil, false),
            (nil, "constant", nil, false),
        ] {
            #expect(throws: Problem.self) {
                try Pace.parse(rate: wrong.0, shape: wrong.1, speed: wrong.2, unlimited: wrong.3)
            }
        }
    }

    @Test func aMistypedShapeGetsTheNearestName() {
        #expect { try Pace.parse("rammp:1..2/3s") } throws: { error in
            (error as? Problem)?.hint == "Did you mean \"ramp\"?"
        }
    }
}
