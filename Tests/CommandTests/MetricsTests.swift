import CommandSupport
import Foundation
import Glibc
import HTTP
import SQLite
import Testing
import Topics
import Trips

/// What /metrics and /healthz say of commands that run, are killed and go wrong.
@Suite struct MetricsTests {
    /// A tenant with trips of some days in a file.
    private func tenant(rows: Int = 2000) throws -> TaxiCLI {
        let taxi = try TaxiCLI()
        try taxi.succeed(
            "data", "generate", "--rows", "\(rows)", "--from", "2024-03-08", "--to", "2024-03-12", "trips.csv")
        return taxi
    }

    private static func records(_ query: String) -> String {
        "taxi_stream_records_total{tenant=\"chicago\",query=\"\(query)\"}"
    }

    /// What the ledger says of the records of each query.
    private func ledger(_ taxi: TaxiCLI) throws -> [String: Double] {
        let rows = try taxi.query(
            """
            SELECT query, sum(value) FROM ledger WHERE kind = 'stream' AND counter IN ('aggregated', 'late', 'filtered', 'skipped')
            GROUP BY query
            """)
        return Dictionary(uniqueKeysWithValues: rows.map { ($0[0].text ?? "", Double($0[1].integer ?? -1)) })
    }

    // MARK: Formats

    @Test(
        .enabled(
            if: WatchTools.hasPrometheus, "skipped: no prometheus and promtool (apt-get install prometheus)"))
    func promtoolAcceptsWhatReplayStreamAndDashboardExpose() throws {
        let taxi = try tenant()
        let replay = try WatchedCommand(taxi, "produce", "trips.csv", "--rate", "200/s", "--clock", "now", "--loop")
        let stream = try WatchedCommand(taxi, "stream", "--queries", "analytics")
        let dashboard = try WatchedCommand(taxi, "dashboard")
        let isAtWork = try eventually(within: 60) {
            let samples = try dashboard.samples()
            return samples[Self.records("tripsTotal"), default: 0] > 300
                && samples["taxi_stream_lag_records{tenant=\"chicago\",partition=\"0\"}"] != nil
        }
        #expect(isAtWork)
        for command in [replay, stream, dashboard] {
            let text = try command.get("/metrics").text
            #expect(text.contains("taxi_replay_records_total") && text.contains("taxi_stream_latency_seconds_bucket"))
            let verdict = try taxi.start(["check", "metrics"], input: text, executable: "/usr/bin/promtool").wait()
            #expect(verdict.code == 0 && verdict.text.isEmpty && verdict.errors.isEmpty, "\(verdict.errors)")
        }
        #expect(try replay.get("/").status == 404)
        guard let python = WatchTools.python, WatchTools.hasSystemd else { return }
        try dashboard.get("/metrics").text.write(toFile: taxi("metrics.txt"), atomically: true, encoding: .utf8)
        let check = try taxi.start(
            ["\(WatchTools.repository)/scripts/check-deploy", "--metrics", taxi("metrics.txt")], executable: python
        )
        .wait()
        #expect(check.code == 0, "\(check.text)\(check.errors)")
    }

