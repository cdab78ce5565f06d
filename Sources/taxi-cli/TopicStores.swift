import Glibc
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

    /// Opens the topics for a command that only looks, and so makes nothing: nil where there are none yet.
    ///
    /// - Throws: as `openTopics`; `.usage` for a tenant that nobody created, unless it is the default one.
    func openTopicsIfAny() throws -> (any TopicStore)? {
        if broker == .embedded, access(topicsPath, F_OK) != 0 {
            guard tenants.exists(tenant) || tenant == Self.defaultTenant else { throw tenants.missing(tenant) }
            return nil
        }
        return try openTopics()
    }

    /// The topics and the full name of one of them, which may be given without the tenant's prefix.
    ///
    /// - Throws: as `openTopicsIfAny`; `.noInput` with the nearest name where there is no such topic.
    func openTopic(_ name: String) throws -> (store: any TopicStore, topic: String) {
        guard let store = try openTopicsIfAny() else {
            throw Problem(
                .noInput, "there is no topic \"\(name)\": tenant \"\(tenant)\" has no topics yet",
                hint: "taxi-cli produce or taxi-cli topic create makes one.")
        }
        return (store, try store.fullName(of: name, tenant: tenant))
    }
}
