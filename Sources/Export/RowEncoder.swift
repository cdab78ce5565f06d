import Avro
import Foundation
import Problems
import SchemaRegistry
import Topics
import Time
import Trips

/// The forms that rows are written in; Parquet is made of CSV by another program.
enum RowForm: Sendable, Equatable {
    /// - Parameter guarded: as of `csvField`.
    case csv(guarded: Bool)
    case jsonl
    case avro
}

/// Writes the records of stored batches as rows.
protocol RowEncoder: AnyObject {
    /// Of Avro's records; nil for other forms.
    var schema: AvroSchema? { get }
    /// What precedes the first row.
    func begin(_ output: inout OutputBuffer)
    /// Appends some records of a batch.
    ///
    /// - Returns: how many rows they became.
    func encode(_ batch: StoredBatch, _ rows: Range<Int>, into output: inout OutputBuffer) throws -> Int
    /// Records that could not become rows, by reason.
    var rejected: [RejectReason: Int] { get }
}

extension RowEncoder {
    var rejected: [RejectReason: Int] { [:] }
}

// MARK: - Trips

final class TripRows: RowEncoder {
    private let form: RowForm
    private let money: TripMoney
    private var loader: TripBatchLoader
    private var offsets: [Int] = []
    private(set) var rejected: [RejectReason: Int] = [:]

    /// - Parameter schemas: of records that are Avro.
    init(_ form: RowForm, _ money: TripMoney, schemas: SchemaCache?) {
        (self.form, self.money) = (form, money)
        loader = TripBatchLoader(schemas: schemas)
    }

    var schema: AvroSchema? { form == .avro ? TripAvro.schema(money: money) : nil }

    func begin(_ output: inout OutputBuffer) {
        if case .csv = form { TripCSV.appendHeader(money: money, to: &output) }
    }

    func encode(_ batch: StoredBatch, _ rows: Range<Int>, into output: inout OutputBuffer) throws -> Int {
        let (found, rejects) = try loader.load(batch, rows)
        for reject in rejects { rejected[reject.reason, default: 0] += 1 }
        switch form {
        case .csv(let guarded):
            TripCSV.encode(loader.trips, rows: found, money: money, guarded: guarded, into: &output)
        case .jsonl:
            TripJSON.encode(
                loader.trips, rows: found, into: &output, recordOffsets: &offsets, lineEnds: true, money: money)
        case .avro: TripAvro.encode(loader.trips, rows: found, money: money, into: &output, recordOffsets: &offsets)
        }
        return found.count
    }
}

// MARK: - JSON objects

final class ObjectRows: RowEncoder {
    private let form: RowForm
    private let columns: [ObjectColumn]
    private var fields: ObjectColumns
    private let records: BatchRecords
    let schema: AvroSchema?
    /// The row's values, and where their bytes are: one buffer for all, since what is lent goes away.
    private var cells: [Cell]
    private var text = OutputBuffer(capacity: 1 << 12)

    private struct Cell {
        var kind = JSONObject.Value.Kind.null
        var start = 0
        var count = 0
    }

    init(_ form: RowForm, _ columns: [ObjectColumn], _ fields: ObjectColumns, _ reader: any TopicReader) throws {
        (self.form, self.columns, self.fields) = (form, columns, fields)
        records = BatchRecords(schemas: reader.schemas)
        cells = Array(repeating: Cell(), count: columns.count)
        schema = form == .avro ? try Self.schema(columns, reader.topic) : nil
    }

    private static func schema(_ columns: [ObjectColumn], _ topic: String) throws -> AvroSchema {
        var taken: Set<String> = []
        let fields = columns.map { column in
            let type =
                switch column.kind {
                case .integer: "long"
                case .number: "double"
                case .boolean: "boolean"
                case .text: "string"
                }
            let name = avroName(column.name)
            let free = (1...).lazy.map { $0 == 1 ? name : "\(name)_\($0)" }.first { taken.insert($0).inserted }!
            return #"{"name":"\#(free)","type":["null","\#(type)"],"default":null}"#
        }
        return try AvroSchema(
            #"{"type":"record","name":"\#(avroName(topic))","namespace":"taxi","fields":[\#(fields.joined(separator: ","))]}"#,
            file: topic)
    }