    @Test func openMetricsHasTheSamplesOfTheClassicFormat() throws {
        guard let python = WatchTools.python else { return }
        let taxi = try tenant()
        try taxi.succeed("produce", "trips.csv", "--clock", "start")
        try taxi.succeed("stream", "--until-end")
        let dashboard = try WatchedCommand(taxi, "dashboard")
        let wanted = HTTPRequest.Header("Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
        let (open, classic) = (try dashboard.get("/metrics", wanted), try dashboard.get("/metrics"))
        #expect(open["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8")
        #expect(classic["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8")
        #expect(open.text.hasSuffix("# EOF\n") && !classic.text.contains("# EOF"))
        try open.text.write(toFile: taxi("open.txt"), atomically: true, encoding: .utf8)
        try classic.text.write(toFile: taxi("classic.txt"), atomically: true, encoding: .utf8)
        let script = """
            import sys
            from prometheus_client import parser
            from prometheus_client.openmetrics import parser as openmetrics
            def samples(module, path):
                families = list(module.text_string_to_metric_families(open(path).read()))
                return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}
            strict, plain = samples(openmetrics, sys.argv[1]), samples(parser, sys.argv[2])
            assert strict == plain, sorted(set(strict.items()) ^ set(plain.items()))[:5]
            print(int(strict["taxi_stream_records_total", (("query", "tripsTotal"), ("tenant", "chicago"))]), len(strict) > 100)
            """
        let verdict = try taxi.start(["-c", script, "open.txt", "classic.txt"], executable: python).wait()
        #expect(verdict.code == 0 && verdict.text == "2000 True\n", "\(verdict.text)\(verdict.errors)")
    }

    // MARK: Prometheus

    @Test(
        .enabled(
            if: WatchTools.hasPrometheus, "skipped: no prometheus and promtool (apt-get install prometheus)"))
    func aRealPrometheusReadsWhatTheLedgerHas() throws {
        let taxi = try tenant()
        let token = "a token of this test"
        try token.write(toFile: taxi("token"), atomically: true, encoding: .utf8)
        #expect(chmod(taxi("token"), 0o600) == 0)
        try taxi.succeed("produce", "trips.csv", "--clock", "start")
        let dashboard = try WatchedCommand(taxi, "dashboard", "--token-file", "token")
        #expect(try dashboard.get("/metrics").status == 401)
        #expect(try dashboard.get("/metrics", .init("Authorization", "Bearer \(token)")).status == 200)
        let folder = "\(WatchTools.repository)/deploy"
        let prometheus = try PrometheusServer(
            taxi, target: dashboard.url, tokenFile: taxi("token"), rules: "\(folder)/rules.yml")
        try taxi.succeed("stream", "--until-end")

        let ledger = try ledger(taxi)
        #expect(ledger["tripsTotal"] == 2000)
        var seen: [String: Double] = [:]
        let isSame = try eventually(within: 60) {
            seen = try prometheus.query("taxi_stream_records_total", by: "query")
            return seen == ledger
        }
        #expect(isSame, "\(seen) is not \(ledger)")
        #expect(try prometheus.query("min by (tenant) (taxi_health)") == ["chicago": 1])
        #expect(try prometheus.query("sum by (tenant) (taxi_stream_lag_records)") == ["chicago": 0])

        // What the dashboard asks, and the rules: Prometheus takes all of it.
        let board = try jsonObject(
            String(contentsOfFile: "\(folder)/grafana/dashboards/taxi-cli.json", encoding: .utf8))
        let panels = try #require(board["panels"] as? [[String: Any]])
        let targets = panels.flatMap { $0["targets"] as? [[String: Any]] ?? [] }
        #expect(targets.count > 40)
        for target in targets {
            let expression = try #require(target["expr"] as? String).replacing(/\$[a-z]+/, with: ".*")
            _ = try prometheus.query(expression)
        }
        var states: [String] = []
        let areEvaluated = try eventually(within: 60) {
            let groups = try prometheus.ask("rules")["groups"] as? [[String: Any]] ?? []
            states = groups.flatMap { $0["rules"] as? [[String: Any]] ?? [] }.compactMap { $0["health"] as? String }
            return !states.isEmpty && states.allSatisfy { $0 == "ok" }
        }
        #expect(areEvaluated, "\(states)")
    }

    // MARK: Kills

    @Test func numbersOfAKilledStreamStayAndTheNextOneCountsTheRestart() throws {
        let taxi = try tenant()
        try taxi.succeed("produce", "trips.csv", "--clock", "start")
        let dashboard = try WatchedCommand(taxi, "dashboard")
        func counters() throws -> [String: Double] {
            try dashboard.samples().filter { sample in
                sample.key.hasPrefix("taxi_stream_") && !sample.key.contains("_ratio")
                    && ["_total{", "_count{", "_bucket{"].contains { sample.key.contains($0) }
            }
        }
        let restarts = "taxi_stream_restarts_total{tenant=\"chicago\"}"
        let stream = try WatchedCommand(taxi, "stream")
        var before: [String: Double] = [:]
        // All committed, and nothing that still goes on: two looks, more than a look's age apart, are the same.
        let hasSettled = try eventually(within: 60) {
            let now = try counters()
            defer { before = now }
            usleep(1_100_000)
            return now[Self.records("tripsTotal")] == 2000 && now == before
        }
        #expect(hasSettled)
        #expect(before[restarts] == 0)
        stream.program.killAtOnce()
        let isSeen = try eventually(within: 10) {
            try dashboard.samples().keys.allSatisfy { !$0.hasPrefix("taxi_stream_open_windows") }
        }
        #expect(isSeen, "what a process that is gone had open is not open any more")
        #expect(try counters() == before)

        for run in 1...2 {
            let next = try WatchedCommand(taxi, "stream")
            var now: [String: Double] = [:]
            let hasCounted = try eventually(within: 20) {
                now = try counters()
                return now[restarts] == 1
            }
            #expect(hasCounted, "start \(run) after the kill: \(now[restarts] ?? -1)")
            #expect(now[Self.records("tripsTotal")] == 2000)
            #expect([0, 130].contains(next.stop().code))
        }
        #expect(try counters()[Self.records("tripsTotal")] == 2000)
        #expect(try counters()[restarts] == 1)
    }

    // MARK: Health

    /// Longer than a look is kept, and than the seconds over which shares of records are taken.
    private static let noticedWithin = 10.0
    private static let mendedWithin = 40.0

    private func expectFailure(
        _ rule: String, _ words: String, _ dashboard: WatchedCommand, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        var seen: (status: Int, failing: [String: String]) = (0, [:])
        let isNoticed = try eventually(within: Self.noticedWithin) {
            seen = try dashboard.health()
            return seen.status == 503 && seen.failing[rule]?.contains(words) == true
        }
        #expect(isNoticed, "\(seen)", sourceLocation: sourceLocation)
        let samples = try dashboard.samples()
        #expect(samples["taxi_health{tenant=\"chicago\",rule=\"\(rule)\"}"] == 0, sourceLocation: sourceLocation)
    }

    private func expectHealth(_ dashboard: WatchedCommand, sourceLocation: SourceLocation = #_sourceLocation) throws {
        var seen: (status: Int, failing: [String: String]) = (0, [:])
        let isMended = try eventually(within: Self.mendedWithin) {
            seen = try dashboard.health()
            return seen.status == 200 && seen.failing.isEmpty
        }
        #expect(isMended, "\(seen)", sourceLocation: sourceLocation)
    }

    /// Trips of another time than `trips.csv` has, so that none is late; a thousand within two seconds.
    private func produceGoodTrips(_ taxi: TaxiCLI) throws {
        try taxi.succeed(
            "data", "generate", "--rows", "4000", "--from", "2024-05-01", "--to", "2024-05-02", "good.csv")
        try taxi.succeed("produce", "good.csv", "--clock", "start", "--rate", "2000/s")
    }

    @Test func rowsWithNullsAreNoFault() throws {
        let taxi = try tenant(rows: 1200)
        // Six of ten rows lose their fare, area and point: as many as the seed's data set has.
        var lines = try String(contentsOfFile: taxi("trips.csv"), encoding: .utf8).split(separator: "\n").map(
            String.init)
        let header = lines[0].split(separator: ",").map(String.init)
        let emptied = try ["Fare", "Pickup Community Area", "Pickup Centroid Location"].map {
            try #require(header.firstIndex(of: $0))
        }
        var emptiedRows = 0.0
        for index in lines.indices.dropFirst() where index % 10 < 6 {
            var fields = lines[index].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            // A comma within quotes: such rows stay as they are.
            guard fields.count == header.count else { continue }
            emptiedRows += 1
            for column in emptied { fields[column] = "" }
            lines[index] = fields.joined(separator: ",")
        }
        try (lines.joined(separator: "\n") + "\n").write(toFile: taxi("nulls.csv"), atomically: true, encoding: .utf8)
        let dashboard = try WatchedCommand(taxi, "dashboard")
        let stream = try taxi.start(["stream"])
        let replay = try taxi.start(["produce", "nulls.csv", "--clock", "start", "--rate", "300/s"])
        var worst: [String: String] = [:]
        let isDone = try eventually(within: 60) {
            let health = try dashboard.health()
            // Between the first record and the stream's begin none runs.
            if stream.isRunning { worst.merge(health.failing.filter { $0.key != "stream" }) { $1 } }
            return try dashboard.samples()[Self.records("tripsTotal")] == 1200
        }
        #expect(isDone && worst.isEmpty, "\(worst)")
        #expect(replay.wait().code == 0)
        try expectHealth(dashboard)
        let skipped = try dashboard.samples()[
            "taxi_stream_skipped_total{tenant=\"chicago\",query=\"hotspotWindow\"}", default: 0]
        #expect(emptiedRows > 500 && skipped >= emptiedRows && skipped < 1200)
    }

    @Test func wrongColumnsAreNoticed() throws {
        let taxi = try tenant()
        var text = try String(contentsOfFile: taxi("trips.csv"), encoding: .utf8)
        let end = try #require(text.firstIndex(of: "\n"))
        let header = text[..<end].replacing("Pickup", with: "Start").replacing("Fare", with: "Price")
        text = String(header + text[end...])
        try text.write(toFile: taxi("wrong.csv"), atomically: true, encoding: .utf8)
        try text.replacing("Trip Start Timestamp", with: "Began").write(
            toFile: taxi("unusable.csv"), atomically: true, encoding: .utf8)
        let dashboard = try WatchedCommand(taxi, "dashboard")
        let stream = try taxi.start(["stream"])

        // Nothing that a replay could do with it: it fails at once, and says by which column.
        #expect(try taxi.run("produce", "unusable.csv", "--clock", "start").code == 65)
        try expectFailure("runs", "column \"Trip Start Timestamp\" is missing", dashboard)
        // Trips, but without the values that queries group by.
        try taxi.succeed("produce", "wrong.csv", "--clock", "start", "--rate", "1000/s")
        try expectFailure("results", "without a value to group by", dashboard)
        try produceGoodTrips(taxi)
        try expectHealth(dashboard)
        #expect(stream.isRunning)
    }

    @Test func recordsWithoutAnEventTimeAreNoticed() throws {
        let taxi = try tenant()
        let dashboard = try WatchedCommand(taxi, "dashboard")
        try taxi.succeed("topic", "create", "ingestData")
        let stream = try taxi.start(["stream"])
        let store = try EmbeddedTopicStore(path: taxi.topicsPath)
        let strangers = (0..<300).map { index in
            TopicRecord(
                key: nil, value: Array("{\"patient\":\(index),\"room\":\"7\"}".utf8), timestamp: 1_709_900_000_000)
        }
        let batch = try #require(PendingBatch(topic: "chicago_ingestData", partition: 0, records: strangers))
        try store.makeWriter().append([batch], mark: nil)
        try expectFailure("rejects", "reject", dashboard)
        #expect(
            try dashboard.samples()["taxi_stream_rejected_total{tenant=\"chicago\",reason=\"missing_event_time\"}"]
                == 300)
        try produceGoodTrips(taxi)
        try expectHealth(dashboard)
        #expect(stream.isRunning)
    }

