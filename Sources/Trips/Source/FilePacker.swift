import Time
import Dispatch
import Glibc
import Problems
import Synchronization

/// Decodes a few columns of files on all cores, packs the rows, and puts them in the order of their event time.
///
/// A file is cut into pieces behind line ends, and each core takes the next piece. A line end may be one of a quoted text: as soon as
/// the piece before has been read to its end one knows, and a piece that did not begin where a row does is read again from there. What
/// comes out is what one pass from the first byte to the last gives, to the line number of a reject.
struct FilePacker: ~Copyable {
    private let files: MappedFiles
    private let options: TripSourceOptions
    private let warnings: ColumnWarnings
    private let columns: [TripField]
    private var guards: RejectGuard
    private var order: EventTimeOrder
    private let rows: PackedRowsFile
    private let workers: [PieceWorker]
    private var pieces: [(start: Int, firstLine: Int64, packer: Int)] = []
    private var rejects: [Rejected] = []

    /// A reject without its bytes, of which there may be as many as there are in the files.
    struct Rejected {
        private var reject: Reject
        let length: Int

        init(_ reject: Reject) {
            (self.reject, length) = (reject, reject.bytes.count)
            self.reject.bytes = []
        }

        /// - Parameter base: what the place of the reject counts from.
        func reject(in base: UnsafePointer<UInt8>) -> Reject {
            var whole = reject
            whole.bytes = Array(UnsafeBufferPointer(start: base + reject.offset, count: length))
            return whole
        }
    }

    /// More than `CSVRows.maximumRowSize`, so that an end of a piece never looks like the end of an oversized row.
    private static let pieceSize = CSVRows.maximumRowSize * 2
    /// Pieces between two looks at what was rejected.
    private static let piecesAtOnce = 16

    init(
        _ files: MappedFiles, options: TripSourceOptions, guards: RejectGuard, warnings: ColumnWarnings,
        expectedRows: Int
    ) throws(Problem) {
        (self.files, self.options, self.guards, self.warnings) = (files, options, guards, warnings)
        columns = options.decodedFields.fields
        order = EventTimeOrder(capacity: expectedRows)
        let rows = try PackedRowsFile()
        self.rows = rows
        let cores = max(1, min(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 16))
        workers = (0..<cores).map { _ in PieceWorker(options, rows) }
    }

    /// Adds the rows of a file.
    ///
    /// - Returns: false where there are too many different texts.
    mutating func pack(_ file: Int, _ first: CSVHeader, progress: (Int) -> Void) throws(Problem) -> Bool {
        let range = files.ranges[file]
        var header = first
        var start = range.lowerBound + header.length
        var line = Int64(header.firstRowLine)
        // Where the next piece is thought to begin: behind a line end.
        var guess = start
        while start < range.upperBound {
            var wave: [PieceWorker.Piece] = []
            while wave.count < Self.piecesAtOnce, guess < range.upperBound {
                let end = pieceEnd(from: guess, range, header)
                wave.append(
                    PieceWorker.Piece(
                        header: header, source: files.base, bytes: guess..<end, isLast: end == range.upperBound))
                guess = end
            }
            for (packer, piece) in pack(wave) {
                if piece.bytes.upperBound <= start, !piece.bytes.isEmpty { continue }
                var (packer, piece) = (packer, piece)
                if piece.bytes.lowerBound != start || !piece.header.hasColumns(of: header) {
                    piece.bytes = start..<piece.bytes.upperBound
                    piece.header = header
                    packer = 0
                    workers[0].pack(&piece)
                }
                guard !workers[packer].hasTooManyTexts else { return false }
                for var next in piece.headers {
                    next.moveDown(lines: Int(line))
                    try options.check(next)
                    warnings.look(at: next, isFirst: false)
                    header = next
                }
                try take(piece, by: packer, line)
                start = piece.end
                line += piece.lines
            }
            progress(start)
            try options.goOn()
        }
        return true
    }

    /// All rows, in order; and those that were rejected, in the order of the files.
    struct Result: ~Copyable {
        let order: EventTimeOrder
        let trips: PackedTrips
        let rejects: [Rejected]
    }

