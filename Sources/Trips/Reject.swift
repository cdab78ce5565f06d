public import Problems

/// Why a record cannot be used. The raw values are names that people meet in summaries, metrics and dead letters.
public enum RejectReason: String, Sendable, CaseIterable, Codable {
    case malformedRow = "malformed_row"
    case badNumber = "bad_number"
    case badMoney = "bad_money"
    case badTimestamp = "bad_timestamp"
    case missingEventTime = "missing_event_time"
    case badUTF8 = "bad_utf8"
    case tooManyFields = "too_many_fields"
    case tooFewFields = "too_few_fields"
    case malformedJSON = "malformed_json"
    case schemaMismatch = "schema_mismatch"
    case unknownSchema = "unknown_schema"
    case outOfRange = "out_of_range"
    case oversized = "oversized"
}

/// A record that was set aside, whole, with the reason and the place.
public struct Reject: Sendable {
    public var reason: RejectReason
    /// What was wrong in words, with the text that was found.
    public var detail: String
    public var location: InputLocation
    /// The record's bytes as they came, without the line end; of a record that is too long, the first `keptOfOversized`.
    public var bytes: [UInt8]
    /// Where the record starts in its source, in bytes.
    public var offset: Int
    /// Of a row of a file the header line that it stands under (`CSVHeader.text`); nil where it is not kept.
    public var columns: String?

    public init(
        reason: RejectReason, detail: String, location: InputLocation, bytes: [UInt8], offset: Int = 0,
        columns: String? = nil
    ) {
        (self.reason, self.detail, self.location) = (reason, detail, location)
        (self.bytes, self.offset, self.columns) = (bytes, offset, columns)
    }

    /// Bytes of a record that is longer than a record may be: enough to see what it is, and no more than any topic takes.
    public static let keptOfOversized = 64 << 10
    /// Bytes of rejects that wait for somebody to take them; who meets as many gives them out first.
    static let bytesAtOnce = 16 << 20
    /// About what a reject takes beside its record: its place, its detail.
    fileprivate static let ownBytes = 256
}

extension Collection<Reject> {
    /// Bytes of the records, and what each reject takes beside them.
    var bytes: Int { reduce(0) { $0 + $1.bytes.count + Reject.ownBytes } }
}
