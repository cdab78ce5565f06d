import Kafka

/// The marks of producers: offsets of the group `<tenant>_<producer>`, with the mark as their metadata (`KafkaMark`).
final class KafkaMarkStore {
    private let configuration: KafkaConfiguration
    private let namespace: String
    private var admin: KafkaAdmin?

    init(_ configuration: KafkaConfiguration, namespace: String) {
        (self.configuration, self.namespace) = (configuration, namespace)
    }

    func group(of producer: String) -> String { namespace.isEmpty ? producer : "\(namespace)_\(producer)" }

    /// - Parameter isSettled: whether a transaction that carries a mark is waited for.
    func last(of producer: String, isSettled: Bool) throws -> ProducerMark? {
        let offsets = try connectedAdmin().offsets(ofGroup: group(of: producer), isSettled: isSettled) { topic in
            namespace.isEmpty || topic.hasPrefix("\(namespace)_")
        }
        guard var mark = KafkaMark.newest(in: offsets, producer: producer) else { return nil }
        guard let topic = offsets.first(where: { KafkaMark.isPart($0, of: mark) })?.topic else { return mark }
        let own = offsets.filter { $0.topic == topic }.sorted { $0.partition < $1.partition }
        mark.progress = .init(topic: topic, offsets: own.map(\.offset))
        return mark
    }

    /// Stores a mark outside of any transaction.
    func commit(_ offsets: [KafkaOffset], of producer: String) throws {
        try connectedAdmin().commit(offsets, group: group(of: producer))
    }

    func connectedAdmin() throws -> KafkaAdmin {
        if let admin { return admin }
        let made = try KafkaAdmin(configuration)
        admin = made
        return made
    }
}
