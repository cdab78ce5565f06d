import SQLite
import Testing

@testable import Reports

/// The chart of forecasts against what came.
@Suite struct ModelErrorsFigureTests {
    private static func report(worse: Bool) throws -> Report {
        let results = try StoredResults()
        try results.fill(months: 2)
        let mae = worse ? 9 : 2
        try results.connection.execute(
            """
            CREATE TABLE ml_errors (model TEXT, dimension TEXT, value TEXT, rows INTEGER, actual REAL, mae REAL, wape REAL, baseline TEXT,
                baseline_mae REAL, baseline_wape REAL, worse INTEGER);
            INSERT INTO ml_errors VALUES ('demand', 'all', 'all', 100, 500, \(mae), \(mae) / 10.0, 'naive <b>', 3, 0.3, \(worse ? 1 : 0));
            WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 39)
            INSERT INTO ml_errors SELECT 'demand', 'area', i, 10, 100 - i, 2, iif(i = 0, NULL, 0.2), 'naive <b>', 3, 0.3, 0 FROM n;
            """)
        return try Report(
            results.connection, selection: ReportSelection(), tenant: "chicago", made: "2026-01-02T03:04:05.000-06:00",
            zone: "America/Chicago")
    }

    @Test func aModelThatIsWorseThanTheSimpleOneSaysSo() throws {
        let worse = try Self.report(worse: true).figures.first { $0.id == "model-errors" }
        #expect(worse?.warning == "Model demand is worse than naive <b>: its error is 90.0%, that of naive <b> 30.0%.")
        #expect(try Self.report(worse: false).figures.first { $0.id == "model-errors" }?.warning == nil)
    }

    @Test func theValuesWithTheMostAreDrawnAndAllAreListed() throws {
        let report = try Self.report(worse: true)
        let page = try PageReader(report.html)
        let section = try #require(page.section("model-errors"))
        #expect(section.rows.count == 42)
        // The heading counts as a row. Both pictures have the bars of all rows and of the 24 areas with the most, two bars each; one without an error has none.
        #expect(section.shapes == 2 * 2 * (1 + 24))
        #expect(!report.html.contains("naive <b>"))
    }
}
