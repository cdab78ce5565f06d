import Time
public import Trips

/// Which column is the records' key: all records of one key go to one partition and keep their order.
public enum RecordKey: String, Sendable, CaseIterable {
    case taxi = "taxi_id"
    case trip = "trip_id"
    /// No key: trips go round the partitions one by one.
    case none

    var field: TripField? {
        switch self {
        case .taxi: .taxiID
        case .trip: .tripID
        case .none: nil
        }
    }
}

/// What the records of trips are made of.
public enum RecordForm: Sendable, Equatable {
    /// JSON, or columns where the store keeps those, which everybody reads as JSON.
    case standard
    /// Avro in Confluent's frame, with the schema in the store's registry.
    case avro(TripMoney)
}

/// What is replayed, and how.
public struct ReplayOptions: Sendable {
    /// Files, or `-` for standard input; in this order.
    public var paths: [String]
    /// Clock, spread, cleaning, range and limit. `skip` is the replay's own: resuming sets it.
    public var source: TripSourceOptions
    public var pace: Pace
    public var key: RecordKey
    /// How many partitions a new topic gets; nil takes an existing topic as it is, and 1 for a new one.
    public var partitions: Int?
    /// Goes on where the last run of this producer stopped, which must have had the same input and options.
    public var isResuming: Bool
    /// Begins again at the end of the input, until the limit is reached or somebody stops it.
    ///
    /// With the clocks `start` and `end` every further pass is shifted by whole weeks, so that event time goes on.
    public var isLooping: Bool
    /// What records are made of.
    public var form = RecordForm.standard
    public var tenant: String
    /// Whether topics that are missing are made.
    public var createsTopics = true
    /// How far ahead of the clock an event time may be, with the clocks `start` and `end`.
    public var maxAheadMs = MaxAhead.defaultMs
    /// Under which name positions are kept: two replays into one tenant at the same time need two names.
    public var producer: String

    public init(
        paths: [String], source: TripSourceOptions, pace: Pace = .unlimited, key: RecordKey = .taxi,
        partitions: Int? = nil,
        isResuming: Bool = false, isLooping: Bool = false, tenant: String = "chicago", producer: String = "produce"
    ) {
        (self.paths, self.source, self.pace, self.key) = (paths, source, pace, key)
        (self.partitions, self.isResuming, self.isLooping) = (partitions, isResuming, isLooping)
        (self.tenant, self.producer) = (tenant, producer)
    }

    /// Under which the schema of the records is registered.
    var subject: String { "\(ingestTopic)-value" }
    var ingestTopic: String { "\(tenant)_ingestData" }
    var deadLetterTopic: String { "\(tenant)_deadLetter" }

    /// The options that decide which trip comes when, and where it goes, by the flags that people know them by.
    ///
    /// Only a run in which they are the same can go on where another stopped.
    var sequence: [String: String] {
        var sequence = [
            "--clock": source.clock.rawValue, "--spread": source.spread.rawValue, "--seed": "\(source.seed)",
            "--clean": source.cleaning?.rawValue ?? "off", "--from": source.from.map(source.zone.iso) ?? "off",
            "--to": source.to.map(source.zone.iso) ?? "off", "--limit": source.limit.map(String.init) ?? "off",
            "--key": key.rawValue, "--loop": isLooping ? "on" : "off", "zone": source.zone.identifier,
        ]
        if source.clock != .now { sequence["--max-ahead"] = "\(MaxAhead.text(maxAheadMs))" }
        if let aliases = source.aliases { sequence["--aliases"] = aliases.digest }
        return sequence
    }

    /// Of `sequence`: what positions of earlier versions did not say.
    static let laterOptions: Set<String> = ["zone", "--max-ahead"]
}
