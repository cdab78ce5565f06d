import Foundation
public import Time

/// What a replay did; counts are totals over the runs that it resumed, so that `read = sent + rejected + filtered`.
public struct ReplaySummary: Sendable, Equatable {
    public enum Outcome: String, Sendable {
        case finished
        /// Stopped from outside after the commit that was going on; `--resume` goes on from there.
        case interrupted
        /// Ended by a `Problem`; what was sent before is in the topic.
        case failed
    }

    public var outcome: Outcome
    public var read: Int
    public var sent: Int
    /// By reason; every one of them is in the dead-letter topic.
    public var rejected: [String: Int]
    /// By rule.
    public var filtered: [String: Int]
    /// This run's, from its first look at the input to its last commit.
    public var seconds: Double
    /// Records a second of this run; of a paced one between its first and its last record, so that it compares with what was asked for.
    public var rate: Double
    /// The mean of what was asked for; nil for a replay by event time or without a pace.
    public var askedRate: Double?
    public var maxBehindMs: Int
    /// Bytes of the encoded batches.
    public var bytes: Int
    /// Least and greatest event time sent.
    public var firstEvent: EventTime?
    public var lastEvent: EventTime?
    /// Trips that earlier runs had sent.
    public var resumedFrom: Int
    /// Trips that were read and are not in the topic, since a broker was away when the replay was stopped.
    public var unsent = 0
    /// Why; nil where all is in the topic.
    public var unsentReason: String?

    /// One JSON object on one line, with the keys of SEMANTICS §8 and some of its own after them.
    public func json(zone: ZoneClock) -> String {
        func time(_ ms: EventTime?) -> String { ms.map { "\"\(zone.iso(ms: $0))\"" } ?? "null" }
        let fields: KeyValuePairs<String, String> = [
            "read": "\(read)", "sent": "\(sent)", "rejected": Self.object(rejected), "filtered": Self.object(filtered),
            "seconds": Self.number(seconds), "rate": Self.number(rate),
            "asked_rate": askedRate.map(Self.number) ?? "null",
            "max_behind_ms": "\(maxBehindMs)", "bytes": "\(bytes)", "first_event": time(firstEvent),
            "last_event": time(lastEvent), "outcome": "\"\(outcome.rawValue)\"", "resumed_from": "\(resumedFrom)",
        ]
        return "{" + fields.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
    }

    /// Up to three decimals: enough for a rate of one record in a quarter of an hour.
    private static func number(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }

    private static func object(_ counts: [String: Int]) -> String {
        "{" + counts.sorted { $0.key < $1.key }.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
    }
}
