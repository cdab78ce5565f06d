import CommandLine
import Database
import Foundation
import Glibc
import Kafka
import Problems
import SQLite
import SchemaRegistry
import Topics

/// Where topics live, as `--broker` says it.
enum Broker: Sendable, Equatable {
    /// SQLite topics in the tenant's folder.
    case embedded
    /// Kafka: `host:port` each.
    case kafka([String])

    static let embeddedName = "embedded"

    /// - Parameter text: one that `check` lets pass.
    init(_ text: String) {
        self = text == Self.embeddedName ? .embedded : .kafka(text.split(separator: ",").map(String.init))
    }

    static func check(_ text: String) throws(Problem) {
        if text == embeddedName { return }
        for server in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = server.split(separator: ":", omittingEmptySubsequences: false)
            let port = parts.count > 1 ? UInt16(parts[parts.count - 1]) : nil
            guard let port, port > 0, !parts[0].isEmpty else {
                throw Problem(
                    .usage, "\"\(text)\" is no broker",
                    hint: "Write \"embedded\", or host:port with commas between several.")
            }
        }
    }
}

/// The one place where a command's `--broker` becomes a topic store.
extension GlobalOptions {
    /// Opens the tenant's topics; the embedded ones come into being with their file, in a folder that `prepareTenant` has made.
    ///
    /// - Throws: what `EmbeddedTopicStore.init` and `KafkaTopicStore.init` throw, and `kafkaConfiguration`.
    func openTopics(delivery: Delivery = .exactlyOnce) throws -> any TopicStore {
        switch broker {
        case .embedded: return try EmbeddedTopicStore(path: topicsPath, schemas: schemas())
        case .kafka(let servers):
            KafkaPatience.endsWhen { Interruption.isRequested }
            // Who cannot list the home's tenants knows those of the cluster all the same.
            return try KafkaTopicStore(
                kafkaConfiguration(servers), tenant: tenant, others: (try? TenantHome.tenants(in: home)) ?? [],
                delivery: delivery,
                schemas: schemas())
        }
    }

    /// The schemas of Avro: of `--registry`, or the tenant's own.
    ///
    /// - Throws: what `RegistryAccess.init` throws. Nobody is asked yet.
    func schemas() throws(Problem) -> SchemaCache {
        if let registry = try remoteRegistry() { return SchemaCache(registry, place: registry.place) }
        return SchemaCache(LocalRegistry(path: tenantHome.schemasDB), place: "the registry of tenant \"\(tenant)\"")
    }

    /// The registry of `--registry`; nil where the tenant's own is meant.
    func remoteRegistry() throws(Problem) -> RemoteRegistry? {
        guard let registryURL else { return nil }
        return RemoteRegistry(try RegistryAccess(url: registryURL, configuration: registryConfigPath)) {
            Interruption.isRequested
        }
    }

    /// How to reach the cluster: `--broker`, the properties of `--broker-config`, and the secrets of the environment.
    ///
    /// - Throws: `Problem` for a file of properties that cannot be read or used, or that lets others read a secret.
    func kafkaConfiguration(_ servers: [String]) throws(Problem) -> KafkaConfiguration {
        var configuration = KafkaConfiguration(servers: servers.joined(separator: ","))
        if let brokerConfigPath { try configuration.read(file: brokerConfigPath) }
        configuration.read(environment: ProcessInfo.processInfo.environment)
        return configuration
    }

    /// Opens the topics for a command that only looks, and so makes nothing, and needs no right to write: nil where there are none yet.
    ///
    /// - Throws: as `openTopics`; `.usage` for a tenant that nobody created, unless it is the default one.
    func openTopicsIfAny() throws -> (any TopicStore)? {
        if broker == .embedded, access(topicsPath, F_OK) != 0 {
            try requireTenant()
            return nil
        }
        guard broker == .embedded else { return try openTopics() }
        return try EmbeddedTopicStore(path: topicsPath, access: .granted(to: topicsPath), schemas: schemas())
    }

    /// The topics and the full name of one of them, which may be given without the tenant's prefix.
    ///
    /// - Parameters:
    ///   - isForeign: whether any topic of the cluster is meant, by its whole name.
    ///   - changing: for a command that does more than look.
    /// - Throws: as `openTopicsIfAny` and `TopicStore.fullName`.
    func openTopic(
        _ name: String, isForeign: Bool, changing: Bool = false
    ) throws -> (store: any TopicStore, topic: String) {
        guard var store = try openTopicsIfAny() else {
            throw Problem(
                .noInput, "there is no topic \"\(name)\": tenant \"\(tenant)\" has no topics yet",
                hint: "taxi-cli produce or taxi-cli topic create makes one.")
        }
        let topic = try store.fullName(of: name, tenant: tenant, isForeign: isForeign)
        if changing { store = try openTopics() }
        return (store, topic)
    }
}

/// What `produce` and `stream` say of how they write to topics.
let deliveryOption = Option(
    "delivery", value: .value("GUARANTEE"), kind: .choice(Delivery.allCases.map(\.rawValue)),
    default: Delivery.exactlyOnce.rawValue, environment: "TAXI_DELIVERY", configKey: "delivery",
    help: "what topics on Kafka get: at-least-once is cheaper, and may send again what was under way at a crash",
    group: "Topic")

let noCreateOption = Option(
    "no-create", help: "make no topics; end with exit code 69 where one is missing", group: "Topic")
