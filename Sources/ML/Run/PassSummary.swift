/// What a pass over a model's source has done.
public struct PassSummary: Sendable, Equatable {
    /// Rows that the source has, or records that its topic had got.
    public var read = 0
    /// Rows that were new or changed.
    public var pending = 0
    /// Rows that have answers now.
    public var answered = 0
    public var batches = 0
    /// Rows of batches that were set aside, and why the last of them was.
    public var setAside = 0
    public var setAsideReason: String?
    /// Rows that could not be sent, and why the first of them could not.
    public var unusable = 0
    public var unusableReason: String?
    public var requests = 0
    public var seconds = 0.0
    /// Why the service is left alone for a while; nil where it answers.
    public var away: String?
    public var wasStopped = false

    public init() {}
}
