import CommandSupport
import Foundation
import SQLite
import ServerSupport
import Testing

/// What `examples/` holds, as its README says to use it.
@Suite struct ExampleTests {
    private static let examples = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("examples").path

    /// A tenant with the examples, and the sample streamed.
    private func taxi(streams: Bool = true) throws -> TaxiCLI {
        let bin = URL(fileURLWithPath: TaxiCLI.executable).deletingLastPathComponent().path
        let taxi = try TaxiCLI(environment: ["PATH": "\(bin):/usr/bin:/bin"])
        try FileManager.default.createDirectory(atPath: taxi.tenantFolder, withIntermediateDirectories: true)
        for name in ["queries.yaml", "workflows"] {
            try FileManager.default.copyItem(atPath: "\(Self.examples)/\(name)", toPath: "\(taxi.tenantFolder)/\(name)")
        }
        if streams { try taxi.succeed("stream", "--input", "\(Self.examples)/../data/sample.csv.gz") }
        return taxi
    }

    private func steps(_ taxi: TaxiCLI, _ run: String) throws -> [String: String] {
        let connection = try Connection(path: taxi.resultsPath, access: .readOnly)
        let rows = try connection.rows(
            "SELECT step, state FROM stored_workflow_steps WHERE run_id = ?", .text(run)
        ) { ($0.text(0), $0.text(1)) }
        return Dictionary(rows) { $1 }
    }

    @Test func areRight() throws {
        let taxi = try taxi(streams: false)
        try taxi.succeed("workflow", "validate")
        let serve = try taxi.succeed("serve", "--check", "--file", "\(Self.examples)/serve.yaml")
        #expect(serve.errors.contains("note: \"trips.csv\" is not there yet"), "\(serve.errors)")
        let checked = try taxi.succeed("stream", "queries", "--check", "\(Self.examples)/queries.yaml")
        #expect(checked.code == 0)
        let alerts = try taxi.succeed("alert", "list").lines.map { try jsonObject($0) }
        #expect(alerts.map { $0["name"] as? String } == ["busy-area", "fare-spike"])
        #expect(alerts.map { $0["workflow"] as? String } == [nil, "spike-analysis"])
    }

    @Test func aMonthGoesThroughAllSevenTasks() throws {
        let taxi = try taxi()
        let server = try TestServer.web()
        let ending = try taxi.succeed(
            "workflow", "run", "monthly-analytics", "--interval", "2024-03", "--param",
            "model_url=\(server.url)/predict")
        let run = try #require(try jsonObject(ending.text)["run_id"] as? String)
        let states = try steps(taxi, run)
        #expect(states.count == 10)
        #expect(states.values.allSatisfy { $0 == "success" }, "\(states)")
        let folder = "\(taxi.tenantFolder)/workflows/out"
        let page = try String(contentsOfFile: "\(folder)/2024-03.html", encoding: .utf8)
        #expect(page.contains("<svg"))
        let months = try String(contentsOfFile: "\(folder)/months.csv", encoding: .utf8)
        #expect(months.contains("2024-03"))

        let connection = try Connection(path: taxi.resultsPath, access: .readOnly)
        let trips = try connection.value("SELECT sum(trips_total) FROM tripstotal WHERE day LIKE '2024-03-%'")
        #expect(try connection.value("SELECT trips FROM bi_months WHERE month = '2024-03'") == trips)
        // The model doubles the pickups; each of ten areas is a row and a record.
        #expect(
            try connection.value(
                "SELECT count(*) FROM ml_results JOIN area_hotspots ON result ->> 'area' = pickup_community_area "
                    + "WHERE period = '2024-03' AND period_kind = 'month' AND result ->> 'demand' = 2 * pickups")?
                .integer
                == 10)
        let records = try taxi.succeed("topic", "tail", "mlResults", "--from-beginning").lines
        #expect(records.count == 10)

