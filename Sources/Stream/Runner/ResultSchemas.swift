import Avro
import Problems
import SchemaRegistry
import Topics
import Trips

/// What records beside the results name as their schemas; nil where they are JSON.
struct SideSchemas: Sendable, Equatable {
    /// Of trips that came late (`TripAvro`).
    var late: UInt32?
    var alerts: UInt32?
}

/// The schemas of the messages of a stream, where those are Avro: each under `{topic}-value`.
struct ResultSchemas {
    private let registry: any SchemaRegistry
    /// Of each query, then those of the topics beside.
    private let schemas: [(subject: String, text: String)]
    private let queryCount: Int
    private let sides: [WritableKeyPath<SideSchemas, UInt32?>]
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
        queryCount = plans.count
        var sides: [WritableKeyPath<SideSchemas, UInt32?>] = []
        if options.late == .deadLetter {
            schemas.append(("\(options.tenant)_late-value", TripAvro.schema(money: .decimal).text))
            sides.append(\.late)
        }
        if plans.contains(where: { !$0.alerts.isEmpty }) {
            schemas.append(("\(options.tenant)_alerts-value", AlertAvro.schema))
            sides.append(\.alerts)
        }
        (self.schemas, self.sides) = (schemas, sides)
    }

    /// Sees that all of them may be used; nothing is changed.
    func requireUsable() throws(Problem) {
        for schema in schemas {
            try registry.requireUsable(schema.text, under: schema.subject, registering: registering)
        }
    }

    /// The ids of the queries' schemas and of those beside, registered.
    func register() throws(Problem) -> (queries: [UInt32], sides: SideSchemas) {
        var ids: [UInt32] = []
        for schema in schemas {
            ids.append(try registry.id(of: schema.text, under: schema.subject, registering: registering))
        }
        var found = SideSchemas()
        for (side, id) in zip(sides, ids[queryCount...]) { found[keyPath: side] = id }
        return (Array(ids[..<queryCount]), found)
    }
}
