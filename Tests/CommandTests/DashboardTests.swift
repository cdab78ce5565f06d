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
        let run = try #require(first.text.firstMatch(of: /run ([0-9a-f-]+) of slow begins/), "\(first.text)").1
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
}
