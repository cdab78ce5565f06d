internal import CByteScan
import Glibc
import Problems

/// Rows of all files in the order of their event time, by an index that one pass over the files builds.
///
/// The pass reads the time alone; the rows are decoded when their turn comes, wherever in the files they are.
final class EventOrderReader: RowReader {
    let fields: TripFieldSet
    private let files: MappedFiles
    let header: CSVHeader
    /// Stretches of the files that one header says the columns of, in their order: a file each, or more where headers stand further down.
    private var stretches: [Stretch] = []
    private var order: EventTimeOrder
    private var next = 0
    private var gathered = GatheredRows()
    private var filteredByRange = 0
    /// Rows that are framed, then decoded: their bytes, which lie all over the files, stay in the second-level cache meanwhile.
    private static let pieceRows = 512
    /// How many rows ahead the memory is asked for bytes.
    private static let prefetchDistance = 12
    /// Bytes of the rows of one batch: few rows could be gigabytes.
    private static let bytesAtOnce = 64 << 20
    private let rows = CSVRows(capacity: 4096)
    /// For each file, the start and line of a row every 16 KiB: the line of a rejected row is counted from the nearest.
    private var lineMarks: [[(offset: Int, line: Int64)]]
    private static let bytesPerMark = 16 << 10
    /// Bytes in which line ends were looked for, for the lines of rejects.
    private(set) var bytesSearched = 0
    /// Knows from the pass that built the index how many records there are; what is rejected later counts where it stands in the files.
    private var guards: RejectGuard
    /// Where each block of records that are judged together starts, counted from the base of the mapped files.
    private var blockStarts: [Int]
    private let ahead: MaxAhead?
    private var clock: RowClock

    init(
        paths: [String], options: TripSourceOptions, guards: RejectGuard, warnings: ColumnWarnings,
        progress: ((_ done: Int, _ of: Int) -> Void)?
    ) throws(Problem) {
        let opened = try options.spooled(paths)
        files = try MappedFiles(opened)
        fields = options.decodedFields
        let headers = try files.headers(of: paths, options, warnings)
        header = headers[0]
        lineMarks = headers.map { _ in [] }
        (ahead, clock) = (options.ahead, RowClock(options))
        (self.guards, blockStarts) = (guards, [])
        let bytes = opened.reduce(0) { $0 + $1.size }
        order = EventTimeOrder(capacity: bytes / 380)
        var indexer = Indexer(options: options, warnings: warnings, guards: guards.keepingBlocks())
        for (file, header) in headers.enumerated() {
            try index(file, header, &indexer) { progress?($0, bytes) }
        }
        try indexer.guards.finish()
        (self.guards, blockStarts) = (indexer.guards, indexer.blockStarts)
        filteredByRange = indexer.filtered
        order.sort()
    }

    func takeFiltered() -> [String: Int] {
        defer { filteredByRange = 0 }
        return filteredByRange > 0 ? ["range": filteredByRange] : [:]
    }

    func fill(_ batch: TripBatch, _ rejects: inout [Reject], _ guards: inout RejectGuard) throws(Problem) -> Bool {
        guard next < order.count else { return false }
        if !isKnownUniquelyReferenced(&gathered) { gathered = GatheredRows() }
        gathered.removeAll()
        batch.owner = gathered
        batch.fields = fields
        let mappedEnd = files.ranges.last?.upperBound ?? 0
        var rejectedBytes = 0
        while batch.count < batch.capacity, next < order.count, rejectedBytes < Reject.bytesAtOnce,
            gathered.count < Self.bytesAtOnce
        {
            let stretch = stretch(at: Int(order.entries[next].offset))
            let (file, decoder) = (stretch.file, stretch.decoder)
            let columns = decoder.header.names.count
            // Rows without a usable time come first, then those too far ahead; the pass that built the index has judged them.
            let kind = order.entries[next].time
            let isJudged = kind <= EventTimeOrder.Entry.ahead
            let end = min(order.count, next + min(batch.capacity - batch.count, Self.pieceRows))
            let (countBefore, rejectsBefore) = (batch.count, rejects.count)
            rows.removeAll()
            var framer = CSVFramer(header: decoder.header, source: files.base, offset: 0, line: 0)
            // All of them may be rejected.
            let bytesEnd = gathered.count + Reject.bytesAtOnce
            while next < end, gathered.count < bytesEnd {
                let entry = order.entries[next]
                guard stretch.bytes.contains(Int(entry.offset)),
                    isJudged ? entry.time == kind : entry.time > EventTimeOrder.Entry.ahead
                else { break }
                if next + Self.prefetchDistance < order.count {
                    let ahead = Int(order.entries[next + Self.prefetchDistance].offset)
                    taxi_prefetch(files.base + ahead, min(448, mappedEnd - ahead))
                }
                let row = rows.count
                framer.fillOne(
                    rows, at: Int(entry.offset), line: entry.offset, end: stretch.bytes.upperBound,
                    rejects: &rejects)
                if rows.count > row {
                    let length = rows.length(of: row, columns: columns)
                    rows.base[row] = gathered.append(
                        UnsafeBufferPointer(start: files.base + Int(entry.offset), count: length))
                    batch.eventTimes[batch.count + row] = entry.time
                }
                next += 1
            }
            for field in fields.subtracting(decoder.fields).fields {
                (batch.column(field) + batch.count).update(repeating: nullCell, count: rows.count)
            }
            batch.source = gathered.start
            // Until here a row's line is its place in the files, in the order of the rejects.
            var places = rejects[rejectsBefore...].map(\.location.line)
            for index in rejectsBefore..<rejects.count {
                rejects[index].location.line = line(at: rejects[index].location.line, in: file)
            }
            func lineOf(_ place: Int64) -> Int {
                places.append(Int(place))
                return line(at: Int(place), in: file)
            }
            decoder.decode(rows, into: batch, rejects: &rejects, lineOf: lineOf)
            if let ahead, kind == EventTimeOrder.Entry.ahead {
                decoder.removeAhead(
                    of: ahead, rows, batch, from: countBefore, clock: &clock, rejects: &rejects, lineOf: lineOf)
            }
            rejectedBytes += rejects[rejectsBefore...].bytes
            if !isJudged {
                for (place, reject) in zip(places, rejects[rejectsBefore...]) {
                    try self.guards.reject(reject, ofRecord: record(at: place))
                }
            }
        }
        return true
    }
}

