import CommandSupport
import Foundation
import HTTP
import ServerSupport
import Testing

/// Pages of the dashboard over real data: what they show, and what their buttons do.
@Suite struct DashboardTests {
    private func session(_ dashboard: WatchedCommand) throws -> String {
        let page = try dashboard.get("/t/chicago/").text
        return String(try #require(page.firstMatch(of: /taxi-session" content="([^"]+)"/)).1)
    }

    private func put(_ workflow: String, _ name: String, _ taxi: TaxiCLI) throws {
        let folder = "\(taxi.tenantFolder)/workflows"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try workflow.write(toFile: "\(folder)/\(name).yaml", atomically: true, encoding: .utf8)
    }

    // MARK: Actions

    @Test func aButtonSaysWhatItsStartBecame() throws {
        let taxi = try TaxiCLI()
        try put(
            """
            name: slow
            concurrency: 1
            steps:
              a: {sh: "while [ ! -e \(taxi("end")) ]; do sleep 0.05; done; exit 1"}
              b: {needs: [a], sh: "true"}
            """, "slow", taxi)
        try put("name: broken\nsteps:\n  a: {sh: \"true\", needs: [nosuch]}\n", "broken", taxi)
        let dashboard = try WatchedCommand(taxi, "dashboard")
        let session = try session(dashboard)
        func press(_ path: String) throws -> HTTPResponse {
            try dashboard.post("/t/chicago/workflows/\(path)", form: "session=\(session)")
        }
        let broken = try press("broken/run")
        #expect(broken.status == 400 && broken.text.contains("broken.yaml:3:"), "\(broken.text)")
        #expect(try dashboard.get("/t/chicago/workflows").text.contains("broken.yaml:3:"))
        #expect(try press("nosuch/run").status == 404)

        let first = try press("slow/run")
        let run = try #require(first.text.firstMatch(of: /run ([0-9A-Za-z-]+) of slow begins/), "\(first.text)").1
        let second = try press("slow/run")
        #expect(second.status == 409 && second.text.contains("its concurrency is 1"), "\(second.text)")
        #expect(try press("\(run)/retry").status == 409)
        _ = FileManager.default.createFile(atPath: taxi("end"), contents: nil)
        let hasEnded = eventually(within: 30) {
            (try? dashboard.get("/t/chicago/workflows/\(run)").text.contains("data-state=\"failed\">failed")) ?? false
        }
        #expect(hasEnded)
        // The step that never began comes last.
        let page = try dashboard.get("/api/t/chicago/runs/\(run)").text
        #expect(page.contains(#""rows":[["a""#), "\(page)")
        #expect(try press("\(run)/cancel").status == 400)
        let again = try press("\(run)/retry")
        #expect(again.status == 200 && again.text.contains("goes on"), "\(again.text)")
    }

    // MARK: Topics

    /// Rows of records, by the names of their columns.
    private func records(_ dashboard: WatchedCommand, _ query: String) throws -> [[String?]] {
        let answer = try dashboard.get("/api/t/chicago/topics/chicago_ingestData?\(query)")
        try #require(answer.status == 200, "\(answer.text)")
        return (try jsonObject(answer.text)["rows"] as? [[Any]] ?? []).map { $0.map { $0 as? String } }
    }

    @Test func recordsAreFoundByTimeAndKey() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "400", "--seed", "3", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--clock", "start", "--max")
        let dashboard = try WatchedCommand(taxi, "dashboard")
        let all = try records(dashboard, "offset=0&limit=10000")
        try #require(all.count == 400)
        for row in stride(from: 5, to: 400, by: 40) {
            let wall = try #require(all[row][1]).prefix(19)
            let first = try #require(all.first { ($0[1] ?? "") >= wall })
            let found = try records(dashboard, "time=\(wall)&limit=1")
            #expect(found == [first], "\(wall): \(found)")
        }
        let middle = all[200]
        let list = try dashboard.get("/t/chicago/topics/chicago_ingestData?time=\(middle[1]?.prefix(16) ?? "")").text
        #expect(list.contains("/topics/chicago_ingestData/0/"))

        let key = try #require(middle[2])
        let ofKey = try records(dashboard, "key=\(key)&limit=10000")
        #expect(!ofKey.isEmpty && ofKey == all.filter { $0[2] == key })
        let page = try dashboard.get("/t/chicago/topics/chicago_ingestData/0/\(middle[0] ?? "")").text
        #expect(page.contains("<td class=\"wrap\">\(key)</td>") || page.contains(">\(key)</td>"))
        #expect(page.contains(">trip_id</td>"), "\(page)")
    }

