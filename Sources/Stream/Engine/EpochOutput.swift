import Topics
import Time

/// Rows of one query's storage table, as an epoch changes them: replaced whole, by window start or group id.
struct StoredRows: Sendable {
    /// Window start, or group id where the query has no windows.
    var ids: [Int64] = []
    /// How often a window's results were stored as those of a closed one, these included; 0 for an open window.
    var revisions: [Int64] = []
    /// The state's words, `stride` a row; not used where groups are packed.
    var words: [Int64] = []
    var stride = 0
    /// Texts of a row, one behind the other: the packed groups as JSON, or its histograms and sketches.
    var text: [UInt8] = []
    var textEnds: [Int] = []
    var textsPerRow = 0

    mutating func reserve(_ rows: Int, isWindowed: Bool) {
        guard isWindowed else { return }
        ids.reserveCapacity(rows)
        revisions.reserveCapacity(rows)
        words.reserveCapacity(rows * stride)
        textEnds.reserveCapacity(rows * textsPerRow)
    }
}

/// What one query adds to the database and to its topic in one epoch.
struct QueryOutput: Sendable {
    var query: Int
    var rows = StoredRows()
    /// Keys that were met first in this epoch, by id.
    var newKeys: [(id: Int64, parts: [GroupKeys.Part])] = []
    /// Rows that go, by window start or group id, with the revision by which the window of one is withdrawn.
    var removed: [(id: Int64, revision: Int64)] = []
    /// Messages for the output topic; empty columns where there are none.
    var messages: ResultColumns
    /// Alerts that its windows raised, and how far the conditions that held are now.
    var alerts: [RaisedAlert] = []
    var alertProgress: [StoredProgress] = []
    /// Windows that raised an alert, or would have, and that their trips that came late have changed since.
    var alertRevisions: [AlertRevision] = []
    /// Windows that had gone out before a rewind, and whose results follow those now.
    var followed: [EventTime] = []
    /// Local days whose windows changed.
    var days: Set<Int64> = []
    /// Event time of messages that have no window: the newest that the stream had seen.
    var newest: EventTime = 0
    /// How many windows or groups went out as results.
    var results: Int64 = 0
}

extension QueryOutput {
    /// Its messages, as they go to the query's topic.
    ///
    /// - Parameter schemaID: what they name as Avro; nil for JSON.
    func batch(for topic: String, schemaID: UInt32? = nil) -> PendingBatch {
        var times: ClosedRange<EventTime> = newest...newest
        if let starts = messages.columns.first(where: { $0.kind == .windowStart })?.cells, let first = starts.min(),
            let last = starts.max()
        {
            times = first...last
        }
        return PendingBatch(
            topic: topic, partition: 0, count: messages.count, times: times,
            encoding: schemaID == nil ? .results : .records,
            payload: schemaID.map { ResultAvro.payload(messages, schemaID: $0, newest: newest) } ?? messages.encode())
    }
}

extension RaisedAlert {
    /// As it goes to `{tenant}_alerts`.
    ///
    /// - Parameter schemaID: what it names as Avro; nil for JSON.
    func topicRecord(schemaID: UInt32?) -> TopicRecord {
        TopicRecord(
            key: Array(plan.name.utf8), value: schemaID.map { AlertAvro.value(of: self, schemaID: $0) } ?? record,
            timestamp: raisedMs)
    }
}
