import Kafka
import Problems

extension KafkaPatience {
    /// Whether somebody wants the process to end and has waited for a broker long enough.
    static var isOver: Bool {
        do {
            try check(since: .now)
            return false
        } catch { return true }
    }
}

extension KafkaError {
    /// What a command is told: where somebody wanted it to end while a broker was away nothing has failed.
    func ending(doing action: String, servers: String) -> any Error {
        guard kind == .givenUp || isConnection && KafkaPatience.isOver else {
            return problem(doing: action, servers: servers)
        }
        return BrokerAway(servers: servers, reason: brief, records: 0)
    }
}
