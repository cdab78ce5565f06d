import Compression
import Problems

/// Rows of CSV.
final class CSVPartRecords: PartRecords {
    private let options: TripSourceOptions
    private let fields: TripFieldSet
    private let isLast: Bool
    private let rows = CSVRows(capacity: 16384)
    private var bytes: PartBytes
    private var framer: CSVFramer
    private var decoder: CSVDecoder
    private var clock: RowClock
    /// What was read before the piece.
    private var before: Int64 = 0
    private(set) var isCut = false

    init(_ part: TripFilePart, _ reader: DecompressingReader, _ options: TripSourceOptions) throws(Problem) {
        (self.options, isLast) = (options, part.isLast)
        (fields, clock) = (options.decodedFields, RowClock(options))
        // A header that was too long to be handed on stands at the start of what is given.
        let beginsWithHeader = part.header == nil
        bytes = try PartBytes(reader, skip: beginsWithHeader ? 0 : part.skip)
        let header: CSVHeader
        if let text = part.header {
            // Lines that end by CR alone are never cut into parts.
            header = try Array(text.utf8).withUnsafeBufferPointer { (sample) throws(Problem) in
                try CSVHeader(sample: sample, file: part.file, newline: 0x0a)
            }
        } else {
            let piece = bytes.piece
            header = try CSVHeader(
                sample: UnsafeBufferPointer(start: piece.start, count: min(piece.count, CSVHeader.sampleSize)),
                file: part.file)
        }
        try options.check(header)
        decoder = CSVDecoder(header: header, fields: fields, eventTime: options.clockField, capacity: rows.capacity)
        framer = CSVFramer(
            header: header, source: bytes.piece.start, offset: beginsWithHeader ? header.length : 0,
            line: beginsWithHeader ? Int64(header.firstRowLine) : part.line)
        if beginsWithHeader, part.skip > 0 {
            while Int64(bytes.piece.count) + before < part.skip, !bytes.isAtEnd { try readOn(from: bytes.piece.count) }
            (framer.offset, framer.line) = (Int(min(part.skip - before, Int64(bytes.piece.count))), part.line)
            before = -Int64(framer.offset)
        }
    }

    /// A last row without a line end is passed by one byte that is not there.
    var read: Int64 { before + Int64(min(framer.offset, bytes.piece.count)) }
    var line: Int64 { framer.line }
    var header: String? { framer.header.text }

    func fill(_ batch: TripBatch, _ rejects: inout [Reject]) throws -> Bool {
        let rejectsBefore = rejects.count
        var rejectedBytes = 0
        while !isCut {
            (batch.source, batch.owner, batch.fields) = (framer.source, bytes.piece, decoder.fields)
            for field in fields.subtracting(decoder.fields).fields {
                batch.column(field).update(repeating: nullCell, count: batch.capacity)
            }
            var outcome = CSVFramer.Outcome.advanced
            while batch.count < batch.capacity, case .advanced = outcome, rejectedBytes < Reject.bytesAtOnce {
                rows.removeAll()
                let (start, known) = (batch.count, rejects.count)
                outcome = framer.fill(
                    rows, limit: batch.capacity - batch.count, until: bytes.piece.count,
                    isLast: bytes.isAtEnd && isLast, rejects: &rejects)
                if rows.count > 0 {
                    decoder.decode(rows, into: batch, rejects: &rejects)
                    if let ahead = options.ahead {
                        decoder.removeAhead(of: ahead, rows, batch, from: start, clock: &clock, rejects: &rejects)
                    }
                }
                rejectedBytes += rejects[known...].bytes
            }
            if batch.count > 0 || rejects.count > rejectsBefore {
                clock.stamp(batch)
                return true
            }
            switch outcome {
            case .header(let header):
                try options.check(header)
                framer = framer.goingOn(under: header)
                decoder = CSVDecoder(
                    header: header, fields: fields, eventTime: options.clockField, capacity: rows.capacity)
            case .advanced, .incomplete, .end:
                if !bytes.isAtEnd {
                    try readOn(from: framer.offset)
                } else if framer.offset < bytes.piece.count, case .incomplete = outcome {
                    isCut = true
                } else if framer.offset >= bytes.piece.count {
                    return false
                }
            }
        }
        return false
    }

    private func readOn(from offset: Int) throws(Problem) {
        before += Int64(offset)
        framer.offset = offset
        try bytes.readOn(from: offset)
        framer = framer.goingOn(in: bytes.piece.start)
    }
}
