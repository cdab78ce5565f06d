/// A record, or the batch that ends with it, by which a topic is known again where the store has no identity for it: one that is made anew
/// under the same name has another there.
public struct TopicAnchor: Codable, Sendable, Equatable {
    public var partition: Int
    /// The offset behind it.
    public var end: Int64
    /// What tells it from any other (`StoredBatch.seal`).
    public var seal: Int64

    public init(partition: Int, end: Int64, seal: Int64) {
        (self.partition, self.end, self.seal) = (partition, end, seal)
    }
}

/// What a topic has where something was read that ended at an offset.
public enum SealFinding: Sendable, Equatable {
    case seal(Int64)
    /// Nothing that ends there, though whatever did would have stayed: it is another topic.
    case other
    /// Nothing that ends there, and nobody can tell whether something did: a topic that is compacted loses what has a successor.
    case unknown
}
