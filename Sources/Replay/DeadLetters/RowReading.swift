public import Trips

/// How the rows of a file became trips: what a row that was rejected needs besides its header line to become the trip that it was to be.
///
/// As text, in the header `reading` of a dead letter: `clock=start spread=none seed=1 key=taxi_id`.
public struct RowReading: Sendable, Hashable {
    public var clock: EventClock
    public var spread: Spread
    public var seed: UInt64
    public var key: RecordKey

    public init(clock: EventClock = .start, spread: Spread = .none, seed: UInt64 = 1, key: RecordKey = .taxi) {
        (self.clock, self.spread, self.seed, self.key) = (clock, spread, seed, key)
    }

    init(_ options: ReplayOptions) {
        self.init(
            clock: options.source.clock, spread: options.source.spread, seed: options.source.seed, key: options.key)
    }

    var text: String { "clock=\(clock.rawValue) spread=\(spread.rawValue) seed=\(seed) key=\(key.rawValue)" }

    /// - Parameter text: nil for a letter of an earlier version; what it does not say is as usual.
    init(text: String?, otherwise: RowReading) {
        self = otherwise
        for part in (text ?? "").split(separator: " ") {
            let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
            guard pair.count == 2 else { continue }
            switch pair[0] {
            case "clock": clock = EventClock(rawValue: pair[1]) ?? clock
            case "spread": spread = Spread(rawValue: pair[1]) ?? spread
            case "seed": seed = UInt64(pair[1]) ?? seed
            case "key": key = RecordKey(rawValue: pair[1]) ?? key
            default: break
            }
        }
    }
}
