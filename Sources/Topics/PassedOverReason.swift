public import Trips

/// Why a record was rejected that may be good another day: nothing of it changes, but what it was judged by does.
public enum PassedOverReason: String, Sendable, CaseIterable, Codable {
    /// Its event time was too far ahead of the clock.
    case ahead = "out_of_range"
    /// No registry had its schema.
    case unknownSchema = "unknown_schema"

    /// The reason that summaries, metrics and dead letters give it.
    public var rejectReason: RejectReason {
        switch self {
        case .ahead: .outOfRange
        case .unknownSchema: .unknownSchema
        }
    }

    public init?(rejectReason: RejectReason) { self.init(rawValue: rejectReason.rawValue) }
}