/// Rows that lay all over some files, copied one behind the other while they are in the cache: decoding and whoever reads the text
/// afterwards find them side by side.
private final class GatheredRows {
    private var bytes: UnsafeMutablePointer<UInt8>
    private var capacity = 1 << 20
    private(set) var count = 0
    var start: UnsafePointer<UInt8> { UnsafePointer(bytes) }

    init() { bytes = .allocate(capacity: capacity) }
    deinit { bytes.deallocate() }

    func removeAll() { count = 0 }

    /// Copies a row; returns where it starts, which stays right when the block grows.
    func append(_ row: UnsafeBufferPointer<UInt8>) -> Int {
        if count + row.count > capacity {
            capacity = max(capacity * 2, count + row.count)
            let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
            larger.update(from: bytes, count: count)
            bytes.deallocate()
            bytes = larger
        }
        defer { count += row.count }
        if let source = row.baseAddress { (bytes + count).update(from: source, count: row.count) }
        return count
    }
}

extension EventOrderReader {
    private struct Indexer {
        let options: TripSourceOptions
        let warnings: ColumnWarnings
        var guards: RejectGuard
        var clock: RowClock
        var filtered = 0
        var blockStarts: [Int] = []
        init(options: TripSourceOptions, warnings: ColumnWarnings, guards: RejectGuard) {
            (self.options, self.warnings, self.guards, clock) = (options, warnings, guards, RowClock(options))
        }

        /// Judges what was framed in one go, and notes where blocks begin.
        mutating func observe(_ rows: CSVRows, _ rejects: [Reject]) throws(Problem) {
            // Framing rejects are no rows; the others are.
            let odd = rejects.filter { $0.offset >= 0 }
            let count = rows.count + odd.count
            let first = guards.records
            let blockSize = RejectGuard.blockSize
            var next = (first + blockSize - 1) / blockSize * blockSize - first
            if next < count {
                var starts = (0..<rows.count).map { rows.start(of: $0) }
                if !odd.isEmpty { starts = (starts + odd.map(\.offset)).sorted() }
                while next < count {
                    blockStarts.append(starts[next])
                    next += blockSize
                }
            }
            if rejects.isEmpty { return try guards.accept(rows.count) }
            var lines = UnsafeBufferPointer(start: rows.line, count: rows.count).map { $0 }
            if rejects.count > odd.count {
                let rejected = Set(rejects.lazy.filter { $0.offset < 0 }.map { Int64($0.location.line) })
                lines.removeAll { rejected.contains($0) }
            }
            try lines.withUnsafeBufferPointer { lines throws(Problem) in
                try guards.observe(accepted: lines, rejects: rejects)
            }
        }
    }

    private struct Stretch {
        let file: Int
        var bytes: Range<Int>
        let decoder: CSVDecoder
    }

    /// From a place to the end of a file all rows are read by the header.
    private func begin(_ file: Int, at start: Int, _ header: CSVHeader, _ options: TripSourceOptions) -> CSVDecoder {
        let decoder = CSVDecoder(header: header, fields: fields, eventTime: options.clockField, capacity: rows.capacity)
        if let last = stretches.indices.last, stretches[last].file == file {
            stretches[last].bytes = stretches[last].bytes.lowerBound..<start
        }
        stretches.append(Stretch(file: file, bytes: start..<files.ranges[file].upperBound, decoder: decoder))
        return decoder
    }

