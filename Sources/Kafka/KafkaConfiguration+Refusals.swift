/// Properties of librdkafka that nobody may set: what they ask for is decided elsewhere, cannot be had, or would not be noticed. Each other one
/// does what librdkafka's CONFIGURATION.md says.
extension KafkaConfiguration {
    private struct Refusal {
        var names: Set<String>
        var reason: String
        /// Says what is so anyway, and is taken.
        var harmless: Set<String> = []
    }

    private static let refusals = [
        Refusal(names: ["bootstrap.servers", "metadata.broker.list"], reason: "--broker names the brokers"),
        Refusal(
            names: ["transactional.id"],
            reason: "producers are named by the tenant and what they do, so that a second one ends the first"),
        Refusal(
            names: ["enable.idempotence"], reason: "--delivery decides whether a record may come twice",
            harmless: ["true"]
        ),
        Refusal(
            names: ["isolation.level"], reason: "records of transactions that were not committed are never read",
            harmless: ["read_committed"]),
        Refusal(
            names: ["enable.auto.commit", "auto.commit.enable", "enable.auto.offset.store"],
            reason: "offsets are stored with the results that they belong to", harmless: ["false"]),
        Refusal(
            names: [
                "group.id", "group.instance.id", "partition.assignment.strategy", "session.timeout.ms",
                "heartbeat.interval.ms", "group.protocol.type", "coordinator.query.interval.ms", "max.poll.interval.ms",
                "auto.commit.interval.ms", "auto.offset.reset", "offset.store.method", "offset.store.path",
                "offset.store.sync.interval.ms",
            ], reason: "topics are read without a consumer group, from the offsets that are stored with the results"),
        Refusal(
            names: ["enable.partition.eof"], reason: "the end of a partition must be known", harmless: ["true"]),
        Refusal(
            names: ["enable.gapless.guarantee"], reason: "no record is given up here, so there is no gap to be told of",
            harmless: ["false"]),
        Refusal(
            names: ["delivery.report.only.error"], reason: "each record that was stored is waited for",
            harmless: ["false"]
        ),
        Refusal(
            names: ["partitioner", "sticky.partitioning.linger.ms"],
            reason: "--key decides on a record's partition"),
        Refusal(
            names: ["queuing.strategy"], reason: "records keep their order", harmless: ["fifo"]),
        Refusal(
            names: ["log.queue"], reason: "the client's log goes to this process's own: --verbose", harmless: ["false"]),
        Refusal(
            names: ["statistics.interval.ms", "enabled_events"], reason: "nobody would read what it asks for",
            harmless: ["0"]
        ),
        Refusal(names: ["plugin.library.paths"], reason: "other programs' code is not loaded"),
        Refusal(
            names: ["allow.auto.create.topics"], reason: "a topic that is only looked at is not made",
            harmless: ["false"]),
        Refusal(
            names: ["internal.termination.signal"], reason: "signals mean the end of the process", harmless: ["0"]),
        Refusal(names: ["builtin.features"], reason: "it tells what the library can do, and changes nothing"),
        Refusal(
            names: [
                "socket.blocking.max.ms", "topic.metadata.refresh.fast.cnt", "reconnect.backoff.jitter.ms",
                "produce.offset.report", "consume.callback.max.messages",
            ], reason: "the library does not look at it any more, or not where it is used as here"),
        Refusal(
            names: [
                "opaque", "default_topic_conf", "interceptors", "ssl_key", "ssl_certificate", "ssl_ca",
                "ssl_engine_callback_data", "msg_order_cmp",
            ], reason: "it is a pointer in a program's memory, which no file can hold"),
    ]

    /// A record must find room in the client's queue, or it would be waited for without end.
    static let leastQueueKiB = 1024

    /// Why a property cannot have a value; nil where librdkafka decides.
    static func refusal(of name: String, value: String) -> String? {
        if name.hasSuffix("_cb") { return "it is a function of a program, which no file can hold" }
        if name.hasPrefix("test.") { return "it is for tests of the library, and keeps nothing" }
        if name == "queue.buffering.max.kbytes", let size = Int(value), size < leastQueueKiB {
            return "a large record would find no room: at least \(leastQueueKiB) are needed"
        }
        return refusals.first { $0.names.contains(name) && !$0.harmless.contains(value.lowercased()) }?.reason
    }
}
