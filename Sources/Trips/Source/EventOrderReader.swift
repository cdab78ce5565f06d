internal import CByteScan
import Glibc
import Problems

/// Rows of all files in the order of their event time, by an index that one pass over the files builds.
///
/// The pass reads the time alone; the rows are decoded when their turn comes, wherever in the files they are.
final class EventOrderReader: RowReader {
    let fields: TripFieldSet
    private let files: MappedFiles
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
    private let rows = CSVRows(capacity: 4096)
    /// For each file, each 4096th row's start and line: the line of a rejected row is counted from the nearest.
    private var lineMarks: [[(offset: Int, line: Int64)]]

    init(
        paths: [String], options: TripSourceOptions, guards: RejectGuard, warnings: inout [String],
        progress: ((_ done: Int, _ of: Int) -> Void)?
    ) throws(Problem) {
        var opened: [OpenFile] = []
        for path in paths { opened.append(try InputBytes(path: path).spooled()) }
        files = try MappedFiles(opened)
        fields = options.decodedFields
        var headers: [CSVHeader] = []
        for (index, path) in paths.enumerated() {
            let header = try CSVHeader(sample: files.sample(of: index), file: InputBytes.name(of: path))
            try header.require(options.requiredFields, for: options.purpose)
            warnings += columnWarnings(header)
            headers.append(header)
        }
        lineMarks = headers.map { _ in [] }
        let bytes = opened.reduce(0) { $0 + $1.size }
        order = EventTimeOrder(capacity: bytes / 380)
        var indexer = Indexer(options: options, guards: guards)
        for (file, header) in headers.enumerated() {
            try index(file, header, &indexer) { progress?($0, bytes) }
        }
        try indexer.guards.finish()
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
        while batch.count < batch.capacity, next < order.count {
            let stretch = stretch(at: Int(order.entries[next].offset))
            let (file, decoder) = (stretch.file, stretch.decoder)
            let columns = decoder.header.names.count
            // Rows without a usable time come first; the pass that built the index has judged them.
            let isUnusable = order.entries[next].time == EventTimeOrder.Entry.unusable
            let end = min(order.count, next + min(batch.capacity - batch.count, Self.pieceRows))
            let (countBefore, rejectsBefore) = (batch.count, rejects.count)
            rows.removeAll()
            var framer = CSVFramer(header: decoder.header, source: files.base, offset: 0, line: 0)
            while next < end {
                let entry = order.entries[next]
                guard stretch.bytes.contains(Int(entry.offset)),
                    (entry.time == EventTimeOrder.Entry.unusable) == isUnusable
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
            // Until here a row's line was its place in the files.
            for index in rejectsBefore..<rejects.count {
                rejects[index].location.line = line(at: rejects[index].location.line, in: file)
            }
            for field in fields.subtracting(decoder.fields).fields {
                (batch.column(field) + batch.count).update(repeating: nullCell, count: rows.count)
            }
            batch.source = gathered.start
            decoder.decode(rows, into: batch, rejects: &rejects) { line(at: Int($0), in: file) }
            if !isUnusable {
                try guards.observe(accepted: batch.count - countBefore, rejects: rejects[rejectsBefore...])
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
    private var count = 0
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
        var guards: RejectGuard
        var clock: RowClock
        var filtered = 0
        init(options: TripSourceOptions, guards: RejectGuard) {
            (self.options, self.guards, clock) = (options, guards, RowClock(options))
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
        let range = files.ranges[file]
        var decoder = begin(file, at: range.lowerBound, header, indexer.options)
        var framer = CSVFramer(
            header: header, source: files.base, offset: range.lowerBound + header.length,
            line: Int64(header.firstRowLine))
        var rejects: [Reject] = []
        let (from, to) = (indexer.options.from ?? .min, indexer.options.to ?? .max)
        let withSeconds = indexer.options.spread == .byDuration
        var markedLine: Int64 = -4096
        while true {
            rows.removeAll()
            rejects.removeAll(keepingCapacity: true)
            if framer.line - markedLine >= 4096 {
                lineMarks[file].append((framer.offset, framer.line))
                markedLine = framer.line
            }
            let outcome = framer.fill(
                rows, limit: rows.capacity, until: range.upperBound, isLast: true, rejects: &rejects)
            if case .header(let header) = outcome {
                try header.require(indexer.options.requiredFields, for: indexer.options.purpose)
                decoder = begin(file, at: framer.offset, header, indexer.options)
                framer = framer.goingOn(under: header)
                continue
            }
            guard case .advanced = outcome else { break }
            var good = 0
            decoder.forEachTime(rows, files.base, withSeconds: withSeconds) { row, cell, seconds in
                let offset = Int64(rows.base[row] + Int(rows.separators[Int(rows.first[row])] &+ 1))
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
                good += 1
                let time = indexer.clock.eventTime(WallTime(cell: cell), seconds: seconds, line: rows.line[row])
                if time >= from, time < to {
                    order.append(.init(time: time, offset: offset))
                } else {
                    indexer.filtered += 1
                }
            }
            for reject in rejects where reject.offset >= 0 {
                order.append(.init(time: EventTimeOrder.Entry.unusable, offset: Int64(reject.offset)))
            }
            try indexer.guards.observe(accepted: good, rejects: rejects)
            progress(framer.offset)
        }
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
        while place < end, let found = memchr(place, newline, end - place) {
            line += 1
            place = UnsafePointer(found.assumingMemoryBound(to: UInt8.self)) + 1
        }
        return line
    }
}

/// One step of SplitMix64: a well-mixed number from any other.
///
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
@inline(__always)
public func splitMix64(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
}
