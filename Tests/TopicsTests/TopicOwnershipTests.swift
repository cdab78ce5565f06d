import Kafka
import Problems
import Testing

@testable import Topics

@Suite struct TopicOwnershipTests {
    /// Names of a cluster on which tenants `a`, `a_b` and `ab` have topics, and others besides.
    private static let names = [
        "a_ingestData", "a_tripsTotalStream", "a_notes", "a_b_ingestData", "a_b_tripsTotalStream", "ab_ingestData",
        "orders",
        "a_c_d_deadLetter", "a_c_d_x",
    ]

    @Test func theLongestTenantHasATopic() {
        func own(_ tenant: String, others: [String] = []) -> [String] {
            Self.names.filter(TopicOwnership(tenant: tenant, others: others, among: Self.names).isOwn)
        }
        #expect(own("a") == ["a_ingestData", "a_tripsTotalStream", "a_notes"])
        #expect(own("a_b") == ["a_b_ingestData", "a_b_tripsTotalStream"])
        #expect(own("ab") == ["ab_ingestData"])
        #expect(own("a_c_d") == ["a_c_d_deadLetter", "a_c_d_x"])
        #expect(own("a", others: ["a_tripsTotalStream", "b"]) == ["a_ingestData", "a_tripsTotalStream", "a_notes"])
        #expect(own("") == Self.names)
        let alone = TopicOwnership(tenant: "a", others: ["a", "a_b"], among: [])
        #expect(alone.isOwn("a_ingestData") && !alone.isOwn("a_b_ingestData") && !alone.isOwn("a_b_x"))
        #expect(!alone.isOwn("a_z_ingestData"), "it would make a tenant of a_z")
        #expect(alone.owner(of: "a_b_x") == "a_b" && alone.owner(of: "a_x") == nil)
    }

    @Test func namesOnAClusterAreTheTenantsOwn() throws {
        let mock = try KafkaMockCluster(brokers: 1)
        for name in Self.names { mock.createTopic(name, partitions: 1) }
        let store = try KafkaTopicStore(mock.configuration, tenant: "a")
        #expect(try store.fullName(of: "notes", tenant: "a") == "a_notes")
        #expect(try store.fullName(of: "a_notes", tenant: "a") == "a_notes")
        #expect(try store.newName(of: "orders", tenant: "a") == "a_orders")
        for (name, owner) in [("orders", nil), ("b_ingestData", "a_b"), ("a_b_tripsTotalStream", "a_b")]
            as [(String, String?)]
        {
            let problem = #expect(throws: Problem.self) { try store.fullName(of: name, tenant: "a") }
            #expect(problem?.code == .usage && problem?.hint?.contains("--foreign") == true)
            #expect(
                owner == nil || problem?.message.contains("\"\(owner ?? "")\"") == true, "\(problem?.message ?? "")")
            let whole = name.hasPrefix("b_") ? "a_\(name)" : name
            #expect(try store.fullName(of: whole, tenant: "a", isForeign: true) == whole)
        }
        #expect(throws: Problem.self) { try store.fullName(of: "notes", tenant: "a", isForeign: true) }
        for name in ["b_x", "a_b_x", "z_ingestData"] {
            let problem = #expect(throws: Problem.self) { try store.newName(of: name, tenant: "a") }
            #expect(problem?.code == .usage)
        }
        #expect(throws: Problem.self) {
            try store.checkTopics(["a_b_cStream"], creating: true, tenant: "a")
        }
    }
}
