import Basics
import CommandSupport
import Foundation
import PostgresSupport
import Testing

/// `publish` that is killed, and a server that goes away: the tables are those of one pass, whole, and in the end those of the views.
@Suite(.enabled(if: TestPostgres.isThere)) struct PublishFaultTests {
    /// What the tables hold, in one number a table.
    private func contents(_ published: Published) throws -> [String] {
        let tables = try published.query("SELECT tablename FROM pg_tables WHERE schemaname = 'chicago' ORDER BY 1")
            .filter { !$0.hasPrefix("taxi_publish") }
        guard !tables.isEmpty else { return [] }
        return try published.query(
            tables.map { "SELECT '\($0)', coalesce(sum(hashtextextended(t::text, 0)), 0) FROM chicago.\($0) AS t" }
                .joined(separator: " UNION ALL ")
        ).sorted()
    }

    /// Two states of one tenant, between which its results are swapped.
    private func states(_ taxi: TaxiCLI) throws -> [String] {
        let states = [taxi("a.db"), taxi("b.db")]
        try copy(taxi.resultsPath, to: states[0])
        try taxi.succeed(
            "data", "generate", "--rows", "800", "--seed", "7", "--from", "2024-03-09", "--to", "2024-03-13", "more.csv"
        )
        try taxi.succeed("produce", "more.csv", "--max", "--clock", "start")
        try taxi.succeed("stream", "--until-end")
        try taxi.succeed("batch", "--retain-windows", "3d")
        try copy(taxi.resultsPath, to: states[1])
        return states
    }

    private func copy(_ path: String, to other: String) throws {
        for name in [other, other + "-wal", other + "-shm"] { try? FileManager.default.removeItem(atPath: name) }
        #expect(try runQuietly("sqlite3", path, "VACUUM INTO '\(other)'") == 0)
    }

    @Test func fiftyKillsLeaveOneOfTwoStates() throws {
        let published = try Published(.filled())
        let states = try states(published.taxi)
        var known: [[String]] = []
        // The first pass loads empty tables, which says nothing of how long one from state to state takes.
        var took = [0.0, 0.0]
        for round in 0..<4 {
            try copy(states[round % 2], to: published.taxi.resultsPath)
            let began = Date()
            try published.publish()
            took[round % 2] = Date().timeIntervalSince(began)
            if round < 2 { known.append(try contents(published)) }
        }
        try #require(known[0] != known[1])
        var random = SplitMix64(seed: 50)
        var seen = [0, 0]
        var present = 1
        for round in 0..<50 {
            // On the way from one to the other, wherever the one before has stopped.
            try copy(states[1 - present], to: published.taxi.resultsPath)
            let run = try published.taxi.start(["publish", published.url])
            usleep(UInt32(Double.random(in: 0...1.5, using: &random) * took[1 - present] * 1e6))
            run.killAtOnce()
            let found = try contents(published)
            let index = try #require(known.firstIndex(of: found), "round \(round): neither of the two")
            present = index
            seen[index] += 1
        }
        print("publish killed 50 times: \(seen[0]) passes left the first state, \(seen[1]) the second")
        for (state, expected) in zip(states, known) {
            try copy(state, to: published.taxi.resultsPath)
            try published.publish()
            #expect(try contents(published) == expected)
            try published.compare()
        }
    }

    @Test func aServerThatRestartsIsWaitedFor() throws {
        let server = try TestPostgres()
        let published = try Published(.filled(), server: server)
        let states = try states(published.taxi)
        let watch = try published.taxi.start(["publish", published.url, "--watch", "--every", "200ms"])
        for round in 0..<6 {
            try copy(states[round % 2], to: published.taxi.resultsPath)
            // In the middle of whatever it does: connecting, writing, or nothing.
            usleep(UInt32.random(in: 0...600_000))
            try server.stop()
            try server.start()
        }
        try copy(states[0], to: published.taxi.resultsPath)
        let expected = try published.taxi.number("SELECT count(*) FROM hotspotwindow")
        #expect(
            eventually(within: 120) {
                (try? published.query("SELECT count(*) FROM chicago.hotspotwindow")) == ["\(expected)"]
            }, "\(watch.errors)")
        watch.signal(SIGTERM)
        #expect(watch.wait(timeout: 60).code == 130)
        try published.publish()
        try published.compare()
    }
}
