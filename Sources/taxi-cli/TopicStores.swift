import Problems
import Topics

/// The one place where a command's `--broker` becomes a topic store.
extension GlobalOptions {
    /// Opens the tenant's topics; the embedded ones come into being with their file, in a folder that `prepareTenant` has made.
    ///
    /// - Throws: `Problem(.unavailable)` for a broker this version cannot talk to; what `EmbeddedTopicStore.init` throws.
    func openTopics() throws -> any TopicStore {
        switch broker {
        case .embedded: return try EmbeddedTopicStore(path: topicsPath)
        case .kafka(let servers):
            throw Problem(
                .unavailable,
                "this version has no Kafka backend yet, so it cannot use \"\(servers.joined(separator: ","))\"",
                hint: "Leave --broker away (and TAXI_BROKER, and broker in taxi.yaml) to use the embedded topics.")
        }
    }
}
