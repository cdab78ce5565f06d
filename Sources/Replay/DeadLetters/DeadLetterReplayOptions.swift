public import Topics
public import Time
import Trips

/// Which dead letters are sent again, and how.
public struct DeadLetterReplayOptions: Sendable {
    public var tenant: String
    public var filter = DeadLetterFilter.all
    /// Letters as the user has corrected them; where there are any, only these are sent.
    public var editions: [LetterPlace: [UInt8]] = [:]
    /// Whether it is only looked what would become of them.
    public var isDryRun = false
    /// Letters a second; nil for as fast as it goes.
    public var rate: Double?
    /// The header line of rows that came without theirs, from an earlier version.
    public var columns: String?
    /// How the files of such rows were read.
    public var reading = RowReading()
    public var maxAheadMs = MaxAhead.defaultMs
    public var zone: ZoneClock
    public var clock: any WallClock = SystemClock.shared
    /// Why all queries have passed over a record of the topic of trips that may be good by now; nil where one of them has counted it, or will.
    public var passedOver: @Sendable (_ partition: Int, _ offset: Int64) throws -> PassedOverReason? = { _, _ in nil }

    public init(tenant: String, zone: ZoneClock) { (self.tenant, self.zone) = (tenant, zone) }
}

/// What became of the dead letters that were chosen.
public struct DeadLetterReplaySummary: Sendable {
    /// By the reason that each letter has, and by what became of it.
    public var fates: [String: [LetterFate: Int64]] = [:]
    /// The first letter of each fate that stays where it is, with why.
    public var examples: [LetterFate: (place: LetterPlace, detail: String)] = [:]
    public var wasStopped = false
    public var seconds = 0.0

    public init() {}

    public func count(_ fate: LetterFate) -> Int64 { fates.values.reduce(0) { $0 + ($1[fate] ?? 0) } }
    public var total: Int64 { fates.values.reduce(0) { $0 + $1.values.reduce(0, +) } }

    mutating func note(_ fate: LetterFate, _ letter: StoredLetter, _ detail: String) {
        fates[letter.reason, default: [:]][fate, default: 0] += 1
        if examples[fate] == nil { examples[fate] = (letter.place, detail) }
    }
}
