import Kafka

/// Whether the topics are there that somebody waits to write to: librdkafka goes on waiting for one that was deleted, as it does for a broker
/// that is away, and says the same of both.
struct KafkaTopicPresence {
    private var misses: [String: Int] = [:]
    private var looked: ContinuousClock.Instant?

    /// A broker that has just started may not know of a topic yet: it is gone when so many looks in a row, and so far apart, miss it.
    private static let missesUntilGone = 5
    private static let interval = Duration.seconds(2)

    /// Whether the last look has missed one.
    var missesSome: Bool { !misses.isEmpty }

    /// Looks, unless it has done so a moment ago.
    ///
    /// - Throws: `KafkaError.noTopic` for one that is gone. What no broker answers to says nothing.
    mutating func look(for topics: Set<String>, _ client: KafkaClient) throws(KafkaError) {
        if let looked, looked.duration(to: .now) < Self.interval { return }
        looked = .now
        for topic in topics.sorted() {
            guard let isThere = Self.isThere(topic, client) else { return }
            misses[topic] = isThere ? nil : misses[topic, default: 0] + 1
            if misses[topic, default: 0] >= Self.missesUntilGone { throw .noTopic(topic) }
        }
    }

    mutating func forget() { (misses, looked) = ([:], nil) }

    /// nil where no broker tells.
    static func isThere(_ topic: String, _ client: KafkaClient) -> Bool? {
        do { return try client.look(atTopic: topic) != nil } catch { return nil }
    }
}