        // Each month has one run; the next one begins where the schedule says.
        #expect(try taxi.run("workflow", "run", "monthly-analytics", "--interval", "2024-03").code == 64)
        let without = try taxi.succeed("workflow", "run", "monthly-analytics", "--interval", "2024-02", "--dry-run")
        #expect(without.lines.count == 10)
    }

    /// Also in the tenant's first month, which is not over.
    @Test(.enabled(if: TestServer.hasAWS), arguments: [false, true])
    func anAlertIsAnalysedUploadedAndTold(inTheFirstDays: Bool) throws {
        let taxi = try taxi(streams: !inTheFirstDays)
        if inTheFirstDays {
            try taxi.succeed(
                "data", "generate", "--rows", "20000", "--seed", "3", "--from", "2024-01-05", "--to", "2024-01-06",
                "two-days.csv")
            try taxi.succeed("stream", "--input", taxi("two-days.csv"))
        }
        let server = try TestServer.aws(key: "AKIDEXAMPLE", secret: "s3cr3t/s3cr3t")
        _ = try server.ask("PUT", "/taxi-alerts", service: "s3")
        _ = try server.ask("POST", "/?Action=CreateTopic&Name=taxi-alerts", service: "sns")
        let alert = try jsonObject(
            try #require(try taxi.succeed("alert", "history", "fare-spike", "-n", "1").lines.first))
        let environment = [
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s3cr3t/s3cr3t",
            "AWS_ENDPOINT_URL": server.url,
        ]
        var words = ["workflow", "run", "spike-analysis"]
        for key in ["name", "query", "window_start"] { words += ["--param", "\(key)=\(alert[key] as? String ?? "")"] }
        words += ["--param", "value=\(alert["value"] ?? "")", "--param", "threshold=300"]
        let ending = try taxi.start(words, environment: environment).wait(timeout: 120)
        #expect(ending.code == 0, "\(ending.errors)")
        let run = try #require(try jsonObject(ending.text)["run_id"] as? String)
        let message = try JSONDecoder().decode([[String]].self, from: Data(server.ask("GET", "/messages").utf8))
        #expect(message.count == 1)
        #expect(message.first?.first == "Alert fare-spike")
        let start = alert["window_start"] as? String ?? ""
        #expect(
            message.first?.last?.hasPrefix(
                "fare-spike: \(alert["value"] ?? "") of sumFareWindow is beyond 300, in the window from \(start).\n")
                == true)

        let stored = try server.ask("GET", "/taxi-alerts/alerts/fare-spike/\(run).html", service: "s3")
        let written = try String(contentsOfFile: "\(taxi.tenantFolder)/workflows/out/\(run).html", encoding: .utf8)
        #expect(stored == written)
        #expect(!(ending.text + ending.errors).contains("s3cr3t"))
    }

    /// The stream raises, the scheduler starts: one run for each alert that has a workflow, with the alert as its parameters.
    @Test func aSchedulerStartsWhatAlertsAskFor() throws {
        let taxi = try taxi()
        try """
        name: spike-analysis
        params: {name: "", value: ""}
        steps: {say: {sh: "echo {{ params.name }} {{ params.value }} >> said"}}
        """.write(
            toFile: "\(taxi.tenantFolder)/workflows/spike-analysis.yaml", atomically: true, encoding: .utf8)
        let alerts = try taxi.query(
            "SELECT name, params ->> 'value' FROM stored_alerts WHERE workflow IS NOT NULL ORDER BY alert_id")
        #expect(!alerts.isEmpty)
        let scheduler = try taxi.start(["workflow", "serve"])
        let haveEnded = try eventually(within: 60) {
            try taxi.number(
                "SELECT count(*) FROM workflow_runs AS r JOIN alerts AS a USING (run_id) WHERE r.state = 'success' AND r.trigger = 'alert'"
            ) == alerts.count
        }
        scheduler.signal(SIGTERM)
        scheduler.wait()
        #expect(haveEnded, "\(scheduler.errors)")
        let said = try String(contentsOfFile: "\(taxi.tenantFolder)/workflows/said", encoding: .utf8)
        let expected = alerts.map { "\($0[0].text ?? "") \($0[1].text ?? "")" }.sorted()
        #expect(said.split(separator: "\n").map(String.init).sorted() == expected)
        #expect(try taxi.number("SELECT count(*) FROM alerts WHERE name = 'busy-area' AND run_id IS NOT NULL") == 0)
    }
}
