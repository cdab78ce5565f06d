import Foundation
import Testing

/// A topic whose records are of JSON, and some of Avro with the schema of a registry that the tenant's streams do not know yet.
package struct UnknownSchemas {
    package let taxi: TaxiCLI
    /// How many records are of that schema.
    package static let count: Int64 = 40
    package static let stream = ["stream", "--until-end", "--late", "update", "--keep-history", "1d"]
    private static let replay = ["produce", "--max", "--clock", "start", "--partitions", "2"]

    /// - Parameters:
    ///   - registry: its URL; it gives the first schema the id that the tenant's own gives its first.
    ///   - isKnown: whether the schema is in the tenant's own registry from the start.
    package init(_ taxi: TaxiCLI, registry: String, isKnown: Bool = false) throws {
        self.taxi = taxi
        for (name, rows, seed) in [("first", "300", "1"), ("avro", "\(Self.count)", "2"), ("last", "200", "3")] {
            try taxi.succeed(
                "data", "generate", "--rows", rows, "--seed", seed, "--from", "2024-03-08", "--to", "2024-03-11",
                "\(name).csv")
        }
        try run(Self.replay + ["first.csv"])
        try run(Self.replay + ["avro.csv", "--format", "avro", "--registry", registry])
        try run(Self.replay + ["last.csv"])
        let shown = try taxi.succeed("schema", "show", "\(taxi.tenant)_ingestData-value", "--registry", registry)
        try shown.text.write(toFile: taxi("trip.avsc"), atomically: true, encoding: .utf8)
        if isKnown { try register() }
    }

    package func run(_ arguments: [String]) throws {
        let ending = try taxi.start(arguments).wait(timeout: 240)
        try #require(ending.code == 0, "\(arguments): \(ending.errors)")
    }

    package func register() throws {
        let made = try taxi.succeed("schema", "register", "trip.avsc", "--subject", "later-value", "--format", "json")
        try #require(made.text.contains("\"id\":1"), "\(made.text)")
    }

    /// What an audit says; it has to hold.
    package func audit() throws -> String {
        let audit = try taxi.start(["audit"]).wait(timeout: 240)
        try #require(audit.code == 0, "\(audit.text) \(audit.errors)")
        return audit.text + audit.errors
    }

    /// How many dead letters there are.
    package func letters() throws -> Int64 {
        Int64(try taxi.succeed("dead-letter", "list", "--format", "jsonl").lines.count)
    }

    /// How many trips the days have.
    package func trips() throws -> Int64 { try taxi.number("SELECT sum(trips_total) FROM tripstotal") }
}

extension UnknownSchemas {
    /// The records become dead letters, their schema becomes known, they are sent again: as if it had been known from the start.
    ///
    /// - Parameter other: where it was.
    package func expectThatTheyCountOnceKnown(_ other: UnknownSchemas, views: [String]) throws {
        try other.run(Self.stream)
        try run(Self.stream)
        #expect(try trips() == 500)
        #expect(try letters() == Self.count)
        #expect(try !audit().contains("schema was not known"))

        try register()
        #expect(try audit().contains("\(Self.count) records whose schema was not known when the query came to them"))
        // What the stream has passed over it does not come to again.
        try run(Self.stream)
        #expect(try trips() == 500)
        let dry = try taxi.succeed("dead-letter", "replay", "--dry-run", "--reason", "unknown_schema")
        #expect(dry.errors.contains("would send \(Self.count) of \(Self.count)"), "\(dry.errors)")

        let sent = try taxi.succeed("dead-letter", "replay")
        #expect(sent.errors.contains("sent \(Self.count) of \(Self.count)"), "\(sent.errors)")
        let again = try taxi.succeed("dead-letter", "replay")
        #expect(again.errors.contains("sent 0 of \(Self.count)"), "\(again.errors)")
        try run(Self.stream)
        #expect(try trips() == 540)
        #expect(try taxi.contents(of: views) == other.taxi.contents(of: views))
        #expect(try audit().contains("\(Self.count) records whose schema was not known were sent again"))

        // The records and their copies can all be read now.
        try run(Self.stream + ["--from-beginning"])
        #expect(try taxi.contents(of: views) == other.taxi.contents(of: views))
        #expect(try audit().contains("were sent again"))
        #expect(try letters() == Self.count)
    }
}
