import CommandSupport
import Foundation
import SQLite
import Testing

/// Batch steps of workflows do what the command does.
@Suite struct WorkflowBatchTests {
    private static let declared = """
        -- name: busy_days
        -- columns: trips
        SELECT count(*) AS trips FROM tripstotal
        """

    private static func taxi(_ steps: String) throws -> TaxiCLI {
        let taxi = try TaxiCLI.filled()
        for folder in ["workflows", "analyses"] {
            try FileManager.default.createDirectory(
                atPath: "\(taxi.tenantFolder)/\(folder)", withIntermediateDirectories: true)
        }
        try declared.write(toFile: "\(taxi.tenantFolder)/analyses/busy_days.sql", atomically: true, encoding: .utf8)
        try "name: all\nsteps: \(steps)\n".write(
            toFile: "\(taxi.tenantFolder)/workflows/all.yaml", atomically: true, encoding: .utf8)
        return taxi
    }

    @Test func allIsWhatTheCommandComputes() throws {
        let taxi = try Self.taxi("{all: {batch: all}}")
        try taxi.succeed("workflow", "run", "all")
        let byStep = try taxi.query("SELECT * FROM busy_days ORDER BY 1, 2")
        #expect(!byStep.isEmpty)
        let rows = try taxi.query("SELECT outputs FROM stored_workflow_steps")
        let other = try Self.taxi("{all: {batch: all}}")
        let summary = try jsonObject(
            other.succeed("batch", "--summary-json", "-").text.split(separator: "\n").first.map(String.init) ?? "")
        #expect(try other.query("SELECT * FROM busy_days ORDER BY 1, 2") == byStep)
        // Of analyses; the days that periods cover are none.
        let counted = try #require(summary["rows"] as? [String: Int])
            .filter { $0.key != "period_coverage" }.values.reduce(0, +)
        #expect(rows == [[.text("{\"rows\":\"\(counted)\",\"state\":\"success\"}")]])
    }

    @Test func aStepNamesADeclaredAnalysis() throws {
        let taxi = try Self.taxi("{own: {batch: busy_days, by: month}}")
        try taxi.succeed("workflow", "validate", "all")
        try taxi.succeed("workflow", "run", "all")
        #expect(try taxi.query("SELECT DISTINCT period_kind FROM busy_days") == [["month"]])
    }

    @Test func anUnknownAnalysisIsRefusedWithTheNearestName() throws {
        let taxi = try Self.taxi("{own: {batch: busy_day}}")
        let ending = try taxi.run("workflow", "validate", "all")
        #expect(ending.code == 78)
        #expect(ending.errors.contains("all.yaml:2:22: error: unknown analysis \"busy_day\""), "\(ending.errors)")
        #expect(ending.errors.contains("Did you mean \"busy_days\"?"))
        try "SELECT 1".write(toFile: "\(taxi.tenantFolder)/analyses/broken.sql", atomically: true, encoding: .utf8)
        let broken = try taxi.run("workflow", "validate", "all")
        #expect(broken.code == 78 && broken.errors.contains("cannot be looked up"), "\(broken.errors)")
    }

    /// What would fail when it runs is told before.
    @Test func modelsAndPeriodsAreLookedUp() throws {
        let taxi = try Self.taxi("{score: {ml: demnd}, own: {batch: accumulated, period: 2024-99}}")
        let without = try taxi.run("workflow", "validate", "all")
        #expect(without.code == 78)
        #expect(
            without.errors.contains("all.yaml:2:21: error: model \"demnd\" cannot be looked up"), "\(without.errors)")
        #expect(
            without.errors.contains("all.yaml:2:63: error: \"99\" of period \"2024-99\" is not a month"),
            "\(without.errors)")
        let models = """
            models:
              - {name: demand, source: tripstotal, key: day, every: "@daily", endpoint: "http://127.0.0.1:9/score"}
            """
        try models.write(toFile: "\(taxi.tenantFolder)/ml.yaml", atomically: true, encoding: .utf8)
        let misspelt = try taxi.run("workflow", "validate", "all")
        #expect(misspelt.errors.contains("all.yaml:2:21: error: unknown model \"demnd\""), "\(misspelt.errors)")
        #expect(misspelt.errors.contains("Did you mean \"demand\"?"), "\(misspelt.errors)")
        try "name: all\nsteps: {score: {ml: demand}, own: {batch: accumulated, period: 2024-09}}".write(
            toFile: "\(taxi.tenantFolder)/workflows/all.yaml", atomically: true, encoding: .utf8)
        try taxi.succeed("workflow", "validate", "all")
    }
}
