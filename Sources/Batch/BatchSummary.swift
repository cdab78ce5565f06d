public import Database
import Foundation

/// What a batch run did, for people and for `--summary-json`.
public struct BatchSummary: Sendable, Codable, Equatable {
    /// Rows written, by view; rows of later periods that had to follow count as well.
    public var rows: [String: Int] = [:]
    /// Periods computed, by kind.
    public var periods: [String: [String]] = [:]
    /// Those of them that the stored results do not cover to their end yet.
    public var partial: [String] = []
    /// Those of them with days that have no trips, by what `tripsTotal` has counted; nil for none.
    public var incomplete: [Coverage.Period]?
    /// Days whose windows had to be added up again.
    public var daysRolledUp = 0
    /// Analyses that were asked for but have no stored results to read, with the reason.
    public var skipped: [String: String] = [:]
    /// Which trips of the periods are in no window, since they were late for it: a warning for each query; nil for none.
    public var late: [String]?
    /// Windows that `retain` let go.
    public var windowsPruned = 0
    /// Days that are old enough to be pruned but stay, since their rollup is not up to date.
    public var daysNotPruned = 0
    /// The name under which the answers were kept.
    public var vintage: String?
    /// When they were kept.
    public var vintageMadeMs: Int64?
    public var seconds = 0.0

    enum CodingKeys: String, CodingKey {
        case rows, periods, partial, incomplete
        case daysRolledUp = "days_rolled_up"
        case skipped, late, seconds, vintage
        case vintageMadeMs = "vintage_made_ms"
        case windowsPruned = "windows_pruned"
        case daysNotPruned = "days_not_pruned"
    }

    /// One line of JSON with sorted keys.
    public var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Dictionaries of strings and numbers always encode; seconds are finite.
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}