    consuming func finish() throws(Problem) -> Result {
        try guards.finish()
        order.sort()
        let trips = try PackedTrips(
            rows: rows, stride: columns.count + 1, pieces: pieces, texts: workers.map(\.texts))
        return Result(order: order, trips: trips, rejects: rejects)
    }

    private func pieceEnd(from start: Int, _ range: Range<Int>, _ header: CSVHeader) -> Int {
        let from = start + Self.pieceSize
        guard from < range.upperBound,
            let newline = memchr(files.base + from, Int32(header.newline), range.upperBound - from)
        else { return range.upperBound }
        return UnsafeRawPointer(newline) - UnsafeRawPointer(files.base) + 1
    }

    /// Packs pieces side by side; gives them in their order, each with the number of its worker.
    private func pack(_ wave: [PieceWorker.Piece]) -> [(packer: Int, piece: PieceWorker.Piece)] {
        let shared = Shared(workers: workers, pieces: wave)
        DispatchQueue.concurrentPerform(iterations: min(workers.count, wave.count)) { shared.work($0) }
        return shared.done
    }

    /// What the workers share. `@unchecked Sendable`: a piece belongs to the worker that drew its number.
    private final class Shared: @unchecked Sendable {
        private let workers: [PieceWorker]
        private let next = Atomic(0)
        private let pieces: UnsafeMutableBufferPointer<PieceWorker.Piece>
        private let packers: UnsafeMutableBufferPointer<Int>

        init(workers: [PieceWorker], pieces: [PieceWorker.Piece]) {
            self.workers = workers
            self.pieces = .allocate(capacity: pieces.count)
            _ = self.pieces.initialize(from: pieces)
            packers = .allocate(capacity: pieces.count)
            packers.initialize(repeating: 0)
        }

        deinit {
            pieces.deinitialize()
            pieces.deallocate()
            packers.deallocate()
        }

        func work(_ worker: Int) {
            while true {
                let index = next.add(1, ordering: .relaxed).oldValue
                guard index < pieces.count else { return }
                workers[worker].pack(&pieces[index])
                packers[index] = worker
            }
        }

        var done: [(packer: Int, piece: PieceWorker.Piece)] { Array(zip(packers, pieces)) }
    }

    private mutating func take(_ piece: PieceWorker.Piece, by packer: Int, _ firstLine: Int64) throws(Problem) {
        if let failure = piece.failure { throw failure }
        let number = pieces.count
        pieces.append((piece.start, firstLine, packer))
        for row in piece.times.indices {
            var time = piece.times[row]
            if options.spread == .uniform {
                time &+= RowClock.uniform(line: firstLine &+ Int64(piece.rowLines[row]), seed: options.seed)
            }
            order.append(.init(time: time, offset: Int64(piece: number, row: row)))
        }
        for var reject in piece.rejects {
            reject.location.line += Int(firstLine)
            rejects.append(Rejected(reject))
        }
        for step in piece.steps {
            try guards.accept(step.accepted)
            if var reject = step.reject {
                reject.location.line += Int(firstLine)
                try guards.reject(reject)
            }
        }
    }
}

/// Decodes and packs pieces of files; used by one thread at a time.
final class PieceWorker {
    /// A piece of a file, and what became of it.
    struct Piece {
        /// What its first row is read by.
        var header: CSVHeader
        /// The bytes' numbers count from here.
        let source: UnsafePointer<UInt8>
        var bytes: Range<Int>
        /// Whether the file ends with the piece.
        let isLast: Bool

        /// Behind its last whole row.
        var end = 0
        var lines: Int64 = 0
        /// Where its rows are in the file of packed rows, in words.
        var start = 0
        /// Event times of its rows; where they are spread evenly, of the marks that they are spread behind.
        var times: [EventTime] = []
        /// Lines of its rows, counted from its first, where they decide on the spread.
        var rowLines: [UInt32] = []
        /// Their lines are counted from the piece's first, which is 0.
        var rejects: [Reject] = []
        /// How its accepted and rejected rows follow each other.
        var steps: [(accepted: Int, reject: Reject?)] = []
        /// Headers that stand in it; their lines are counted as those of rejects.
        var headers: [CSVHeader] = []
        var failure: Problem?
    }

    /// So many rejects of a piece are kept before somebody looks at them.
    private static let rejectsAtOnce = 8192

