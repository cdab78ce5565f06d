import CommandSupport
import Foundation
import Testing

/// Keys and topics that queries of one's own give their messages.
@Suite struct MessageKeyTests {
    private static let queries = """
        queries:
          - name: byCompany
            group: [day, company]
            key: [company]
            topic: company.days
            window: none
            aggregates: {trips: count()}
            emit: update
          - name: byBoth
            group: [day, company]
            key: [company, day]
            window: none
            aggregates: {trips: count()}
          - name: without
            group: [day, company]
            window: none
            aggregates: {trips: count()}
        """

    @Test func messagesAreKeyedAsDeclaredInTheTopicThatIsDeclared() throws {
        let taxi = try TaxiCLI()
        try Self.queries.write(toFile: taxi("queries.yaml"), atomically: true, encoding: .utf8)
        try taxi.succeed("data", "generate", "--rows", "300", "trips.csv", "-q")
        try taxi.succeed(
            "stream", "--input", "trips.csv", "--queries", "queries.yaml", "--max-ahead", "3650d", "-q")
        func records(_ topic: String) throws -> [(key: String?, value: [String: Any])] {
            try taxi.succeed("topic", "tail", topic, "--from-beginning", "--meta").lines.map { line in
                let record = try jsonObject(line)
                let value = try #require(record["value"] as? [String: Any])
                return (record["key"] as? String, value)
            }
        }
        let keyed = try records("company.days")
        #expect(keyed.count > 10)
        for (key, value) in keyed { #expect(key == value["company"] as? String) }
        let both = try records("byBothStream")
        for (key, value) in both {
            let parts = try jsonObject(try #require(key))
            #expect(
                parts as? [String: String] == ["company": value["company"], "day": value["day"]] as? [String: String])
        }
        // The order is the key's own.
        #expect(both.first?.key?.hasPrefix("{\"company\":") == true)
        let without = try records("withoutStream")
        #expect(without.allSatisfy { $0.key == nil })
        #expect(without.count == both.count)
        #expect(try taxi.run("topic", "describe", "byCompanyStream").code == 66)
        // What is stored and shown is the same with keys and without.
        let rows = try taxi.succeed("show", "bycompany", "--format", "csv").text
        #expect(try taxi.succeed("show", "without", "--format", "csv").text == rows)
        let audit = try taxi.run(
            "audit", "--from", "trips.csv", "--queries", "queries.yaml", "--max-ahead", "3650d", "--strict")
        #expect(audit.code == 0, "\(audit.text)\(audit.errors)")
    }

    /// A key goes out with messages and means nothing for what is stored: no result has to be computed anew.
    @Test func aKeyMayComeAndGo() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "300", "trips.csv", "-q")
        try taxi.succeed("produce", "trips.csv", "--clock", "start", "--max-ahead", "3650d", "-q")
        for key in ["", "    key: [company]\n", ""] {
            try "queries:\n  - name: q\n    group: [company]\n\(key)    aggregates: {n: count()}\n"
                .write(toFile: taxi("queries.yaml"), atomically: true, encoding: .utf8)
            try taxi.succeed("stream", "--until-end", "--queries", "queries.yaml", "--max-ahead", "3650d", "-q")
        }
    }

    @Test func explainAndTheCheckOfDeclarationsShowThem() throws {
        let taxi = try TaxiCLI()
        try Self.queries.write(toFile: taxi("queries.yaml"), atomically: true, encoding: .utf8)
        let checked = try taxi.succeed("stream", "queries", "--check", "queries.yaml").lines.map { try jsonObject($0) }
        #expect(
            checked.map { $0["topic"] as? String }
                == ["company.days", "byBothStream", "withoutStream"].map { "chicago_\($0)" })
        #expect(checked.map { $0["key"] as? String } == ["company", "company, day", nil])
        try taxi.succeed("data", "generate", "--rows", "10", "trips.csv", "-q")
        try taxi.succeed(
            "stream", "--input", "trips.csv", "--queries", "queries.yaml", "--max-ahead", "3650d", "-q")
        let page = try taxi.succeed(
            "stream", "explain", "byBoth", "--queries", "queries.yaml", "--format", "table"
        ).text
        #expect(page.contains("\n  to chicago_byBothStream, key company, day\n"), "\(page)")
        let row = try jsonObject(
            try taxi.succeed("stream", "explain", "byCompany", "--queries", "queries.yaml", "--format", "jsonl").lines[
                0])
        #expect(row["topic"] as? String == "chicago_company.days")
        #expect(row["key"] as? [String] == ["company"])
    }
}
