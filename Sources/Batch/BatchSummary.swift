import Foundation

/// What a batch run did, for people and for `--summary-json`.
public struct BatchSummary: Sendable, Codable, Equatable {
    /// Rows written, by view; rows of later periods that had to follow count as well.
    public var rows: [String: Int] = [:]
    /// Periods computed, by kind.
    public var periods: [String: [String]] = [:]
    /// Those of them that the stored results do not cover to their end yet.
    public var partial: [String] = []
    /// Days whose windows had to be added up again.
    public var daysRolledUp = 0
    /// Analyses that were asked for but have no stored results to read, with the reason.
    public var skipped: [String: String] = [:]
    public var seconds = 0.0

    enum CodingKeys: String, CodingKey {
        case rows, periods, partial
        case daysRolledUp = "days_rolled_up"
        case skipped, seconds
    }

    /// One line of JSON with sorted keys.
    public var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Dictionaries of strings and numbers always encode; seconds are finite.
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}
