import CommandSupport
import Foundation
import KafkaSupport
import Testing

/// A user who may read and write, and nothing else: on a broker of their own, which asks for rights.
@Suite(.enabled(if: KafkaBroker.isStartable, "needs ../shared/kafka/kafka.sh and Java 17"))
struct KafkaRightsTests {
    @Test func readingAndWritingNeedsNoOtherRight() throws {
        let broker = try KafkaBroker(properties: [
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users=User:ANONYMOUS",
        ])
        let admin = try TaxiCLI.onKafka(servers: broker.servers)
        try admin.succeed("data", "generate", "--rows", "200", "--seed", "3", "trips.csv")
        let topics = ["ingestData", "deadLetter", "tripsTotalStream", "sumFareWindowStream"]
        for topic in topics { try admin.succeed("topic", "create", topic) }
        func acl(_ arguments: String...) throws {
            try KafkaBroker.tool("acls", ["--bootstrap-server", broker.servers] + arguments)
        }
        let prefix = "\(admin.tenant)_"
        for right in [
            ["Read", "--topic"], ["Write", "--topic"], ["Read", "--group"], ["Write", "--transactional-id"],
        ] {
            try acl(
                "--add", "--allow-principal", "User:taxi", "--operation", right[0], right[1], prefix,
                "--resource-pattern-type", "prefixed")
        }
        let taxi = try TaxiCLI(
            tenant: admin.tenant,
            environment: [
                "TAXI_BROKER": broker.saslServers, "TAXI_BROKER_USER": "taxi", "TAXI_BROKER_PASSWORD": "taxi-secret",
            ])
        try taxi.succeed("tenant", "create", taxi.tenant)
        try taxi.succeed("produce", admin("trips.csv"), "--max", "--clock", "start", "--resume")
        try taxi.succeed("produce", admin("trips.csv"), "--max", "--clock", "start", "--again")
        let stream = ["stream", "--until-end", "--query", "tripsTotal", "--query", "sumFareWindow"]
        #expect(try taxi.start(stream).wait().code == 0)
        #expect(try taxi.number("SELECT sum(trips_total) FROM tripstotal") == 400)
        #expect(try taxi.run("status").code == 0)
        let list = try taxi.succeed("topic", "list", "--format", "jsonl")
        #expect(list.lines.count == 4 && list.errors.contains("DescribeConfigs"), "\(list.errors)")
        #expect(list.errors.contains("about so many"), "\(list.errors)")
        try taxi.succeed("topic", "describe", "ingestData")

        // What is refused is named, by a stream that runs before its next record comes.
        let running = try taxi.start(["stream", "--query", "tripsTotal", "--query", "sumFareWindow"])
        try admin.succeed("produce", "trips.csv", "--max", "--clock", "start")
        #expect(
            eventually(within: 60) { (try? taxi.number("SELECT sum(trips_total) FROM tripstotal")) == 600 },
            "\(running.errors)")
        try acl(
            "--add", "--deny-principal", "User:taxi", "--operation", "Write", "--topic", "\(prefix)tripsTotalStream")
        try admin.succeed("produce", "trips.csv", "--max", "--clock", "start", "--again")
        for refused in [running.wait(timeout: 60), try taxi.start(stream).wait()] {
            #expect(
                refused.code == 77 && refused.errors.contains("topic \"\(prefix)tripsTotalStream\" was refused"),
                "\(refused.code): \(refused.errors)")
        }
        let making = try taxi.run("topic", "create", "notes")
        #expect(making.code == 77 && making.errors.contains("\(prefix)notes"), "\(making.errors)")
    }
}
