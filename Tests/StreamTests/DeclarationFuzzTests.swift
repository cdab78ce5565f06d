import FuzzSupport
import Problems
import Testing

@testable import Stream

/// Declarations of queries and alerts that are nearly right.
@Suite struct DeclarationFuzzTests {
    private static let texts = [
        """
        queries:
          - name: cashByCompany
            where: payment_type in ('Cash', 'Mobile') and not (fare < 5.00 or hour between 7 and 9)
            window: {sliding: 1h, every: 15m}
            group: [company, hour]
            emit: update
            aggregates: {trips: count(), fares: sum(fare), p90: quantile(fare, 0.9), most: max(trip_miles)}
          - {name: days, window: {tumbling: day}, aggregates: {n: count(*)}, table: days, topic: days}
        """,
        """
        alerts:
          - {name: fare-spike, on: sumFareWindow, if: total_fare > 5000 and trips >= 3, for: 3 windows, cooldown: 10m, run: spike}
          - {name: busy, on: hotspotCommunityPickupWindow, if: count > 5 and pickup_community_area != 8}
        """,
    ]
    private static let words = [
        "count()", "sum(", "quantile(fare, ", "is not null", "between", "in (", "not ", "and ", "where: ", "window: ",
        "{tumbling: 5s}", "emit: ",
        "'2024-04-13 08:00:00'", "fare_bucket", "hour_of_week", "late: ", "1ms", "365d",
    ]

    @Test(arguments: FuzzSeeds.all) func aPlanOrAProblem(_ seed: UInt64) {
        var mutator = TextMutator(seed: seed, texts: Self.texts, words: Self.words)
        for number in 0..<FuzzSeeds.inputs {
            let text = mutator.next()
            do throws(Problem) {
                let plans = try QueryCatalog.parse(
                    String(decoding: text, as: UTF8.self), file: "q.yaml", defaults: true)
                #expect(Set(plans.map(\.name)).count == plans.count, "seed \(seed), input \(number)")
            } catch {
                // What was no UTF-8 has become so, and is up to three times as long.
                let fault = fault(in: error, of: Array(String(decoding: text, as: UTF8.self).utf8))
                #expect(fault == nil, "seed \(seed), input \(number): \(fault ?? "") in \(error)")
            }
        }
    }
}
