public import Trips

/// A declared query, resolved and checked: all that the engine, the storage and the topics need to know of it.
public struct QueryPlan: Sendable, Hashable {
    public var name: String
    /// Name of the public view, lower case.
    public var table: String
    /// The output topic is `{tenant}_{topicSuffix}`.
    public var topicSuffix: String
    public var window: WindowSpec
    public var groups: [GroupKey]
    public var filter: Predicate?
    /// In the declaration's order, which is that of the words, columns and message fields.
    public var aggregates: [AggregatePlan]
    public var emit: EmitMode
    /// Indices of the aggregates that go into output messages, in their order there.
    public var messageFields: [Int]
    /// Indices of the groups that make the key of a message, in their order there; none for messages without keys.
    public var messageKey: [Int] = []
    /// The alerts on its results.
    public var alerts: [AlertPlan] = []

    public init(
        name: String, table: String, topicSuffix: String, window: WindowSpec, groups: [GroupKey], filter: Predicate?,
        aggregates: [AggregatePlan], emit: EmitMode, messageFields: [Int]
    ) {
        (self.name, self.table, self.topicSuffix, self.window) = (name, table, topicSuffix, window)
        (self.groups, self.filter, self.aggregates) = (groups, filter, aggregates)
        (self.emit, self.messageFields) = (emit, messageFields)
    }

    /// The columns it reads; nothing else has to be parsed for it.
    public var fields: TripFieldSet {
        var fields = filter?.fields ?? []
        for group in groups { if let field = group.field { fields.formUnion(TripFieldSet(field)) } }
        for aggregate in aggregates { if let field = aggregate.field { fields.formUnion(TripFieldSet(field)) } }
        return fields
    }

    /// The names of the groups that make a message's key.
    public var keyNames: [String] { messageKey.map { groups[$0].name } }

    /// How many words the state of one group in one window has; histograms and sketches come beside them.
    public var words: Int { aggregates.reduce(0) { $0 + $1.words } }
    /// How many sketches.
    public var sketches: Int { aggregates.count(where: \.hasSketch) }
}
