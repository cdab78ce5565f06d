import Problems
import Stream
import Testing
import Time
import Trips

@Suite struct DeclarationTests {
    @Test func theDefaultsAreTheFiveQueries() throws {
        let plans = try QueryCatalog.load()
        #expect(
            plans.map(\.name) == [
                "sumFareWindow", "tripsTotal", "hotspotCommunityPickupWindow", "hotspotWindow", "fareDistribution",
            ])
        #expect(
            plans.map(\.table) == [
                "sumfarewindow", "tripstotal", "hotspotcommunitywindow", "hotspotwindow", "faredistribution",
            ])
        #expect(plans.map(\.topicSuffix) == plans.map { "\($0.name)Stream" })
        #expect(plans.map(\.emit) == [.update, .complete, .append, .append, .append])
        #expect(
            plans.map(\.window) == [
                .tumbling(sizeMs: 5000), .none, .sliding(sizeMs: 60_000, everyMs: 30_000),
                .sliding(sizeMs: 60_000, everyMs: 30_000), .tumbling(sizeMs: 3_600_000),
            ])
        #expect(
            plans.map(\.groups) == [[], [.day], [.field(.pickupArea)], [.field(.pickupLocation)], [.fareBucket]])
        #expect(plans.map(\.words) == [7, 7, 1, 1, 3])
        #expect(
            plans[0].messageFields.map { plans[0].aggregates[$0].name } == [
                "total_fare", "tips_fare", "total_trip_total",
            ])
        #expect(plans[1].messageFields == [0, 1, 2, 3])
    }

    @Test func theDefaultsReadOnlySixColumns() throws {
        let fields = try QueryCatalog.load().reduce(into: TripFieldSet()) { $0.formUnion($1.fields) }
        #expect(fields == TripFieldSet([.fare, .tips, .total, .pickupArea, .pickupLocation]))
    }

    @Test func readsAUsersOwnQuery() throws {
        let plan = try #require(
            try QueryCatalog.parse(
                """
                queries:
                  - name: cashByCompany
                    where: payment_type = 'Cash' and fare >= 5.00 and company is not null
                    group: [company, hour_of_week]
                    window: {sliding: 1h, every: 15m}
                    aggregates: {trips: count(), fares: sum(fare), dearest: max(fare), miles: avg(trip_miles), p90: quantile(fare, 0.9), n: count(tips), all: count(*)}
                    emit: append
                """, file: "q.yaml"
            ).first)
        #expect(plan.table == "cashbycompany")
        #expect(plan.window == .sliding(sizeMs: 3_600_000, everyMs: 900_000))
        #expect(plan.groups == [.field(.company), .hourOfWeek])
        #expect(
            plan.filter
                == .and([
                    .compareString(.paymentType, .equal, Array("Cash".utf8)),
                    .compareInteger(.field(.fare), .greaterOrEqual, 500), .isNotNull(.field(.company)),
                ]))
        #expect(
            plan.aggregates == [
                AggregatePlan(name: "trips", function: .count),
                AggregatePlan(name: "fares", function: .sum, field: .fare),
                AggregatePlan(name: "dearest", function: .max, field: .fare),
                AggregatePlan(name: "miles", function: .avg, field: .miles),
                AggregatePlan(name: "p90", function: .quantile(0.9), field: .fare),
                AggregatePlan(name: "n", function: .countField, field: .tips),
                AggregatePlan(name: "all", function: .count),
            ])
        #expect(plan.words == 1 + 2 + 1 + 2 + 0 + 1 + 1)
        #expect(plan.fields == TripFieldSet([.paymentType, .fare, .company, .miles, .tips]))
    }

    @Test(arguments: [
        ("window: none", WindowSpec.none), ("", .none), ("window:", .none),
        ("window: {tumbling: 1h30m}", .tumbling(sizeMs: 5_400_000)), ("window: {tumbling: day}", .localDay),
        ("window: {sliding: 7d, every: 1d}", .sliding(sizeMs: 604_800_000, everyMs: 86_400_000)),
    ])
    func readsWindows(_ line: String, _ window: WindowSpec) throws {
        let text = "queries:\n  - name: q\n    aggregates: {n: count()}\n    \(line)\n"
        let plan = try #require(try QueryCatalog.parse(text, file: "f").first)
        #expect(plan.window == window)
        // Where nothing is said, windows come out when they close, and the rest whole.
        #expect(plan.emit == (window == .none ? .complete : .append))
    }

    @Test func aFileWithoutQueriesHasNone() throws {
        #expect(try QueryCatalog.parse("", file: "f").isEmpty)
        #expect(try QueryCatalog.parse("queries:\n", file: "f").isEmpty)
    }

    @Test func selectsByNameAndSuggestsTheNearest() throws {
        let plans = try QueryCatalog.load()
        #expect(try QueryCatalog.select([], from: plans) == plans)
        #expect(try QueryCatalog.select(["tripsTotal"], from: plans).map(\.name) == ["tripsTotal"])
        let problem = #expect(throws: Problem.self) { try QueryCatalog.select(["hotspotsWindow"], from: plans) }
        #expect(problem?.code == .usage)
        #expect(problem?.hint?.contains("\"hotspotWindow\"") == true)
    }

    @Test func aNameOfADefaultQueryIsTaken() {
        let text = "queries:\n  - name: tripstotal\n    aggregates: {n: count()}\n"
        let problem = #expect(throws: Problem.self) { try QueryCatalog.parse(text, file: "f", defaults: true) }
        #expect(problem?.location?.description == "f:2:11")
        #expect(throws: Never.self) { try QueryCatalog.parse(text, file: "f", defaults: false) }
    }

    @Test func aFingerprintTellsWhatTheRowsMean() throws {
        func fingerprint(_ lines: String) throws -> String {
            try #require(try QueryCatalog.parse("queries:\n  - name: q\n\(lines)", file: "f").first).schemaFingerprint
        }
        let base = try fingerprint("    aggregates: {n: count(), s: sum(fare)}\n    where: fare > 1\n")
        #expect(base == "no window; n count(); s sum(fare); where fare > 1.00")
        #expect(
            try fingerprint("    where: fare > 1.00\n    aggregates: {n: count(*), s: sum(fare)}\n    message: [n]\n")
                == base)
        #expect(try fingerprint("    aggregates: {n: count(), s: sum(tips)}\n    where: fare > 1\n") != base)
        #expect(try fingerprint("    aggregates: {n: count(), s: sum(fare)}\n    where: fare > 2\n") != base)
    }
}
