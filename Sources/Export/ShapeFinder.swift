import Problems
import SchemaRegistry
import Topics
import Trips

/// Looks through the selected records once, to know what their table is.
struct ShapeFinder {
    let reader: any TopicReader
    let selection: ExportSelection
    /// What was asked for; nil for what fits.
    let wanted: ExportShape.Name?

    private enum Verdict { case open, records }

    /// - Throws: `.badData` where the records are not what was asked for; what the reader throws.
    func find(_ look: () throws -> Void) throws -> (shape: ExportShape, columns: ObjectColumns) {
        var columns = ObjectColumns()
        if wanted == .records { return (.records, columns) }
        if wanted == .trips { return (.trips, columns) }
        var (areTrips, isEmpty, verdict) = (wanted == nil, true, Verdict.open)
        var trips = TripBatchLoader(schemas: reader.schemas)
        let records = BatchRecords(schemas: reader.schemas)
        /// Money in cents has names of its own, by which readers of JSON do not know it.
        var areAvro = true
        var fault: Problem?
        try selection.forEachBatch(reader) { batch, rows in
            try look()
            isEmpty = false
            if batch.encoding == .trips {
                columns.learnTrips()
                return true
            }
            try records.load(batch, from: batch.baseOffset + Int64(rows.lowerBound))
            for index in 0..<rows.count {
                areAvro = areAvro && records.isFramed(index)
                let isObject =
                    (wanted == .objects || records.headers(index).isEmpty)
                    && records.withValue(index) { $0.map { columns.learn($0) } ?? false }
                if isObject { continue }
                verdict = .records
                fault = Problem(
                    .badData,
                    "the record at offset \(records.firstOffset + Int64(index)) of partition \(batch.partition) is no JSON object",
                    hint: "Leave --as objects out, or take --as records.")
                return false
            }
            if columns.isTooWide { return false }
            if areTrips {
                areTrips = batch.encoding == .records && columns.areTrips(inCents: areAvro)
                if areTrips { areTrips = try trips.load(batch, rows).rejected.isEmpty }
            }
            return true
        }
        if columns.isTooWide, verdict == .open {
            throw Problem(
                .badData,
                "the objects of topic \"\(reader.topic)\" have more than \(ObjectColumns.most) different fields",
                hint: "Export them as they are: --as records.")
        }
        if wanted == .objects, let fault { throw fault }
        // Of nothing at all only the name can tell.
        if isEmpty, wanted == nil {
            return (reader.topic.hasSuffix("_ingestData") ? .trips : .records, columns)
        }
        if verdict == .records { return (.records, columns) }
        return (areTrips ? .trips : .objects(columns.columns), columns)
    }
}

/// Makes columns of a stored batch of trips, however it is stored.
struct TripBatchLoader {
    private(set) var trips = TripBatch(capacity: 1)
    private var decoder = TripColumnsDecoder()
    private var reader: TripValueReader

    /// - Parameter schemas: of records that are Avro.
    init(schemas: SchemaCache?) { reader = TripValueReader(fields: .all, schemas: schemas) }

    /// Replaces what it holds by some rows of a batch.
    ///
    /// - Returns: which rows of `trips` they are, and those that are no trips.
    mutating func load(_ batch: StoredBatch, _ rows: Range<Int>) throws -> (rows: Range<Int>, rejected: [Reject]) {
        if trips.capacity < batch.count { trips = TripBatch(capacity: batch.count) }
        guard batch.encoding != .trips else {
            guard batch.count <= TripColumnsDecoder.maximumTrips,
                (try? batch.payload.withUnsafeBytes({ try decoder.decode($0, fields: .all, into: trips) })) != nil,
                trips.count == batch.count
            else { throw batch.damage }
            return (rows, [])
        }
        trips.reset()
        var rejected: [Reject] = []
        let records = BatchRecords()
        try records.load(batch, from: batch.baseOffset + Int64(rows.lowerBound))
        let block = LineBlock(records, rows.count)
        try reader.decode(
            block.slices[...], base: block.start, owner: block, name: "partition \(batch.partition)", into: trips,
            rejects: &rejected)
        return (0..<trips.count, rejected)
    }

    /// The values of some records in memory that stays where it is.
    private final class LineBlock {
        let start: UnsafeMutablePointer<UInt8>
        private(set) var slices: [RecordSlice] = []

        init(_ records: BatchRecords, _ count: Int) {
            start = records.withLines(0..<count) { lines in
                let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, lines.count))
                if let base = lines.baseAddress { copy.update(from: base, count: lines.count) }
                return copy
            }
            var offset = 0
            for index in 0..<count {
                let length = records.withLines(index..<index + 1) { $0.count }
                slices.append(
                    RecordSlice(offset: offset, length: length - 1, position: records.firstOffset + Int64(index)))
                offset += length
            }
        }

        deinit { start.deallocate() }
    }
}
