public import Topics
public import Time

/// What models need of the world around them.
public struct ModelSurroundings: Sendable {
    public var tenant: String
    public var environment: [String: String]
    public var now: @Sendable () -> EventTime
    /// The tenant's topics; opened when a model has one.
    public var openTopics: @Sendable () throws -> any TopicStore
    /// Told of each request to a model and what came of it.
    public var count: @Sendable (_ model: String, _ outcome: String) -> Void = { _, _ in }

    public init(
        tenant: String, environment: [String: String], now: @escaping @Sendable () -> EventTime,
        openTopics: @escaping @Sendable () throws -> any TopicStore
    ) {
        (self.tenant, self.environment, self.now, self.openTopics) = (tenant, environment, now, openTopics)
    }
}