    /// What Avro allows for a name that may have any characters.
    static func avroName(_ text: String) -> String {
        let name = text.utf8.map { byte -> Character in
            let isFine = (byte | 0x20) &- 97 < 26 || byte &- 48 < 10
            return isFine ? Character(Unicode.Scalar(byte)) : "_"
        }
        let first = name.first ?? "_"
        return (first.isNumber ? "_" : "") + (name.isEmpty ? "_" : String(name))
    }

    func begin(_ output: inout OutputBuffer) {
        guard case .csv(let guarded) = form else { return }
        output.append(columns.map { csvField($0.name, guarded: guarded) }.joined(separator: ",") + "\r\n")
    }

    func encode(_ batch: StoredBatch, _ rows: Range<Int>, into output: inout OutputBuffer) throws -> Int {
        try records.load(batch, from: batch.baseOffset + Int64(rows.lowerBound))
        if form == .jsonl {
            records.withLines(0..<rows.count) { output.append($0) }
            return rows.count
        }
        for index in 0..<rows.count {
            records.withValue(index) { if let value = $0 { read(value) } }
            switch form {
            case .csv(let guarded): appendCSV(guarded, to: &output)
            default: appendAvro(to: &output)
            }
        }
        return rows.count
    }

    private func read(_ record: UnsafeBufferPointer<UInt8>) {
        for place in cells.indices { cells[place].kind = .null }
        text.removeAll()
        var hint = 0
        // Of a record that is no object any more, since the topic was made anew meanwhile, its first fields remain.
        _ = fields.forEachField(record, learning: false, &hint) { [self] _, place, value in
            cells[place] = Cell(kind: value.kind, start: text.count, count: value.bytes.count)
            text.append(value.bytes)
        }
    }

    private func bytes(_ cell: Cell) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: text.bytes[cell.start..<cell.start + cell.count])
    }

    private func appendCSV(_ guarded: Bool, to output: inout OutputBuffer) {
        for (place, cell) in cells.enumerated() {
            if place > 0 { output.append(UInt8(ascii: ",")) }
            switch cell.kind {
            case .null: break
            // In quotes an empty text is none that is missing.
            case .string where cell.count == 0: output.append("\"\"")
            case .number, .boolean: output.append(bytes(cell))
            default: output.append(csvField: bytes(cell), guarded: guarded)
            }
        }
        output.append("\r\n")
    }

    private func appendAvro(to output: inout OutputBuffer) {
        for (column, cell) in zip(columns, cells) {
            guard cell.kind != .null else {
                output.append(0)
                continue
            }
            output.append(2)
            let start = output.reserve(AvroBinary.maximumLongLength)
            switch column.kind {
            case .integer:
                let value = Int64(String(decoding: bytes(cell), as: UTF8.self)) ?? 0
                output.advance(by: AvroBinary.write(long: value, to: start) - start)
            case .number:
                let value = Double(String(decoding: bytes(cell), as: UTF8.self)) ?? 0
                output.advance(by: AvroBinary.write(double: value, to: start) - start)
            case .boolean: output.append(bytes(cell).first == UInt8(ascii: "t") ? 1 : 0)
            case .text:
                output.advance(by: AvroBinary.write(long: Int64(cell.count), to: start) - start)
                output.append(bytes(cell))
            }
        }
    }
}

// MARK: - Records

final class RecordRows: RowEncoder {
    private let form: RowForm
    private let records = BatchRecords()

    init(_ form: RowForm) { self.form = form }

    /// Its columns, in CSV and Parquet.
    static let columns = ["partition", "offset", "timestamp", "key", "headers", "value"]

    var schema: AvroSchema? { form == .avro ? Self.recordSchema : nil }

