import CommandSupport
import Foundation
import Testing

/// `top`: what happens now, in a terminal and for scripts.
@Suite struct TopTests {
    @Test func onceTellsWhatTheTenantHas() throws {
        let taxi = try TaxiCLI.filled()
        let queries = try taxi.succeed("top", "--once")
        #expect(queries.lines.first?.hasPrefix("chicago  idle") == true, "\(queries.text)")
        #expect(queries.text.contains("sumFareWindow") && queries.text.contains("lag 0 records"))
        #expect(try taxi.succeed("top", "--once", "--section", "partitions").text.contains("trend"))
        #expect(try taxi.succeed("top", "--once", "--section", "workflows").text.contains("no workflows yet"))
        let tenants = try taxi.succeed("top", "--once", "--section", "tenants")
        #expect(tenants.lines.contains { $0.hasPrefix("chicago") && $0.contains("idle") })
        #expect(!queries.text.contains("\u{1B}"))
        let table = try taxi.succeed("top", "--once", "--format", "csv").text
        #expect(table.hasPrefix("query,state,records") && table.contains("\r\ntripsTotal,"), "\(table)")
    }

    @Test func aTopicThatNobodyReadsWaits() throws {
        let taxi = try TaxiCLI.filled()
        try taxi.succeed("produce", "trips.csv", "--clock", "start", "--again", "--limit", "300", "-q")
        let text = try taxi.succeed("top", "--once").text
        #expect(text.contains("lag 300 records"), "\(text)")
        let now = try jsonObject(taxi.succeed("top", "--once", "--format", "jsonl").lines[0])
        #expect((now["lag"] as? [String: Any])?["records"] as? Int == 300, "\(now)")
        let sources = try #require(
            try jsonObject(taxi.run("status", "--format", "jsonl").lines[0])["sources"] as? [[String: Any]])
        #expect(sources.compactMap { $0["lag_records"] as? Int }.reduce(0, +) == 300, "\(sources)")
    }

    @Test func aTenantWithoutAnythingIsEmpty() throws {
        let taxi = try TaxiCLI()
        let shown = try taxi.succeed("top", "--once")
        #expect(shown.text.contains("empty") && shown.text.contains("no queries yet"))
        let missing = try taxi.run("top", "--once", "--tenant", "springfield")
        #expect(missing.code == 64 && missing.errors.contains("springfield"))
    }

    @Test func keysMoveThroughItAndTheTerminalIsLeftAsItWas() throws {
        let taxi = try TaxiCLI.filled()
        let top = try taxi.typing(TaxiCLI.executable, ["top"])
        let first = try top.shown(until: "[queries]")
        #expect(first.hasPrefix("\u{1B}[?1049h") && first.contains("sumFareWindow"))
        // Lines are written over each other; nothing is cleared that stays.
        #expect(!first.contains("\u{1B}[2J"))
        top.type("\t")
        _ = try top.shown(until: "[partitions]")
        top.type("p")
        _ = try top.shown(until: "(paused)")
        top.type("q")
        _ = try top.shown(until: "\u{1B}[?25h\u{1B}[?1049l")
    }
}
