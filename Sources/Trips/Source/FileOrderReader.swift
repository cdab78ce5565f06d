import Compression
import Problems

/// Rows in the order of the files, one file after the other.
final class FileOrderReader: RowReader {
    private let paths: [String]
    private let options: TripSourceOptions
    private let warnings: ColumnWarnings
    let fields: TripFieldSet
    private let rows = CSVRows(capacity: 16384)
    private var current: Input?
    private var firstHeader: CSVHeader?
    var header: CSVHeader {
        guard let firstHeader else { preconditionFailure("a reader is opened before it is used") }
        return firstHeader
    }
    private var nextPath = 0

    /// The file that is being read: all of it mapped, or a stream of which one piece is at hand.
    private struct Input {
        var owner: AnyObject
        var stream: DecompressingReader?
        var framer: CSVFramer
        var decoder: CSVDecoder
        /// Where the bytes at hand end, counted from the framer's source.
        var end: Int
        /// Whether the file ends there.
        var isLast: Bool
    }

    init(paths: [String], options: TripSourceOptions, warnings: ColumnWarnings) {
        (self.paths, self.options, self.warnings) = (paths, options, warnings)
        fields = options.decodedFields
    }

    func takeFiltered() -> [String: Int] { [:] }

    /// Opens the first file, so that what is wrong with it is said before anything starts.
    func open() throws(Problem) {
        current = try openNext()
        firstHeader = current?.framer.header
    }

    func fill(_ batch: TripBatch, _ rejects: inout [Reject], _ guards: inout RejectGuard) throws(Problem) -> Bool {
        let rejectsBefore = rejects.count
        var rejectedBytes = 0
        while current != nil {
            batch.source = current!.framer.source
            batch.owner = current!.owner
            batch.fields = current!.decoder.fields
            for field in fields.subtracting(batch.fields).fields {
                batch.column(field).update(repeating: nullCell, count: batch.capacity)
            }
            var outcome = CSVFramer.Outcome.advanced
            let start = current!.framer.offset
            while batch.count < batch.capacity, case .advanced = outcome, rejectedBytes < Reject.bytesAtOnce,
                current!.framer.offset - start < Self.bytesAtOnce
            {
                rows.removeAll()
                let (countBefore, rejectedBefore) = (batch.count, rejects.count)
                outcome = current!.framer.fill(
                    rows, limit: batch.capacity - batch.count, until: current!.end, isLast: current!.isLast,
                    rejects: &rejects)
                if rows.count > 0 { current!.decoder.decode(rows, into: batch, rejects: &rejects) }
                try guards.observe(
                    accepted: UnsafeBufferPointer(
                        start: batch.positions + countBefore, count: batch.count - countBefore),
                    rejects: rejects[rejectedBefore...])
                rejectedBytes += rejects[rejectedBefore...].bytes
            }
            if case .header(let header) = outcome { try goOn(under: header) }
            if batch.count > 0 || rejects.count > rejectsBefore { return true }
            if case .header = outcome { continue }
            if current!.isLast { current = try openNext() } else { try readOn() }
        }
        return false
    }

    private func openNext() throws(Problem) -> Input? {
        guard nextPath < paths.count else { return nil }
        let path = paths[nextPath]
        nextPath += 1
        let name = InputBytes.name(of: path)
        switch try InputBytes(path: path, isStopped: options.isStopped) {
        case .file(let file):
            let mapped = try MappedFiles([file])
            return try input(
                owner: mapped, stream: nil, source: mapped.base, count: file.size, isLast: true, name: name)
        case .stream(let reader):
            let piece = StreamPiece(capacity: Self.pieceSize)
            let isLast = try piece.fill(from: reader)
            return try input(
                owner: piece, stream: reader, source: piece.start, count: piece.count, isLast: isLast, name: name)
        }
    }

    private func input(
        owner: AnyObject, stream: DecompressingReader?, source: UnsafePointer<UInt8>, count: Int, isLast: Bool,
        name: String
    ) throws(Problem) -> Input {
        let sample = UnsafeBufferPointer(start: source, count: min(count, CSVHeader.sampleSize))
        let header = try CSVHeader(sample: sample, file: name)
        try options.check(header)
        warnings.look(at: header)
        return Input(
            owner: owner, stream: stream,
            framer: CSVFramer(
                header: header, source: source, offset: header.length, line: Int64(header.firstRowLine)),
            decoder: CSVDecoder(header: header, fields: fields, eventTime: nil, capacity: rows.capacity),
            end: count, isLast: isLast)
    }

    /// Rows below a header that stands further down are read by that one.
    private func goOn(under header: CSVHeader) throws(Problem) {
        try options.check(header)
        warnings.look(at: header, isFirst: false)
        current!.framer = current!.framer.goingOn(under: header)
        current!.decoder = CSVDecoder(header: header, fields: fields, eventTime: nil, capacity: rows.capacity)
    }

    private static let pieceSize = 8 << 20
    /// Of a mapped file, for one batch: rows of half a megabyte would fill gigabytes.
    private static let bytesAtOnce = 64 << 20

    /// Reads the next piece of a stream, with the row that the last one was cut in at its start.
    private func readOn() throws(Problem) {
        guard let input = current, let stream = input.stream else { return }
        let framer = input.framer
        let left = UnsafeRawBufferPointer(start: framer.source + framer.offset, count: input.end - framer.offset)
        let piece = StreamPiece(capacity: max(Self.pieceSize, left.count * 2))
        piece.append(left)
        current!.isLast = try piece.fill(from: stream)
        current!.framer = framer.goingOn(in: piece.start)
        current!.end = piece.count
        current!.owner = piece
    }
}