    @Test func recordsThatNoStreamReadsAreNoticed() throws {
        let taxi = try tenant()
        let dashboard = try WatchedCommand(taxi, "dashboard")
        let replay = try taxi.start(["produce", "trips.csv", "--rate", "20/s", "--clock", "now", "--loop"])
        try expectFailure("stream", "records come in and no stream runs", dashboard)
        let stream = try taxi.start(["stream"])
        try expectHealth(dashboard)
        #expect(replay.isRunning && stream.isRunning)
    }

    /// As a browser that runs no scripts: the page of a workflow, its form, and what it asks for.
    /// SIGSTOP stands for whatever keeps a process from doing anything.
    @Test func aStreamThatHangsIsNoticed() throws {
        let taxi = try tenant()
        let dashboard = try WatchedCommand(taxi, "dashboard")
        try taxi.succeed("produce", "trips.csv", "--clock", "start", "--limit", "100", "--max")
        let stream = try taxi.start(["stream"])
        let hasRead = eventually(within: 60) { (try? taxi.number("SELECT sum(records) FROM sources")) == 100 }
        try #require(hasRead, "\(stream.errors)")
        kill(stream.pid, SIGSTOP)
        defer { kill(stream.pid, SIGCONT) }
        try taxi.succeed("produce", "trips.csv", "--clock", "start", "--limit", "300", "--max", "--again")
        // It may be silent for 8 s.
        var failing: [String: String] = [:]
        let isNoticed = try eventually(within: 60) {
            failing = try dashboard.health().failing
            return failing["lag"]?.contains("300 records wait") == true
        }
        #expect(isNoticed, "\(failing)")
        #expect(try dashboard.samples()["taxi_health{tenant=\"chicago\",rule=\"lag\"}"] == 0)
        #expect(try taxi.run("status").text.contains("the stream has stood still for"))
        kill(stream.pid, SIGCONT)
        try expectHealth(dashboard)
    }

