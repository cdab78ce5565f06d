import Basics
import Database
import Problems
import SQLite
import Testing
import Time
import Trips

@testable import Stream

/// Standard deviations are those of all values, to the last digit, whatever the values and in whatever parts they came.
@Suite struct DeviationTests {
    private func words(_ values: [Int64]) -> [Int64] {
        var words = [Int64](repeating: 0, count: 5)
        for value in values {
            words[0] += 1
            words.withUnsafeMutableBufferPointer { words in
                #expect(!SplitSum.add(value, to: words.baseAddress! + 1))
                #expect(!SplitSum.addSquare(of: value, to: words.baseAddress! + 3))
            }
        }
        return words
    }

    private func deviation(_ values: [Int64], places: Int = 0) -> Int64? {
        let words = words(values)
        return SampleDeviation.rounded(
            count: words[0], sum: SplitSum(high: words[1], low: words[2]),
            squares: SplitSum(high: words[3], low: words[4]), places: places)
    }

    @Test func knownSamples() {
        #expect(deviation([]) == nil)
        #expect(deviation([7]) == nil)
        #expect(deviation([7, 7, 7]) == 0)
        // The sample of the textbooks: 32 / 7, whose root is 2.13809.
        #expect(deviation([2, 4, 4, 4, 5, 5, 7, 9], places: 2) == 214)
        #expect(deviation([2, 4, 4, 4, 5, 5, 7, 9], places: 6) == 2_138_090)
        #expect(deviation([-1, 2], places: 2) == 212)
        // Exactly ½, 1½ and 2½: halves go up.
        #expect([1, 3, 5].map { deviation([0, 0, 0, $0]) } == [1, 2, 3])
        #expect([10_000, 9_999].map { deviation([0, 0, 0, $0], places: -4) } == [1, 0])
    }

    /// Far from zero all digits but the last are the same: formulas in floating point give nothing.
    @Test func valuesFarFromZeroLoseNothing() {
        let base: Int64 = 9_000_000_000
        #expect(deviation([base, base + 1, base + 2]) == 1)
        #expect(deviation([-base, -base - 1, -base - 2]) == 1)
        #expect(deviation([99_999_999_999, 0]) == 70_710_678_118)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func agreesWithTwoPassesOverWholeNumbers(seed: UInt64) {
        var numbers = SplitMix64(seed: seed)
        for _ in 0..<300 {
            let reach = Int64(1) << Int64.random(in: 0...33, using: &numbers)
            let middle = Int64.random(in: -reach...reach, using: &numbers)
            let values = (0..<Int.random(in: 2...60, using: &numbers)).map { _ in
                middle + Int64.random(in: -reach...reach, using: &numbers)
            }
            let trips = values.map { SimpleTrip(time: 0, fare: $0) }
            let slow = Slow.deviation(\.fare)(trips)
            #expect(.number(Double(deviation(values) ?? -1) / 100) == slow, "\(values)")
        }
    }

    @Test func sumsAreWholeBeyond64Bits() {
        var numbers = SplitMix64(seed: 4)
        var (words, sum, squares) = ([Int64](repeating: 0, count: 4), Int128(0), Int128(0))
        for _ in 0..<2000 {
            let value = Int64.random(in: -1 << 60...1 << 60, using: &numbers)
            words.withUnsafeMutableBufferPointer { words in
                #expect(!SplitSum.add(value, to: words.baseAddress!))
                #expect(!SplitSum.addSquare(of: value >> 6, to: words.baseAddress! + 2))
            }
            sum += Int128(value)
            squares += Int128(value >> 6) * Int128(value >> 6)
            #expect(SplitSum(high: words[0], low: words[1]).whole == sum)
            #expect(SplitSum(high: words[2], low: words[3]).whole == squares)
            #expect(SplitSum.lows.contains(words[1]) && SplitSum.lows.contains(words[3]))
        }
    }

    private func plan(_ more: String = "", alerts: String = "") throws -> QueryPlan {
        try #require(
            try QueryCatalog.parse(
                """
                queries:
                  - name: own
                    window: {tumbling: 1h}\(more)
                    aggregates: {spread: stddev(fare), trips: count()}
                    emit: update
                \(alerts)
                """, file: "f"
            ).first)
    }

    @Test func sumsThatLeaveTheirWordsAreNamed() throws {
        let zone = try ZoneClock(identifier: "UTC")
        let state = QueryState(plan: try plan(), zone: zone)
        var lateRows: [Int32] = []
        let trips = (0..<3).map { SimpleTrip(id: $0, time: 1_705_924_800_000, fare: .max - 1) }
        state.add(trips.batch(), from: 0, watermarks: nil, lateRows: &lateRows)
        let problem = #expect(throws: Problem.self) { try QueryOutputBuilder(state, query: 0).cut(watermark: .min) }
        #expect(problem?.code == .badData)
        #expect(problem?.message.contains("the sums of \"spread\" leave 128 bits") == true)
    }

    @Test func viewsAndAlertsShowIt() throws {
        let stream = try StoredStream()
        let plan = try plan(alerts: "alerts:\n  - {name: uneven, on: own, if: spread > 0.71}")
        try stream.produce([0], fields: #""fare":10"#)
        try stream.stream([plan])
        let shown = "SELECT spread, trips FROM own"
        #expect(try stream.database.connection.rows(shown) { [$0.value(0), $0.value(1)] } == [[.null, 1]])
        try stream.produce([1000, 2000], fields: #""fare":11.25"#)
        try stream.stream([plan], untilEnd: true)
        #expect(try stream.database.connection.rows(shown) { [$0.value(0), $0.value(1)] } == [[.real(0.72), 3]])
        #expect(try stream.database.connection.value("SELECT value FROM stored_alerts") == .real(0.72))
    }

    /// What contradicts itself was not written by a stream.
    @Test(arguments: [
        ("spread_squares_low = -1", "column spread_squares_low"), ("spread_squares_high = -1", "sums that some values"),
        ("spread_sum_low = 9000000000", "sums that some values"), ("spread_n = 0", "sums that some values"),
        ("spread_n = -1", "column spread_n"), ("spread = 999", "the standard deviation of its sums"),
        ("spread = NULL", "the standard deviation of its sums"), ("spread_n = 1", "sums that some values"),
        ("spread_sum_high = 9223372036854775807", "sums that some values"), ("spread_n = 'x'", "column spread_n"),
    ])
    func aDamagedStateIsToldOf(change: String, says: String) throws {
        for group in ["", "\n    group: [company]"] {
            let stream = try StoredStream()
            let plan = try plan(group)
            try stream.produce([0, 1000], fields: #""fare":10,"company":"A""#)
            try stream.produce([2000], fields: #""fare":12,"company":"A""#)
            try stream.stream([plan])
            if group.isEmpty {
                try stream.database.connection.execute("UPDATE stored_own SET \(change)")
            } else {
                let parts = change.split(separator: " = ")
                let place = plan.stateColumns.firstIndex { $0.name == parts[0] } ?? -1
                try stream.database.connection.execute(
                    "UPDATE stored_own SET groups = json_set(groups, '$.\"0\"[\(place)]', \(parts[1]))")
            }
            try stream.produce([3000], fields: #""fare":10,"company":"A""#)
            let problem = #expect(throws: Problem.self) { try stream.stream([plan], outcome: nil) }
            #expect(problem?.code == .badData)
            #expect(
                problem?.message.contains(group.isEmpty ? says : "column groups") == true, "\(problem?.message ?? "")")
        }
    }
}
