public import Compression
import Problems

/// Trips of part of a file in the file's own order, as batches: what a worker is given by whoever reads the file for it.
///
/// Unlike `TripSource` it looks at no path and puts nothing in order; event times, rejects, filters are those that it gives. Memory is bounded
/// whatever comes. Not thread-safe.
public final class TripPartReader {
    private let records: any PartRecords
    private let options: TripSourceOptions
    private let cleaner: Cleaner?
    private var rejects: [Reject] = []
    private var steps: [(accepted: Int, reject: Reject?)] = []

    /// - Parameters:
    ///   - bytes: of the part, packed or not.
    ///   - options: clock `start` or `end`; `skip` and `limit` are not for parts. Columns beside `fields` are checked alone.
    /// - Throws: `Problem(.badData)` for what is no such file, or lacks a column.
    public init(_ part: TripFilePart, bytes: DecompressingReader, options: TripSourceOptions) throws {
        self.options = options
        cleaner = options.cleaning.map { _ in Cleaner() }
        records =
            switch part.form {
            case .csv: try CSVPartRecords(part, bytes, options)
            case .jsonl: try JSONPartRecords(part, bytes, options)
            case .avro: try AvroPartRecords(part, bytes, options)
            }
    }

    /// Fills the batch with the next trips; false where nothing more can be read. It may be empty, where all of some were rejected or left out.
    public func next(into batch: TripBatch) throws -> Bool {
        batch.reset()
        let before = rejects.count
        guard try records.fill(batch, &rejects) else { return false }
        steps += RejectGuard.steps(
            accepted: UnsafeBufferPointer(start: batch.positions, count: batch.count), rejects: rejects[before...])
        leaveOut(batch)
        return true
    }

    /// Those since the last call, in their order; lines count as the part's does.
    public func takeRejects() -> [Reject] {
        defer { rejects.removeAll(keepingCapacity: true) }
        return rejects
    }

    /// How accepted and rejected records follow each other, since the last call; what was left out by a filter was accepted.
    public func takeSteps() -> [(accepted: Int, reject: Reject?)] {
        defer { steps.removeAll(keepingCapacity: true) }
        return steps
    }

    /// What was read of the part behind `skip`: bytes as they are unpacked, of Avro records.
    public var read: Int64 { records.read }
    /// Number of the line, or of Avro record, that comes next.
    public var line: Int64 { records.line }
    /// The header line that further rows stand under; nil where there is none, or one that is too long to be handed on.
    public var header: String? { records.header }
    /// Whether bytes are left, behind `read`, which are no whole record as long as it is not known what follows the part.
    public var isCut: Bool { records.isCut }

    private func leaveOut(_ batch: TripBatch) {
        if let from = options.from ?? options.to.map({ _ in .min }) {
            let to = options.to ?? .max
            var kept = 0
            for row in 0..<batch.count where batch.eventTimes[row] >= from && batch.eventTimes[row] < to {
                if kept != row { batch.moveRow(row, to: kept, fields: options.decodedFields) }
                kept += 1
            }
            batch.count = kept
        }
        var counts: [String: Int] = [:]
        cleaner?.apply(to: batch, fields: options.decodedFields, counts: &counts)
    }
}

/// Records of a part in one of the forms.
protocol PartRecords: AnyObject {
    var read: Int64 { get }
    var line: Int64 { get }
    var header: String? { get }
    var isCut: Bool { get }
    /// Appends records with their event times, up to the batch's capacity or `Reject.bytesAtOnce` bytes of rejects; false where there are no more.
    func fill(_ batch: TripBatch, _ rejects: inout [Reject]) throws -> Bool
}

/// Bytes of a part, piece after piece; each begins with what the last one has left.
struct PartBytes {
    private let reader: DecompressingReader
    private(set) var piece: StreamPiece
    /// Whether nothing comes behind the piece.
    private(set) var isAtEnd: Bool

    private static let pieceSize = 4 << 20

    init(_ reader: DecompressingReader, skip: Int64) throws(Problem) {
        self.reader = reader
        try Self.pass(skip, of: reader)
        piece = StreamPiece(capacity: Self.pieceSize)
        isAtEnd = try piece.fill(from: reader)
    }

    /// - Returns: the last bytes of what was passed over.
    private static func pass(_ count: Int64, of reader: DecompressingReader) throws(Problem) {
        if count == 0 { return }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
        defer { buffer.deallocate() }
        var left = count
        while left > 0 {
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(min(left, Int64(buffer.count)))])
            let found = try reader.read(into: room)
            guard found > 0 else {
                throw Problem(
                    .badData, "\"\(reader.name)\" ends \(left) bytes before the place where reading is to go on",
                    hint:
                        "It is not what it was. Bring it back, or read everything again: taxi-cli stream --from-beginning."
                )
            }
            left -= Int64(found)
        }
    }

    /// Goes on to the next piece, which begins with the bytes from `offset` on.
    mutating func readOn(from offset: Int) throws(Problem) {
        let left = UnsafeRawBufferPointer(start: piece.start + offset, count: piece.count - offset)
        let next = StreamPiece(capacity: max(Self.pieceSize, left.count * 2))
        next.append(left)
        isAtEnd = try next.fill(from: reader)
        piece = next
    }
}
