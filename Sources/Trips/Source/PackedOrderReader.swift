internal import CByteScan
import Glibc
import Problems
import Synchronization

/// Rows of all files in the order of their event time, for readers of a few columns: one pass over the files decodes those columns and
/// packs them, and the packed rows are put in order.
///
/// Beside `EventOrderReader`, which decodes all columns of a row when its turn comes, wherever in the files it is: a row of five columns is
/// 48 bytes here and 400 there, so that the memory's latency counts an eighth. The pass runs on all cores (`FilePacker`).
///
/// Rejected rows come first, in the order of the files.
final class PackedOrderReader: RowReader {
    let fields: TripFieldSet
    let header: CSVHeader
    private let columns: [(field: TripField, isText: Bool)]
    private let order: EventTimeOrder
    private let packed: PackedTrips
    private var next = 0
    /// Met while packing, without their bytes, which are in the files, and how many of them have been given out.
    private let rejects: [FilePacker.Rejected]
    private var nextReject = 0
    /// The files, for as long as some of their rejects have not been given out.
    private var files: MappedFiles?

    /// The most columns that are worth it.
    private static let mostColumns = 8
    private static let prefetchDistance = 16

    /// Whether options ask for few columns of all rows; bounds and limits decide which rows are rejected at all, in the order of time.
    static func fits(_ options: TripSourceOptions) -> Bool {
        options.clock != .now && options.decodedFields.fields.count <= mostColumns && options.from == nil
            && options.to == nil && options.limit == nil
    }

    /// - Returns: nil where the texts are so many that keeping each once saves nothing.
    init?(
        paths: [String], options: TripSourceOptions, guards: RejectGuard, warnings: ColumnWarnings,
        progress: ((_ done: Int, _ of: Int) -> Void)?
    ) throws(Problem) {
        let opened = try options.spooled(paths)
        let files = try MappedFiles(opened)
        self.files = files
        fields = options.decodedFields
        columns = fields.fields.map { ($0, $0.kind == .string) }
        let bytes = opened.reduce(0) { $0 + $1.size }

        let headers = try files.headers(of: paths, options, warnings)
        header = headers[0]
        var packer = try FilePacker(
            files, options: options, guards: guards, warnings: warnings, expectedRows: bytes / 380)
        for (file, header) in headers.enumerated() {
            guard try packer.pack(file, header, progress: { progress?($0, bytes) }) else { return nil }
        }
        let result = try packer.finish()
        packed = result.trips
        rejects = result.rejects
        order = result.order
    }

    func takeFiltered() -> [String: Int] { [:] }

    func fill(_ batch: TripBatch, _ rejects: inout [Reject], _ guards: inout RejectGuard) throws(Problem) -> Bool {
        var rejectedBytes = 0
        while let files, nextReject < self.rejects.count {
            if rejectedBytes >= Reject.bytesAtOnce { return true }
            let rejected = self.rejects[nextReject]
            rejects.append(rejected.reject(in: files.base))
            rejectedBytes += rejected.length
            nextReject += 1
        }
        files = nil
        guard next < order.count else { return false }
        batch.source = packed.texts
        batch.owner = packed
        batch.fields = fields
        let first = next
        let count = min(order.count - first, batch.capacity)
        let ahead = order.count - Self.prefetchDistance
        let entries = order.entries
        let targets = columns.map { batch.column($0.field) }
        let isText = columns.map(\.isText)
        let (times, positions) = (batch.eventTimes, batch.positions)
        packed.pieces.withUnsafeBufferPointer { pieces in
            targets.withUnsafeBufferPointer { targets in
                isText.withUnsafeBufferPointer { isText in
                    for row in 0..<count {
                        let place = first &+ row
                        if place < ahead {
                            let later = entries[place &+ Self.prefetchDistance].offset
                            taxi_prefetch(pieces[later.piece].row(later.row, packed.stride), packed.stride &* 8)
                        }
                        let entry = entries[place]
                        let piece = pieces[entry.offset.piece]
                        let cells = piece.row(entry.offset.row, packed.stride)
                        times[row] = entry.time
                        positions[row] = cells[0] &+ piece.firstLine
                        for column in 0..<targets.count {
                            let cell = cells[column &+ 1]
                            targets[column][row] = isText[column] ? cell &+ piece.textBase : cell
                        }
                    }
                }
            }
        }
        batch.count = count
        next += count
        return true
    }
}

