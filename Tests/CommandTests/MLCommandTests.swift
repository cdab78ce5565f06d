import CommandSupport
import Foundation
import SQLite
import ServerSupport
import Testing

/// `taxi-cli ml`, as people and services use it; `scripts/check-ml` kills it more often, and asks MLServer.
@Suite struct MLCommandTests {
    private static let rows = 600

    /// A tenant with a table of points, and a model that is asked about them.
    private static func taxi(_ mood: String = "fine/0", more: String = "") throws -> (TaxiCLI, model: String) {
        let taxi = try TaxiCLI()
        try taxi.succeed("tenant", "create", "chicago")
        try taxi.succeed("ml", "run")
        let model = "m" + UUID().uuidString.replacing("-", with: "").prefix(12)
        let text = """
            models:
              - name: \(model)
                source: {view: points}
                key: id
                every: 1s
                batch: 20
                endpoint: \(try TestServer.web().url)/ml/\(mood)/\(model)
                schema: {y: real}
                to: {table: doubled}
            \(more)
            """
        try text.write(toFile: taxi.tenantFolder + "/ml.yaml", atomically: true, encoding: .utf8)
        try Connection(path: taxi.resultsPath).execute(
            """
            CREATE TABLE points (id INTEGER PRIMARY KEY, x INTEGER);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(rows)) INSERT INTO points SELECT i, 10 * i FROM n;
            """)
        return (taxi, model)
    }

    private static func answered(_ taxi: TaxiCLI) throws -> Int64 {
        let connection = try Connection(path: taxi.resultsPath, access: .readOnly)
        return try connection.value("SELECT count(*) FROM ml_results")?.integer ?? 0
    }

    /// Each row is in the view and in the topic, once and right.
    private static func requireWhole(_ taxi: TaxiCLI, _ model: String) throws {
        let connection = try Connection(path: taxi.resultsPath, access: .readOnly)
        #expect(
            try connection.value("SELECT count(*) FROM doubled JOIN points USING (id) WHERE y = 2 * x")?.integer
                == Int64(rows))
        #expect(try answered(taxi) == Int64(rows))
        let lines = try taxi.succeed("topic", "tail", "mlResults", "--from-beginning").lines
        #expect(lines == (1...rows).map { "{\"model\":\"\(model)\",\"id\":\($0),\"y\":\(20 * $0)}" })
    }

    @Test func killsAtAnyPlaceLeaveEachRowOnce() throws {
        let (taxi, model) = try Self.taxi()
        for kill in 1...4 {
            let run = try taxi.start(["ml", "run"])
            // Somewhere behind its first batches, wherever that is.
            _ = try eventually(within: 60) { try Self.answered(taxi) >= Int64(kill * 80) }
            run.killAtOnce()
        }
        try taxi.succeed("ml", "run")
        try Self.requireWhole(taxi, model)
    }

    @Test func servesWhatIsDueAndGoesOnAfterAStop() throws {
        let (taxi, model) = try Self.taxi()
        let serve = try taxi.start(["ml", "serve"])
        #expect(try eventually(within: 60) { try Self.answered(taxi) >= 100 })
        let second = try taxi.run("ml", "serve")
        #expect(second.code == 75, "\(second.errors)")
        serve.signal(SIGTERM)
        #expect(serve.wait().code == 0)
        let again = try taxi.start(["ml", "serve", "--quiet"])
        #expect(try eventually(within: 60) { try Self.answered(taxi) == Int64(Self.rows) })
        again.signal(SIGTERM)
        #expect(again.wait().code == 0)
        try Self.requireWhole(taxi, model)
    }

    @Test func aServiceThatIsAwayIsToldWithItsCodeAndInStatus() throws {
        let (taxi, model) = try Self.taxi("401/-1")
        let run = try taxi.run("ml", "run")
        #expect(run.code == 69)
        #expect(run.errors.contains("model \"\(model)\": the service answered with status 401: no"))
        let list = try taxi.succeed("ml", "list", "--format", "jsonl").lines
        #expect(list.count == 1 && list[0].contains("\"state\":\"away\""))
        #expect(try taxi.run("status").text.contains("the service of model"))
        let test = try taxi.run("ml", "test", model, "--rows", "2")
        #expect(test.code == 69 && test.text.contains("\"status\""))
        #expect(try taxi.run("ml", "test", "nobody").code == 64)
    }
}
