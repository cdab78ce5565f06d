import Batch
import Database
import Stream
import Testing

@testable import Audit

/// Declared analyses, vintages and alerts are compared where what they come from is still there, and listed where it is not.
@Suite struct AnalysesTests {
    private static func analysis(_ select: String) throws -> DeclaredAnalysis {
        try DeclaredAnalysis.parse("-- name: own\n-- by: month\n-- columns: n\n\(select)", file: "own.sql")
    }

    private func filled(_ queries: String = "") throws -> (AuditedTenant, [QueryPlan]) {
        let tenant = try AuditedTenant()
        let plans = try QueryCatalog.parse(queries.isEmpty ? "queries: []" : queries, file: "test.yaml", defaults: true)
        try tenant.produce(Trip.random(400, seed: 50))
        try tenant.stream(plans)
        return (tenant, plans)
    }

    @Test(arguments: [
        "SELECT sum(count) AS n FROM hotspotwindow WHERE window_start < :until",
        "SELECT count(*) AS n FROM sumfarewindow WHERE total_fare > 10.00",
        "SELECT trips AS n FROM bycompany ORDER BY trips, company",
        "SELECT p50 AS n FROM bycompany ORDER BY company",
        "SELECT fare_p50 AS n FROM main.fare_trend WHERE period = :period",
        "SELECT sum(trips) AS n FROM FareDistribution AS f WHERE f.fare_to <= 10",
        "SELECT sum(fare_total) AS n FROM tripstotal WHERE day >= :from AND day < :until AND :kind = 'month'",
    ])
    func anAnalysisOfOnesOwnIsRunAgain(select: String) throws {
        let (tenant, plans) = try filled(
            """
            queries:
              - name: byCompany
                group: [company, hour]
                window: {sliding: 10m, every: 5m}
                aggregates: {trips: count(), p50: quantile(fare, 0.5)}
                emit: append
            """)
        try tenant.batch([try Self.analysis(select)])
        let report = try tenant.audit(plans)
        #expect(report.first == [])
        #expect(report.leftOut == [])
        #expect(report.checks.contains { $0.name == "own" && $0.kind == "batch" && $0.cells > 0 })
        try tenant.execute("UPDATE batch_own SET n = coalesce(n, 0) + 0.01 WHERE \"row\" = 1")
        let changed = try tenant.audit(plans)
        #expect(changed.differences == 1)
        #expect(changed.first.first?.hasPrefix("own 2023-11 row 1: n is ") == true, "\(changed.first)")
    }

    @Test func whatReadsMoreThanQueriesIsListed() throws {
        let (tenant, plans) = try filled()
        try tenant.batch([try Self.analysis("SELECT count(*) AS n FROM runs")])
        let report = try tenant.audit(plans)
        #expect(report.differences == 0)
        let left = AuditReport.LeftOut(
            kind: "batch", name: "own", rows: 1, reason: "it reads runs, which was not audited")
        #expect(report.leftOut == [left])
    }

    @Test func answersOlderThanTheResultsAreListed() throws {
        let (tenant, plans) = try filled()
        try tenant.batch([try Self.analysis("SELECT count(*) AS n FROM sumfarewindow")], vintage: "old")
        #expect(try tenant.audit(plans).leftOut == [])
        try tenant.produce(Trip.random(100, from: origin + 7_200_000, seed: 51))
        try tenant.stream(plans)
        let report = try tenant.audit(plans)
        #expect(report.first == [])
        let left = report.leftOut.map { "\($0.kind) \($0.name)" }
        #expect(
            Set(left)
                == Set(
                    (Analysis.allCases.map(\.view) + [Coverage.view, "own"]).map { "batch \($0)" } + ["vintage old"]))
        #expect(report.leftOut.allSatisfy { $0.rows > 0 })
    }

    @Test func aVintageIsCompared() throws {
        let (tenant, plans) = try filled()
        try tenant.batch(vintage: "v1")
        try tenant.execute(
            "UPDATE batch_vintage_rows SET row = json_set(row, '$.trips', 1) WHERE view = 'fare_trend' AND period_kind = 'year'"
        )
        let report = try tenant.audit(plans)
        #expect(report.differences == 1)
        #expect(report.first.first?.hasPrefix("v1 fare_trend 2023 []: is {\"trips\":1,") == true, "\(report.first)")
    }

    @Test func rowsThatNoRunHasComputedAreNamed() throws {
        let (tenant, plans) = try filled()
        try tenant.batch()
        try tenant.execute("UPDATE batch_accumulated_metrics SET period = '2019' WHERE period_kind = 'year'")
        #expect(
            try tenant.audit(plans).first == [
                "accumulated_metrics 2019: no batch run has computed it",
                "accumulated_metrics 2023: the row is missing",
            ])
    }

    // MARK: alerts

    private static let alerts = """
        queries: []
        alerts:
          - {name: row, on: sumFareWindow, if: total_fare > 5 or trips >= 2, for: 2 windows}
          - {name: place, on: hotspotCommunityPickupWindow, if: count >= 2 and not pickup_community_area = 7, cooldown: 5m}
        """

    @Test func alertsAreRaisedAnew() throws {
        let (tenant, plans) = try filled(Self.alerts)
        #expect(try tenant.number("SELECT count(DISTINCT name) FROM alerts") == 2)
        let report = try tenant.audit(plans)
        #expect(report.first == [])
        #expect(report.checks.filter { $0.kind == "alert" }.map(\.name) == ["row", "place"])
        #expect(report.checks.allSatisfy { $0.note == nil })
        try tenant.execute("DELETE FROM stored_alerts WHERE alert_id = (SELECT max(alert_id) FROM stored_alerts)")
        let lacking = try tenant.audit(plans)
        #expect(lacking.differences == 1)
        #expect(lacking.first.first?.contains("there is no alert") == true, "\(lacking.first)")
    }

    /// It says nothing of what was before; its rows and its pauses begin then.
    @Test func anAlertThatWasDeclaredLaterIsRightFromThere() throws {
        let (tenant, without) = try filled()
        let plans = try QueryCatalog.parse(Self.alerts, file: "test.yaml", defaults: true)
        try tenant.produce(Trip.random(400, from: origin + 7_200_000, seed: 52))
        try tenant.stream(plans)
        let report = try tenant.audit(plans)
        #expect(report.first == [])
        #expect(report.checks.contains { $0.note?.contains("before the first alert") == true })
        let others = try tenant.audit(without)
        #expect(others.leftOut.map(\.reason) == Array(repeating: "the alert is not declared any more", count: 2))
    }
}
