import Problems
import SchemaRegistry
import Topics
import Time
import Trips

/// Reads dead letters as the readers of today would.
final class LetterReader {
    private let options: DeadLetterReplayOptions
    /// By the clock of the moment, which also stamps rows that were to happen when they are sent.
    private var ahead: MaxAhead { MaxAhead(nowMs: options.clock.nowMs, aheadMs: options.maxAheadMs) }
    private var values: TripValueReader
    private let batch = TripBatch(capacity: 1)
    private var rowReaders: [RowKind: Result<TripRowReader, Problem>] = [:]
    private var output = OutputBuffer(capacity: 2048)
    private var places: [Int] = []

    /// Rows that one reader can read.
    private struct RowKind: Hashable {
        var columns: String
        var reading: RowReading
        var file: String
    }

    /// More of them at a time are not kept: each has some hundred kilobytes.
    private static let mostReaders = 16

    /// - Parameter schemas: those that records of Avro name.
    init(_ options: DeadLetterReplayOptions, _ schemas: SchemaCache?) {
        self.options = options
        values = TripValueReader(fields: .all, schemas: schemas)
    }

    /// A trip's record as `produce` would have sent it.
    enum Row {
        case record(TopicRecord)
        case rejected(String)
        /// Nobody knows its header line.
        case noColumns
    }

    /// Reads a row of a file.
    func row(_ bytes: [UInt8], of letter: StoredLetter) -> Row {
        guard let columns = letter.columns ?? options.columns else { return .noColumns }
        let reading = RowReading(text: letter.reading, otherwise: options.reading)
        let origin = letter.origin
        let kind = RowKind(columns: columns, reading: reading, file: origin?.file ?? "")
        let reader: TripRowReader
        do { reader = try self.reader(kind) } catch { return .rejected(error.message) }
        if let reject = reader.read(bytes, line: origin?.line ?? 1, ahead: ahead) { return .rejected(reject.detail) }
        output.removeAll()
        TripJSON.encode(reader.batch, rows: 0..<1, into: &output, recordOffsets: &places)
        let key = reading.key.field.map { TextCell(cell: reader.batch.column($0)[0]) }
        return .record(
            TopicRecord(
                key: key.flatMap { $0.isEmpty ? nil : Array(reader.batch.bytes($0)) }, value: Array(output.bytes),
                timestamp: reader.batch.eventTimes[0]))
    }

    private func reader(_ kind: RowKind) throws(Problem) -> TripRowReader {
        if let known = rowReaders[kind] { return try known.get() }
        if rowReaders.count >= Self.mostReaders { rowReaders.removeAll() }
        let source = TripSourceOptions(
            clock: kind.reading.clock, spread: kind.reading.spread, seed: kind.reading.seed, zone: options.zone)
        let made = Result { () throws(Problem) in
            try TripRowReader(columns: kind.columns, options: source, file: kind.file)
        }
        rowReaders[kind] = made
        return try made.get()
    }

    /// Why a record of a topic cannot be used; nil where it can.
    ///
    /// - Parameter anyTime: whether it may be however far ahead of the clock.
    /// - Throws: `.unavailable` where the registry does not say what its schema is.
    func fault(of value: [UInt8]?, anyTime: Bool = false) throws -> String? {
        // A byte behind it, so that one without bytes has a place too.
        let bytes = (value ?? []) + [0]
        return try bytes.withUnsafeBufferPointer { bytes in
            guard let start = bytes.baseAddress else { return "" }
            batch.reset()
            defer { batch.reset() }
            var rejects: [Reject] = []
            let slice = RecordSlice(offset: 0, length: bytes.count - 1, position: 0)
            try values.decode([slice], base: start, owner: nil, name: "", into: batch, rejects: &rejects)
            if let reject = rejects.first { return reject.detail }
            let (time, ahead) = (batch.eventTimes[0], ahead)
            return anyTime || time <= ahead.latest
                ? nil : "event_timestamp \"\(RFC3339.string(time))\" \(ahead.excess(of: time))"
        }
    }
}
