import Problems
import SchemaRegistry
import Topics

/// The schemas of the queries' messages, where those are Avro: each under `{topic}-value`.
struct ResultSchemas {
    private let registry: any SchemaRegistry
    private let schemas: [(subject: String, text: String)]
    private let registering: Bool

    /// - Returns: nil where messages are JSON.
    init?(_ plans: [QueryPlan], _ options: StreamOptions, _ store: any TopicStore) throws(Problem) {
        guard options.sendsAvro else { return nil }
        guard let registry = store.schemas?.registry else {
            throw Problem(.usage, "there is no registry for the schemas of Avro", hint: "Name one with --registry.")
        }
        (self.registry, registering) = (registry, options.createsTopics)
        var schemas: [(subject: String, text: String)] = []
        for plan in plans {
            schemas.append(("\(options.tenant)_\(plan.topicSuffix)-value", try ResultAvro.schema(of: plan)))
        }
        self.schemas = schemas
    }

    /// Sees that all of them may be used; nothing is changed.
    func requireUsable() throws(Problem) {
        for schema in schemas {
            try registry.requireUsable(schema.text, under: schema.subject, registering: registering)
        }
    }

    /// The ids of the queries' schemas, registered.
    func register() throws(Problem) -> [UInt32] {
        var ids: [UInt32] = []
        for schema in schemas {
            ids.append(try registry.id(of: schema.text, under: schema.subject, registering: registering))
        }
        return ids
    }
}
