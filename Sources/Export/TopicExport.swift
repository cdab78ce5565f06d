public import Avro
public import Problems
public import Topics
public import Trips

/// Writes the records of a topic as a table that other programs read: one pass to learn what its columns are, one to write; never more in
/// memory than some batches.
///
/// Partitions come one after the other, each in the order of its offsets. Used by one thread.
public final class TopicExport {
    public enum Format: String, Sendable, CaseIterable { case csv, jsonl, parquet, avro }

    public struct Summary: Sendable, Equatable {
        public var rows: Int64 = 0
        public var shape = ExportShape.Name.records
        /// Records that are no trips, though trips were asked for.
        public var rejected: [RejectReason: Int] = [:]
        /// Offsets whose records were removed before they were read.
        public var lost: Int64 = 0
    }

    /// Thrown by a caller's `progress` to end the work.
    public struct Stopped: Error {
        public init() {}
    }

    private let reader: any TopicReader
    private let selection: ExportSelection
    private let wanted: ExportShape.Name?

    /// How much is gathered before it is written.
    private static let pieceBytes = 256 << 10

    /// - Parameter wanted: what the records are to be taken for; nil for what they all are.
    public init(_ reader: any TopicReader, _ selection: ExportSelection, as wanted: ExportShape.Name? = nil) {
        (self.reader, self.selection, self.wanted) = (reader, selection, wanted)
    }

    /// Writes CSV, JSON lines or a container file of Avro.
    ///
    /// - Parameters:
    ///   - money: of trips; it is `.usage` to ask for cents of anything else.
    ///   - write: receives the bytes in their order.
    ///   - progress: told how many rows were written, as often as there is something to tell; what it throws ends the work.
    /// - Throws: `.badData` for a topic that is not what was asked for, or damaged; what reading and writing throw.
    public func write(
        _ format: Format, money: TripMoney, codec: AvroCodec = .deflate,
        to write: @escaping (UnsafeRawBufferPointer) throws -> Void, progress: (Int64) throws -> Void
    ) throws -> Summary {
        precondition(format != .parquet, "Parquet is written by writeParquet")
        let form: RowForm = format == .csv ? .csv(guarded: true) : format == .jsonl ? .jsonl : .avro
        let (encoder, shape) = try encoder(form, money) { try progress(0) }
        return try run(encoder, shape, codec, write, progress)
    }

    /// Writes a Parquet file through DuckDB.
    ///
    /// - Parameter target: gets the file's bytes; it must be a file.
    public func writeParquet(
        _ engine: ParquetEngine, money: TripMoney, to target: FileReplacement, progress: (Int64) throws -> Void
    ) throws -> Summary {
        let (encoder, shape) = try encoder(.csv(guarded: false), money) { try progress(0) }
        let writer = try ParquetWriter(engine, columns: ParquetWriter.columns(of: shape, money: money), to: target)
        let summary = try run(encoder, shape, .null, { try writer.write($0) }, progress)
        try writer.finish(rows: summary.rows)
        return summary
    }

    private func encoder(
        _ form: RowForm, _ money: TripMoney, _ look: () throws -> Void
    ) throws -> (any RowEncoder, ExportShape) {
        let (shape, columns) = try ShapeFinder(reader: reader, selection: selection, wanted: wanted).find(look)
        if money == .cents, shape != .trips {
            throw Problem(
                .usage, "topic \"\(reader.topic)\" is none of trips, and which of its columns are money nobody says",
                hint: "Leave --money out.")
        }
        switch shape {
        case .trips: return (TripRows(form, money, schemas: reader.schemas), shape)
        case .objects(let list): return (try ObjectRows(form, list, columns, reader), shape)
        case .records: return (RecordRows(form), shape)
        }
    }

    private func run(
        _ encoder: any RowEncoder, _ shape: ExportShape, _ codec: AvroCodec,
        _ write: @escaping (UnsafeRawBufferPointer) throws -> Void, _ progress: (Int64) throws -> Void
    ) throws -> Summary {
        var summary = Summary(shape: shape.name)
        var output = OutputBuffer(capacity: Self.pieceBytes * 2)
        var waiting = 0
        let file = try encoder.schema.map { try AvroFileWriter(schema: $0, codec: codec, write: write) }
        func flush() throws {
            if let file {
                try file.append(UnsafeRawBufferPointer(output.bytes), count: waiting)
            } else {
                try write(UnsafeRawBufferPointer(output.bytes))
            }
            output.removeAll()
            waiting = 0
        }
        encoder.begin(&output)
        try selection.forEachBatch(reader) { batch, rows in
            let count = try encoder.encode(batch, rows, into: &output)
            waiting += count
            summary.rows += Int64(count)
            if output.count >= Self.pieceBytes { try flush() }
            try progress(summary.rows)
            return true
        }
        try flush()
        try file?.finish()
        summary.rejected = encoder.rejected
        for part in selection.parts { summary.lost += Int64(reader.takeLost(partition: part.partition)?.count ?? 0) }
        return summary
    }
}