    @Test func deadLettersAreChosenByReasonAndMarkedWhereAQuoteIsOpen() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "200", "--seed", "3", "trips.csv")
        var lines = try String(contentsOfFile: taxi("trips.csv"), encoding: .utf8).split(separator: "\n").map(
            String.init)
        lines.append(
            lines[5].replacingOccurrences(of: ",", with: ",\"", options: [], range: lines[5].firstRange(of: ",")))
        lines.append("only,three,fields")
        try lines.joined(separator: "\n").write(toFile: taxi("trips.csv"), atomically: true, encoding: .utf8)
        _ = try taxi.run("produce", "trips.csv", "--clock", "start", "--max")
        let dashboard = try WatchedCommand(taxi, "dashboard")
        let page = try dashboard.get("/t/chicago/dead-letters?reason=malformed_row").text
        #expect(page.contains("<mark>&quot;</mark>"), "\(page)")
        let link = try #require(page.firstMatch(of: /href="(\/t\/chicago\/topics\/chicago_deadLetter\/[0-9\/]+)"/)).1
        #expect(try dashboard.get(String(link)).text.contains("<mark>&quot;</mark>"))
    }

    // MARK: Results

    @Test func resultsAreChartsOfTheDayOfAnyQueryAndOfTheReport() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "3000", "--seed", "3", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--clock", "start", "--max")
        try taxi.succeed("stream", "--queries", "analytics", "--until-end")
        let dashboard = try WatchedCommand(taxi, "dashboard")
        let now = try dashboard.get("/t/chicago/").text
        for curve in ["Trips", "Fares", "Tips"] { #expect(now.contains("aria-label=\"\(curve) of each 15 minutes")) }
        #expect(now.utf8.count < 100_000)

        let rows = try jsonObject(dashboard.get("/api/t/chicago/views/sumfarewindow?limit=10000").text)["rows"]
        let starts = (rows as? [[Any]] ?? []).compactMap { $0.first as? String }
        let middle = try #require(starts.dropFirst(starts.count / 2).first)
        let later = try dashboard.get("/api/t/chicago/views/sumfarewindow?limit=10000&from=\(middle.prefix(19))").text
        let found = (try jsonObject(later)["rows"] as? [[Any]] ?? []).compactMap { $0.first as? String }
        #expect(found == Array(starts.dropFirst(starts.count / 2)), "\(middle)")
        let page = try dashboard.get("/t/chicago/windows?view=hotspotcommunitywindow").text
        #expect(page.contains("<svg class=\"chart wide\"") && page.contains("Sums over the rows that are shown"))

        #expect(try dashboard.get("/t/chicago/analytics").text.contains("Nothing is computed yet"))
        try taxi.succeed("batch")
        let analytics = try dashboard.get("/t/chicago/analytics")
        #expect(analytics.status == 200, "\(analytics.text)")
        for part in ["id=\"fare-trend\"", "id=\"area-hotspots\"", "The newest rows of fare_trend"] {
            #expect(analytics.text.contains(part))
        }
        // Money has cents, shares are in percent, and no number has sixteen digits.
        #expect(analytics.text.firstMatch(of: /<td class="n">[0-9]\.[0-9]{6}/) == nil)
        #expect(analytics.text.contains("%</td>") && !analytics.text.contains(" style="))
        let report = try dashboard.get("/t/chicago/report")
        let policy = try #require(report["Content-Security-Policy"])
        #expect(report.status == 200 && policy.contains("default-src 'none'") && !policy.contains("script-src"))
    }

    @Test func timesOfFindingsAreTheTenants() throws {
        let taxi = try TaxiCLI()
        try put("name: fails\nsteps:\n  a: {sh: \"false\"}\n", "fails", taxi)
        #expect(try taxi.run("workflow", "run", "fails").code == 1)
        let dashboard = try WatchedCommand(taxi, "dashboard")
        for path in ["/healthz", "/api/t/chicago/health", "/api/t/chicago/now"] {
            let text = try dashboard.get(path).text
            let since = try #require(text.firstMatch(of: /"since":"([^"]+)"/), "\(text)").1
            #expect(since.hasSuffix("-06:00") || since.hasSuffix("-05:00"), "\(since)")
        }
    }
}
