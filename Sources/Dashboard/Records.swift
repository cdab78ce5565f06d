public import Time

/// Which records of a topic are asked for.
public struct RecordsAsked: Sendable, Equatable {
    public var topic: String
    /// nil for the one that records with `key` go to, without a key for the first.
    public var partition: Int?
    /// Where to begin; nil for the last ones, with a key for the first that is kept.
    public var place: TopicPlace?
    /// Only records with this key.
    public var key: String?
    public var limit: Int
    /// How much of a record is shown: one may have a megabyte.
    public var bytes = 4096

    /// How many records are looked at for those with a key.
    public static let lookedAt = 100_000
}

/// Where in a partition to look.
public enum TopicPlace: Sendable, Equatable {
    case offset(Int64)
    /// The first record with this event time or a later one, ms UTC.
    case time(EventTime)
}

public struct FoundRecords: Sendable {
    public var partition: Int
    public var records: [FoundRecord]
    /// Where to go on; nil where the partition ends.
    public var next: Int64?

    public init(partition: Int, records: [FoundRecord] = [], next: Int64? = nil) {
        (self.partition, self.records, self.next) = (partition, records, next)
    }

    /// The same for programs.
    var table: PageTable {
        PageTable(
            columns: ["offset", "time", "key", "value", "headers"],
            rows: records.map { record in
                let headers = record.headers.map { "\($0.name): \($0.value)" }.joined(separator: "\n")
                return [
                    "\(record.offset)", record.time, record.key, record.value?.text, headers.isEmpty ? nil : headers,
                ]
            })
    }
}

/// A record as it is shown: nothing in it acts upon a page or a terminal.
public struct FoundRecord: Sendable {
    public var offset: Int64
    /// ISO 8601, in the tenant's zone.
    public var time: String
    public var key: String?
    public var value: MarkedText?
    public var headers: [(name: String, value: String)]
    /// The members of a value that is a JSON object, in its order; empty for another.
    public var members: [(name: String, value: String)]

    public init(
        offset: Int64, time: String, key: String?, value: MarkedText?, headers: [(name: String, value: String)],
        members: [(name: String, value: String)]
    ) {
        (self.offset, self.time, self.key, self.value) = (offset, time, key, value)
        (self.headers, self.members) = (headers, members)
    }
}

/// A record that could not be used.
public struct FoundLetter: Sendable {
    public var partition: Int
    public var offset: Int64
    public var reason: String
    public var source: String?
    /// Where in its line the fault begins.
    public var column: Int?
    public var detail: String?
    public var record: MarkedText

    public init(
        partition: Int, offset: Int64, reason: String, source: String?, column: Int?, detail: String?,
        record: MarkedText
    ) {
        (self.partition, self.offset, self.reason, self.source) = (partition, offset, reason, source)
        (self.column, self.detail, self.record) = (column, detail, record)
    }
}

public struct FoundLetters: Sendable {
    /// Of all there are, the commonest first.
    public var reasons: [(reason: String, count: Int64)]
    /// The newest first.
    public var letters: [FoundLetter]

    public init(reasons: [(reason: String, count: Int64)] = [], letters: [FoundLetter] = []) {
        (self.reasons, self.letters) = (reasons, letters)
    }

    /// The same for programs.
    var table: PageTable {
        PageTable(
            columns: ["partition", "offset", "reason", "source", "column", "detail", "record"],
            rows: letters.map {
                [
                    "\($0.partition)", "\($0.offset)", $0.reason, $0.source, $0.column.map { "\($0)" }, $0.detail,
                    $0.record.text,
                ]
            })
    }
}

/// A text, a part of which is to stand out; nothing where that is empty.
public struct MarkedText: Sendable, Equatable {
    public var before: String
    public var marked: String
    public var after: String

    public init(_ before: String, marked: String = "", after: String = "") {
        (self.before, self.marked, self.after) = (before, marked, after)
    }

    var text: String { before + marked + after }

    /// The beginning, or where something is marked what stands around it.
    func excerpt(letters: Int) -> MarkedText {
        guard !marked.isEmpty else {
            return before.count > 2 * letters ? MarkedText(before.prefix(2 * letters) + "…") : self
        }
        return MarkedText(
            before.count > letters ? "…" + before.suffix(letters) : before,
            marked: marked.count > 2 * letters ? marked.prefix(2 * letters) + "…" : marked,
            after: after.count > letters ? after.prefix(letters) + "…" : after)
    }
}
