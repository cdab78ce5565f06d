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
        let middle = all[200]
        let wall = try #require(middle[1]).prefix(19)
        let found = try records(dashboard, "time=\(wall)&limit=1")
        let first = try #require(all.first { ($0[1] ?? "") >= wall })
        #expect(found == [first], "\(wall): \(found)")
        #expect(
            try dashboard.get("/t/chicago/topics/chicago_ingestData?time=\(wall)").text.contains("0/\(first[0] ?? "")"))

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
}
