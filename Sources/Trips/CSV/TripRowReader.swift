import Time
public import Problems

/// Reads rows of trip files one by one, each under the header line of the file that it came from: for rows that were set aside.
///
/// A row is good where a replay of a file with that header would take it. Not thread-safe.
public final class TripRowReader {
    /// The trip that was read last; empty where it was rejected. Valid until the next `read`.
    public let batch = TripBatch(capacity: 1)
    private let options: TripSourceOptions
    private let header: CSVHeader
    private let decoder: CSVDecoder
    private let rows = CSVRows(capacity: 2)
    private var clock: RowClock
    private let piece: RowPiece

    /// - Parameters:
    ///   - columns: the header line.
    ///   - options: clock, spread, seed and zone.
    ///   - file: where the rows came from, for rejects.
    /// - Throws: `Problem(.badData)` for a line that is no header, or lacks a column that the clock needs.
    public init(columns: String, options: TripSourceOptions, file: String) throws(Problem) {
        (self.options, clock) = (options, RowClock(options))
        let bytes = Array(columns.utf8)
        header = try bytes.withUnsafeBufferPointer { (bytes) throws(Problem) in
            try CSVHeader(sample: bytes, file: file, newline: 0x0a)
        }
        try options.check(header)
        decoder = CSVDecoder(
            header: header, fields: options.decodedFields, eventTime: options.clock == .now ? nil : options.clockField,
            capacity: rows.capacity)
        piece = RowPiece()
    }

    /// Reads a row; its trip is in `batch` then.
    ///
    /// - Parameters:
    ///   - line: where it stood, which decides where in its quarter of an hour `Spread.uniform` puts it.
    ///   - ahead: with the clock `now` its time is the trip's; else later trips are rejected.
    /// - Returns: why it cannot be used; nil where it can.
    public func read(_ row: [UInt8], line: Int64, ahead: MaxAhead) -> Reject? {
        piece.fill(row)
        batch.reset()
        rows.removeAll()
        (batch.source, batch.owner, batch.fields) = (piece.start, piece, decoder.fields)
        for field in options.decodedFields.subtracting(decoder.fields).fields {
            batch.column(field).update(repeating: nullCell, count: batch.capacity)
        }
        var framer = CSVFramer(header: header, source: piece.start, offset: 0, line: line)
        var rejects: [Reject] = []
        _ = framer.fill(rows, limit: 1, until: row.count, isLast: true, rejects: &rejects)
        if let reject = rejects.first { return reject }
        guard rows.count == 1, framer.offset >= row.count else {
            return Reject(
                reason: .malformedRow, detail: "it is not one row",
                location: InputLocation(file: header.file, line: Int(line), column: 1), bytes: row)
        }
        decoder.decode(rows, into: batch, rejects: &rejects)
        if options.clock == .now {
            batch.eventTimes[0] = ahead.nowMs
        } else if rejects.isEmpty {
            decoder.removeAhead(of: ahead, rows, batch, from: 0, clock: &clock, rejects: &rejects)
            if rejects.isEmpty { clock.stamp(batch) }
        }
        return rejects.first
    }
}

/// The bytes of one row, in a block that stays where it is.
private final class RowPiece {
    private var block = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 4096)
    var start: UnsafePointer<UInt8> { UnsafePointer(block.baseAddress!) }  // never empty

    func fill(_ row: [UInt8]) {
        // Room behind it for what looks at several bytes at once.
        if block.count < row.count + 64 {
            block.deallocate()
            block = .allocate(capacity: row.count + 4096)
        }
        _ = block.update(fromContentsOf: row)
        block[row.count..<row.count + 64].update(repeating: 0)
    }

    deinit { block.deallocate() }
}
