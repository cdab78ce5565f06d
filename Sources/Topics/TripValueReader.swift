internal import Avro
public import Problems
public import SchemaRegistry
public import Trips

/// Reads trips from the values of a topic's records, each in the form that it has: JSON, or Avro in Confluent's frame.
///
/// Nobody has to say which, and a topic may hold both: a JSON record begins with "{", or a blank before it, and a frame with the byte 0,
/// which no text has. A frame whose schema nobody registered is `unknown_schema`; one whose schema is of no trip, or whose bytes are not
/// what its schema says, is `schema_mismatch`.
///
/// One reader a thread: it learns the order in which the fields of JSON come, and what each schema's mean.
public struct TripValueReader {
    public let fields: TripFieldSet
    private let schemas: SchemaCache?
    private var json: TripJSONReader
    private var readers: [TripAvroReader] = []
    /// What is known of each schema that was met.
    private var writers: [UInt32: Writer] = [:]

    private enum Writer {
        /// Index of its reader.
        case reader(Int)
        case refused(RejectReason, String)
    }

    /// So many records are looked at before they are read: further ahead their bytes would leave the cache again.
    private static let lookahead = 128

    /// - Parameters:
    ///   - fields: the columns to fill; the event time always is.
    ///   - schemas: nil where there are none: then each frame is `unknown_schema`.
    public init(fields: TripFieldSet, schemas: SchemaCache?) {
        (self.fields, self.schemas) = (fields, schemas)
        json = TripJSONReader(fields: fields)
    }

    /// Appends records to a batch until it is full; see `TripJSONReader.decode`.
    ///
    /// - Throws: `.unavailable` where the registry does not say what a schema is: nobody knows then whether the record is good.
    public mutating func decode(
        _ records: ArraySlice<RecordSlice>, base: UnsafePointer<UInt8>, owner: AnyObject?, name: String,
        into batch: TripBatch, rejects: inout [Reject]
    ) throws(Problem) {
        // What nobody registered may be there by the next batch.
        writers = writers.filter { if case .refused(.unknownSchema, _) = $0.value { false } else { true } }
        var first = records.startIndex
        while first < records.endIndex, batch.count < batch.capacity {
            let form = Self.form(of: records[first], base)
            let end = min(first + Self.lookahead, records.endIndex)
            var next = first + 1
            while next < end, Self.form(of: records[next], base) == form { next += 1 }
            switch form {
            case .json:
                _ = json.decode(
                    records[first..<next], base: base, owner: owner, name: name, into: batch, rejects: &rejects)
            case .framed(let schema):
                try decode(
                    records[first..<next], schema: schema, base: base, owner: owner, name: name, into: batch,
                    rejects: &rejects)
            case .cut:
                refuse(records[first..<next], .schemaMismatch, "its frame is cut", base, name, &rejects)
            }
            first = next
        }
    }

    private enum Form: Equatable {
        /// Without a frame.
        case json
        /// With the schema that its frame names.
        case framed(UInt32)
        /// It begins as a frame does, which no JSON does, and ends within it.
        case cut
    }

    @inline(__always)
    private static func form(of record: RecordSlice, _ base: UnsafePointer<UInt8>) -> Form {
        guard record.length > 0, base[record.offset] == 0 else { return .json }
        let message = UnsafeBufferPointer(start: base + record.offset, count: record.length)
        return ConfluentFrame(message).map { .framed($0.schemaID) } ?? .cut
    }

    private func refuse(
        _ records: ArraySlice<RecordSlice>, _ reason: RejectReason, _ detail: String, _ base: UnsafePointer<UInt8>,
        _ name: String, _ rejects: inout [Reject]
    ) {
        for record in records {
            rejects.append(
                Reject(
                    reason: reason, detail: detail,
                    location: InputLocation(file: name, line: Int(record.position), column: 1),
                    bytes: Array(UnsafeBufferPointer(start: base + record.offset, count: record.length))))
        }
    }

    private mutating func decode(
        _ records: ArraySlice<RecordSlice>, schema: UInt32, base: UnsafePointer<UInt8>, owner: AnyObject?, name: String,
        into batch: TripBatch, rejects: inout [Reject]
    ) throws(Problem) {
        switch try writer(schema) {
        case .reader(let index):
            _ = readers[index].decode(
                records, base: base, owner: owner, name: name, headerLength: ConfluentFrame.headerLength, into: batch,
                rejects: &rejects)
        case .refused(let reason, let detail): refuse(records, reason, detail, base, name, &rejects)
        }
    }

    private mutating func writer(_ schema: UInt32) throws(Problem) -> Writer {
        if let writer = writers[schema] { return writer }
        let writer: Writer
        switch try schemas?.entry(id: schema) {
        case .schema(let found)?:
            do throws(Problem) {
                readers.append(try TripAvroReader(schema: found, fields: fields))
                writer = .reader(readers.count - 1)
            } catch {
                writer = .refused(.schemaMismatch, "schema \(schema) is of no trip: \(error.message)")
            }
        case .unreadable(let why)?: writer = .refused(.schemaMismatch, why)
        case nil: writer = .refused(.unknownSchema, schemas?.unknown(schema) ?? "there is no registry of schemas")
        }
        writers[schema] = writer
        return writer
    }
}
