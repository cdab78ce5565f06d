import CommandSupport
import Foundation
import KafkaSupport
import Testing

extension TaxiCLI {
    /// A home whose topics are on Kafka, under a tenant that no other test has.
    static func onKafka(servers: String? = nil) throws -> TaxiCLI {
        let tenant = "t\(UUID().uuidString.prefix(8).lowercased())"
        let taxi = try TaxiCLI(
            tenant: tenant, environment: ["TAXI_BROKER": servers ?? (try KafkaBroker.sharedServers())])
        try taxi.succeed("tenant", "create", tenant)
        return taxi
    }

    /// The tables of all queries and analytics.
    static let allViews =
        queryViews + ["fare_trend", "accumulated_metrics", "area_hotspots", "location_hotspots"]

    /// All committed messages of a topic, sorted.
    func messages(_ topic: String) throws -> [String] {
        try succeed("topic", "tail", topic, "--from-beginning").lines.sorted()
    }

    static let outputTopics = [
        "sumFareWindowStream", "tripsTotalStream", "hotspotCommunityPickupWindowStream", "hotspotWindowStream",
        "fareDistributionStream",
    ]
}

/// Expects that both ended with the same tables.
func expectSameTables(
    _ taxi: TaxiCLI, _ other: TaxiCLI, _ views: [String] = TaxiCLI.queryViews,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let contents = (try taxi.contents(of: views), try other.contents(of: views))
    for view in views {
        #expect(contents.0[view]?.isEmpty == false, "\(view) is empty", sourceLocation: sourceLocation)
        #expect(contents.0[view] == contents.1[view], "\(view)", sourceLocation: sourceLocation)
    }
}
