import Kafka
import Telemetry

/// A wait for brokers, while somebody writes: says once that it takes long, and ends where a topic is gone.
struct KafkaWait {
    private let servers: String
    /// Since when a broker was missed, and whether that was said.
    private(set) var since: ContinuousClock.Instant?
    private var hasWarned = false
    private var presence = KafkaTopicPresence()
    private let log = Logger("kafka")

    init(servers: String) { self.servers = servers }

    /// Notes that something is waited for, and says so when that takes longer than a moment.
    ///
    /// - Parameter topics: those that must be there, or waiting is in vain.
    /// - Throws: where one of them was deleted.
    mutating func goOn(after error: KafkaError?, topics: Set<String>, _ client: @autoclosure () -> KafkaClient?)
        throws(KafkaError)
    {
        let since = since ?? .now
        self.since = since
        guard since.duration(to: .now) > .seconds(3) else { return }
        if let client = client() { try presence.look(for: topics, client) }
        guard !hasWarned, !presence.missesSome else { return }
        hasWarned = true
        log.warning(
            "no broker of \"\(servers)\" takes records at present; waiting for one",
            ["reason": error?.message ?? "no answer"])
    }

    /// - Parameter isSaid: whether it is worth a word that a long wait was not in vain.
    mutating func end(isSaid: Bool) {
        if hasWarned, isSaid { log.warning("the broker takes records again") }
        (since, hasWarned) = (nil, false)
        presence.forget()
    }
}