    /// One pass over a file: an entry for each row, also for those that are to be rejected when their turn comes.
    private func index(
        _ file: Int, _ header: CSVHeader, _ indexer: inout Indexer, progress: (Int) -> Void
    ) throws(Problem) {
        var nextMark = 0
        /// Notes the line that begins at a place, unless the last one noted is near.
        func mark(_ offset: Int, _ line: Int64) {
            guard offset >= nextMark else { return }
            lineMarks[file].append((offset, line))
            nextMark = offset + Self.bytesPerMark
        }
        let range = files.ranges[file]
        var decoder = begin(file, at: range.lowerBound, header, indexer.options)
        var framer = CSVFramer(
            header: header, source: files.base, offset: range.lowerBound + header.length,
            line: Int64(header.firstRowLine))
        var rejects: [Reject] = []
        let (from, to) = (indexer.options.from ?? .min, indexer.options.to ?? .max)
        let latest = indexer.options.ahead?.latest ?? .max
        let withSeconds = indexer.options.spread == .byDuration
        while true {
            rows.removeAll()
            rejects.removeAll(keepingCapacity: true)
            try indexer.options.goOn()
            mark(framer.offset, framer.line)
            let outcome = framer.fill(
                rows, limit: rows.capacity, until: range.upperBound, isLast: true, rejects: &rejects)
            if case .header(let header) = outcome {
                try indexer.options.check(header)
                indexer.warnings.look(at: header, isFirst: false)
                decoder = begin(file, at: framer.offset, header, indexer.options)
                framer = framer.goingOn(under: header)
                continue
            }
            guard case .advanced = outcome else { break }
            for row in 0..<rows.count { mark(rows.start(of: row), rows.line[row]) }
            decoder.forEachTime(rows, files.base, withSeconds: withSeconds) { row, cell, seconds in
                let offset = Int64(rows.start(of: row))
                guard cell > WallTime.outOfRange else {
                    order.append(.init(time: EventTimeOrder.Entry.unusable, offset: offset))
                    let reason: RejectReason =
                        cell == nullCell ? .missingEventTime : cell == WallTime.outOfRange ? .outOfRange : .badTimestamp
                    rejects.append(
                        Reject(
                            reason: reason, detail: "\(indexer.options.clockField.name)",
                            location: InputLocation(file: header.file, line: Int(rows.line[row]), column: 1),
                            bytes: [], offset: -1))
                    return
                }
                let time = indexer.clock.eventTime(WallTime(cell: cell), seconds: seconds, line: rows.line[row])
                if time > latest, let ahead = indexer.options.ahead {
                    let mark = indexer.clock.mark(WallTime(cell: cell))
                    if mark > latest {
                        order.append(.init(time: EventTimeOrder.Entry.ahead, offset: offset))
                        let field = indexer.options.clockField
                        rejects.append(
                            decoder.rejectAhead(rows, row, field, ahead.excess(of: mark), files.base) { Int($0) })
                        // It is put away when its turn comes; until then its row's first line says which row it is.
                        rejects[rejects.count - 1].location.line = Int(rows.line[row])
                        rejects[rejects.count - 1].bytes = []
                        rejects[rejects.count - 1].offset = -1
                        return
                    }
                }
                if time >= from, time < to {
                    order.append(.init(time: time, offset: offset))
                } else {
                    indexer.filtered += 1
                }
            }
            for reject in rejects where reject.offset >= 0 {
                order.append(.init(time: EventTimeOrder.Entry.unusable, offset: Int64(reject.offset)))
            }
            try indexer.observe(rows, rejects)
            progress(framer.offset)
        }
    }

    /// The number of the record at a place, to the block.
    private func record(at offset: Int) -> Int {
        var (low, high) = (0, blockStarts.count)
        while low < high {
            let middle = (low + high) / 2
            if blockStarts[middle] <= offset { low = middle + 1 } else { high = middle }
        }
        return max(0, low - 1) * RejectGuard.blockSize
    }

    private func stretch(at offset: Int) -> Stretch {
        stretches[stretches.lastIndex { $0.bytes.lowerBound <= offset } ?? 0]
    }

    private func line(at offset: Int, in file: Int) -> Int {
        let marks = lineMarks[file]
        var (low, high) = (0, marks.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if marks[middle].offset <= offset { low = middle } else { high = middle }
        }
        guard low < marks.count else { return 0 }
        let newline = Int32(stretches.first { $0.file == file }?.decoder.header.newline ?? 0x0a)
        var line = Int(marks[low].line)
        var place = files.base + marks[low].offset
        let end = files.base + offset
        bytesSearched += end - place
        while place < end, let found = memchr(place, newline, end - place) {
            line += 1
            place = UnsafePointer(found.assumingMemoryBound(to: UInt8.self)) + 1
        }
        return line
    }
}