    private static let recordSchema: AvroSchema = {
        let text = """
            {"type":"record","name":"Record","namespace":"taxi","fields":[{"name":"partition","type":"int"},\
            {"name":"offset","type":"long"},{"name":"timestamp","type":{"type":"long","logicalType":"timestamp-millis"}},\
            {"name":"key","type":["null","bytes"],"default":null},\
            {"name":"headers","type":{"type":"array","items":{"type":"record","name":"Header","fields":[\
            {"name":"name","type":"string"},{"name":"value","type":["null","bytes"]}]}},"default":[]},\
            {"name":"value","type":["null","bytes"],"default":null}]}
            """
        do { return try AvroSchema(text, file: "taxi.Record") } catch { preconditionFailure("\(error)") }
    }()

    func begin(_ output: inout OutputBuffer) {
        if case .csv = form { output.append(Self.columns.joined(separator: ",") + "\r\n") }
    }

    func encode(_ batch: StoredBatch, _ rows: Range<Int>, into output: inout OutputBuffer) throws -> Int {
        try records.load(batch, from: batch.baseOffset + Int64(rows.lowerBound))
        switch form {
        case .jsonl: RecordLines.objects.append(records, 0..<rows.count, to: &output)
        case .csv(let guarded): for index in 0..<rows.count { appendCSV(index, guarded, to: &output) }
        case .avro: for index in 0..<rows.count { appendAvro(index, to: &output) }
        }
        return rows.count
    }

    private func appendCSV(_ index: Int, _ guarded: Bool, to output: inout OutputBuffer) {
        output.append(decimal: Int64(records.partition))
        output.append(",")
        output.append(decimal: records.firstOffset + Int64(index))
        output.append(",")
        output.append(time: records.timestamps[index])
        output.append(",")
        append(records.key(index), guarded, to: &output)
        output.append(",")
        let headers = records.headers(index)
        if !headers.isEmpty {
            var object = OutputBuffer(capacity: 256)
            RecordLines.appendHeaders(headers, to: &object)
            output.append(csvField: object.bytes, guarded: guarded)
        }
        output.append(",")
        append(records.withValue(index) { $0.map { Array($0) } }, guarded, to: &output)
        output.append("\r\n")
    }

    /// Bytes that are no text become `{"base64":"…"}`, as in JSON.
    private func append(_ bytes: [UInt8]?, _ guarded: Bool, to output: inout OutputBuffer) {
        guard let bytes else { return }
        guard !bytes.isEmpty else { return output.append("\"\"") }
        if String(validating: bytes, as: UTF8.self) != nil {
            bytes.withUnsafeBufferPointer { output.append(csvField: $0, guarded: guarded) }
        } else {
            output.append(csvField("{\"base64\":\"" + Data(bytes).base64EncodedString() + "\"}", guarded: guarded))
        }
    }

    private func appendAvro(_ index: Int, to output: inout OutputBuffer) {
        appendLong(Int64(records.partition), to: &output)
        appendLong(records.firstOffset + Int64(index), to: &output)
        appendLong(records.timestamps[index], to: &output)
        appendBytes(records.key(index), to: &output)
        let headers = records.headers(index)
        if !headers.isEmpty {
            appendLong(Int64(headers.count), to: &output)
            for header in headers {
                appendLong(Int64(header.name.utf8.count), to: &output)
                output.append(header.name)
                appendBytes(header.value, to: &output)
            }
        }
        output.append(0)
        appendBytes(records.withValue(index) { $0.map { Array($0) } }, to: &output)
    }

    private func appendLong(_ value: Int64, to output: inout OutputBuffer) {
        let start = output.reserve(AvroBinary.maximumLongLength)
        output.advance(by: AvroBinary.write(long: value, to: start) - start)
    }

    /// A union of null and bytes.
    private func appendBytes(_ bytes: [UInt8]?, to output: inout OutputBuffer) {
        output.append(bytes == nil ? 0 : 2)
        guard let bytes else { return }
        appendLong(Int64(bytes.count), to: &output)
        output.append(bytes)
    }
}