    let texts = InternedTexts()
    private(set) var hasTooManyTexts = false
    private let options: TripSourceOptions
    private let columns: [TripField]
    private var clock: RowClock
    private let file: PackedRowsFile
    private let rows = CSVRows(capacity: 4096)
    private let batch: TripBatch
    private var packed: UnsafeMutableBufferPointer<Int64> = .allocate(capacity: 1 << 16)

    init(_ options: TripSourceOptions, _ file: PackedRowsFile) {
        var marks = options
        // The line that a row is spread by is known when all pieces before have been read.
        if options.spread == .uniform { marks.spread = .none }
        (self.options, self.file) = (options, file)
        clock = RowClock(marks)
        columns = options.decodedFields.fields
        batch = TripBatch(capacity: rows.capacity)
    }

    deinit { packed.deallocate() }

    func pack(_ piece: inout Piece) {
        piece.times.removeAll()
        piece.rowLines.removeAll()
        piece.rejects.removeAll()
        piece.steps.removeAll()
        piece.headers.removeAll()
        guard !hasTooManyTexts else { return }
        var decoder = decoder(of: piece.header)
        var framer = CSVFramer(
            header: piece.header, source: piece.source, offset: piece.bytes.lowerBound, line: 0)
        var count = 0
        while true {
            rows.removeAll()
            batch.reset()
            batch.source = piece.source
            batch.fields = decoder.fields
            let before = piece.rejects.count
            let outcome = framer.fill(
                rows, limit: rows.capacity, until: piece.bytes.upperBound, isLast: piece.isLast,
                rejects: &piece.rejects)
            if case .header(let header) = outcome {
                piece.headers.append(header)
                framer = framer.goingOn(under: header)
                decoder = self.decoder(of: header)
                continue
            }
            guard case .advanced = outcome else { break }
            decoder.decode(rows, into: batch, rejects: &piece.rejects)
            guard texts.intern(batch, fields: columns) else {
                hasTooManyTexts = true
                return
            }
            clock.stamp(batch)
            if let ahead = options.ahead, batch.hasEvent(after: ahead.latest) {
                decoder.removeAhead(of: ahead, rows, batch, from: 0, clock: &clock, rejects: &piece.rejects)
            }
            append(to: count)
            count += batch.count
            piece.times.append(contentsOf: UnsafeBufferPointer(start: batch.eventTimes, count: batch.count))
            if options.spread == .uniform {
                for row in 0..<batch.count { piece.rowLines.append(UInt32(batch.positions[row])) }
            }
            piece.steps += RejectGuard.steps(
                accepted: UnsafeBufferPointer(start: batch.positions, count: batch.count),
                rejects: piece.rejects[before...])
            // Two bytes make a reject, of which each takes some hundred: what is left is another piece, once these have been looked at.
            if piece.rejects.count >= Self.rejectsAtOnce { break }
        }
        (piece.end, piece.lines) = (framer.offset, framer.line)
        do {
            piece.start = try file.append(UnsafeBufferPointer(rebasing: packed[..<(count * (columns.count + 1))]))
        } catch { piece.failure = error }
    }

    /// A decoder of the wanted columns; those that the header lacks are made null.
    private func decoder(of header: CSVHeader) -> CSVDecoder {
        let decoder = CSVDecoder(
            header: header, fields: options.decodedFields, eventTime: options.clockField, capacity: rows.capacity)
        for field in options.decodedFields.subtracting(decoder.fields).fields {
            batch.column(field).update(repeating: nullCell, count: batch.capacity)
        }
        return decoder
    }

    /// Puts the batch's rows behind `count` others.
    private func append(to count: Int) {
        let stride = columns.count + 1
        let needed = (count + batch.count) * stride
        if needed > packed.count {
            let larger = UnsafeMutableBufferPointer<Int64>.allocate(capacity: max(needed, packed.count * 2))
            larger.baseAddress!.update(from: packed.baseAddress!, count: count * stride)
            packed.deallocate()
            packed = larger
        }
        let target = packed.baseAddress! + count * stride
        let sources = [batch.positions] + columns.map { batch.column($0) }
        for (place, cells) in sources.enumerated() {
            var word = target + place
            for row in 0..<batch.count {
                word.pointee = cells[row]
                word += stride
            }
        }
    }
}
