import Time
import Compression
import Problems

/// One trip a line, as a topic has them.
final class JSONPartRecords: PartRecords {
    private let options: TripSourceOptions
    private let file: String
    private let isLast: Bool
    private var bytes: PartBytes
    private var lines: JSONLines
    private var reader: TripJSONReader
    /// Records of the piece that are not decoded yet, and where those end that are.
    private var slices: ArraySlice<RecordSlice> = []
    private var used = 0
    private var isSplit = false
    private var before: Int64 = 0
    private var lastLine: Int64
    private(set) var isCut = false

    /// A line that is longer is none of JSON lines.
    private static let longestLine = 64 << 20

    init(_ part: TripFilePart, _ reader: DecompressingReader, _ options: TripSourceOptions) throws(Problem) {
        (self.options, file, isLast) = (options, part.file, part.isLast)
        bytes = try PartBytes(reader, skip: part.skip)
        lines = JSONLines(line: part.line, isAtStart: part.isFirst && part.skip == 0)
        lastLine = part.line
        self.reader = TripJSONReader(fields: options.decodedFields)
    }

    var header: String? { nil }
    /// In front of the next record: blank lines before it are read again.
    var read: Int64 { before + Int64(slices.first?.offset ?? used) }
    var line: Int64 { slices.first?.position ?? lastLine }

    func fill(_ batch: TripBatch, _ rejects: inout [Reject]) throws -> Bool {
        while slices.isEmpty {
            if isSplit {
                if bytes.isAtEnd {
                    isCut = used < bytes.piece.count
                    return false
                }
                guard bytes.piece.count - used <= Self.longestLine else {
                    throw Problem(
                        .badData, "\"\(visible(file))\" has a line of more than \(Self.longestLine >> 20) MiB",
                        hint: "JSON lines are one object a line.")
                }
                before += Int64(used)
                try bytes.readOn(from: used)
            }
            var found: [RecordSlice] = []
            used = lines.split(
                UnsafeBufferPointer(start: bytes.piece.start, count: bytes.piece.count),
                isLast: bytes.isAtEnd && isLast, into: &found)
            (slices, isSplit, lastLine) = (found[...], true, lines.line)
        }
        let known = rejects.count
        let count = reader.decode(
            slices, base: bytes.piece.start, owner: bytes.piece, name: file, into: batch, rejects: &rejects)
        let decoded = slices.prefix(count)
        slices = slices.dropFirst(count)
        options.rejectAhead(batch, file, &rejects, after: known) { position in
            guard let slice = decoded.first(where: { $0.position == position }) else { return [] }
            return Array(UnsafeBufferPointer(start: bytes.piece.start + slice.offset, count: slice.length))
        }
        return true
    }
}

extension TripSourceOptions {
    /// Rejects the batch's trips whose event time is too far ahead; the others close up.
    ///
    /// - Parameters:
    ///   - known: rejects before those of this batch, which are put in the order of their places.
    ///   - bytes: of the record at a place.
    func rejectAhead(
        _ batch: TripBatch, _ file: String, _ rejects: inout [Reject], after known: Int,
        bytes: (Int64) throws -> [UInt8]
    ) rethrows {
        guard let ahead, batch.hasEvent(after: ahead.latest) else { return }
        var kept = 0
        for row in 0..<batch.count {
            let time = batch.eventTimes[row]
            guard time > ahead.latest else {
                if kept != row { batch.moveRow(row, to: kept, fields: decodedFields) }
                kept += 1
                continue
            }
            rejects.append(
                Reject(
                    reason: .outOfRange,
                    detail: "event_timestamp \"\(RFC3339.string(time))\" \(ahead.excess(of: time))",
                    location: InputLocation(file: file, line: Int(batch.positions[row]), column: 1),
                    bytes: try bytes(batch.positions[row])))
        }
        batch.count = kept
        rejects[known...].sort { $0.location.line < $1.location.line }
    }
}