extension Int64 {
    /// A packed row's place, which grows in the order of the files: the number of its piece, and its number there.
    init(piece: Int, row: Int) { self = Int64(piece) << 24 | Int64(row) }

    @inline(__always)
    fileprivate var piece: Int { Int(self >> 24) }
    @inline(__always)
    fileprivate var row: Int { Int(self & 0xff_ffff) }
}

/// Packed rows of all files, in a temporary file without a name, whatever their number; with the texts that their cells name.
final class PackedTrips {
    /// The rows of one piece of a file lie one behind the other.
    struct Piece {
        let rows: UnsafePointer<Int64>
        /// Added to a row's line, which counts from the piece's first.
        let firstLine: Int64
        /// Added to a text's place, which counts from the texts of who packed the piece.
        let textBase: Int64

        @inline(__always)
        func row(_ row: Int, _ stride: Int) -> UnsafePointer<Int64> { rows + row &* stride }
    }

    /// 64-bit words a row: its line, and its cells.
    let stride: Int
    let pieces: [Piece]
    let texts: UnsafePointer<UInt8>
    private let mapping: UnsafeMutableRawPointer?
    private let size: Int

    /// - Parameters:
    ///   - rows: the file with the rows; may be closed afterwards.
    ///   - pieces: where each piece's rows start in it, in words, and what its rows count from.
    init(
        rows: PackedRowsFile, stride: Int, pieces: [(start: Int, firstLine: Int64, packer: Int)],
        texts blocks: [InternedTexts]
    ) throws(Problem) {
        self.stride = stride
        size = rows.size
        mapping = try rows.map()
        var bases: [Int64] = []
        var total = 0
        for block in blocks {
            bases.append(Int64(total))
            total += block.byteCount
        }
        let joined = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, total))
        for (block, base) in zip(blocks, bases) {
            (joined + Int(base)).update(from: block.base, count: block.byteCount)
        }
        texts = UnsafePointer(joined)
        let words = mapping?.assumingMemoryBound(to: Int64.self)
        self.pieces = pieces.map { piece in
            Piece(
                // Without any row there is no mapping, and nobody looks for one.
                rows: words.map { UnsafePointer($0 + piece.start) } ?? UnsafePointer(bitPattern: 8)!,
                firstLine: piece.firstLine, textBase: bases[piece.packer])
        }
    }

    deinit {
        if let mapping { munmap(mapping, size) }
        texts.deallocate()
    }
}

/// The temporary file that packed rows are written to, by several threads at once.
final class PackedRowsFile: Sendable {
    private let descriptor: Int32
    private let end = Mutex(0)

    init() throws(Problem) { descriptor = try RegularFile.temporary(for: "the order of the trips") }
    deinit { close(descriptor) }

    var size: Int { end.withLock { $0 } }

    /// Returns where the words start in the file, in words.
    func append(_ words: UnsafeBufferPointer<Int64>) throws(Problem) -> Int {
        let bytes = UnsafeRawBufferPointer(words)
        let start = end.withLock { end in
            defer { end += bytes.count }
            return end
        }
        var done = 0
        while done < bytes.count {
            let written = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(start + done))
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw Self.failure(written < 0 ? errno : ENOSPC) }
            done += written
        }
        return start / 8
    }

    /// The whole file in memory; nil where it is empty.
    fileprivate func map() throws(Problem) -> UnsafeMutableRawPointer? {
        let size = size
        guard size > 0 else { return nil }
        guard let mapping = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), mapping != MAP_FAILED else {
            throw Self.failure(errno)
        }
        return mapping
    }

    private static func failure(_ code: Int32) -> Problem {
        Problem(
            Problem.Code(code, doing: .write),
            "cannot put the trips in order in a temporary file: \(Problem.text(code))",
            hint: "TMPDIR may name a folder with more room.")
    }
}