    @Test func aBackfillIsAskedForOnAPage() throws {
        let taxi = try tenant()
        let folder = "\(taxi.tenantFolder)/workflows"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try """
        name: daily
        schedule: "0 0 * * *"
        timezone: UTC
        start: 2024-01-01
        steps:
          first: {sh: "true"}
          second: {needs: [first], sh: "true"}
        """.write(toFile: "\(folder)/daily.yaml", atomically: true, encoding: .utf8)
        let dashboard = try WatchedCommand(taxi, "dashboard")
        let page = try dashboard.get("/t/chicago/workflows/daily").text
        #expect(page.contains("<svg") && page.contains(">second</text>"))
        let session = try #require(page.firstMatch(of: /name="session" value="([^"]+)"/)).1
        func ask(_ interval: String) throws -> HTTPResponse {
            try dashboard.post(
                "/t/chicago/workflows/daily/backfill", form: "interval=\(interval)&session=\(session)")
        }
        #expect(try ask("nonsense").status == 400)
        let answer = try ask("2024-01-02")
        #expect(answer.status == 200 && answer.text.contains("1 of the intervals"), "\(answer.text)")
        #expect(
            eventually(within: 60) {
                (try? taxi.run("workflow", "runs", "daily", "--format", "csv").text.contains("success")) ?? false
            })
        #expect(try ask("2024-01-02").text.contains("nothing of daily is missing"))
    }
}
