internal import CByteScan
import Glibc
import Problems

/// Rows of all files in the order of their event time, for readers of a few columns: one pass over the files decodes those columns and
/// packs them, and the packed rows are put in order.
///
/// Beside `EventOrderReader`, which decodes all columns of a row when its turn comes, wherever in the files it is: a row of five columns is
/// 48 bytes here and 400 there, so that the memory's latency counts an eighth. Texts are kept once each. The packed rows lie in a
/// temporary file without a name, whatever their number.
///
/// Rejected rows come first, in the order of the files.
final class PackedOrderReader: RowReader {
    let fields: TripFieldSet
    private let columns: [TripField]
    private var order: EventTimeOrder
    private let packed: PackedRows
    private let texts: InternedTexts
    private var next = 0
    /// Met while packing, and not given out yet.
    private var rejects: [Reject]

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
        paths: [String], options: TripSourceOptions, guards: RejectGuard, warnings: inout [String],
        progress: ((_ done: Int, _ of: Int) -> Void)?
    ) throws(Problem) {
        var opened: [OpenFile] = []
        for path in paths { opened.append(try InputBytes(path: path).spooled()) }
        let files = try MappedFiles(opened)
        fields = options.decodedFields
        columns = fields.fields
        let bytes = opened.reduce(0) { $0 + $1.size }
        order = EventTimeOrder(capacity: bytes / 380)
        packed = try PackedRows(columns: columns.count)
        texts = InternedTexts()
        rejects = []

        var headers: [CSVHeader] = []
        for (index, path) in paths.enumerated() {
            let header = try CSVHeader(sample: files.sample(of: index), file: InputBytes.name(of: path))
            try header.require(options.requiredFields, for: options.purpose)
            headers.append(header)
        }
        var guards = guards
        var clock = RowClock(options)
        let rows = CSVRows(capacity: 4096)
        let batch = TripBatch(capacity: rows.capacity)
        for (file, header) in headers.enumerated() {
            let decoder = CSVDecoder(
                header: header, fields: fields, eventTime: options.clockField, capacity: rows.capacity)
            let range = files.ranges[file]
            var framer = CSVFramer(
                header: header, source: files.base, offset: range.lowerBound + header.length, line: 2)
            while true {
                rows.removeAll()
                batch.reset()
                batch.source = files.base
                batch.fields = decoder.fields
                for field in fields.subtracting(decoder.fields).fields {
                    batch.column(field).update(repeating: nullCell, count: batch.capacity)
                }
                let before = rejects.count
                let outcome = framer.fill(
                    rows, limit: rows.capacity, until: range.upperBound, isLast: true, rejects: &rejects)
                guard case .advanced = outcome else { break }
                decoder.decode(rows, into: batch, rejects: &rejects)
                guard texts.intern(batch, fields: columns) else { return nil }
                clock.stamp(batch)
                for row in 0..<batch.count {
                    order.append(.init(time: batch.eventTimes[row], offset: Int64(packed.count + row)))
                }
                try packed.append(batch, columns: columns)
                try guards.observe(accepted: batch.count, rejects: rejects[before...])
                progress?(framer.offset, bytes)
            }
        }
        try guards.finish()
        for header in headers { warnings += columnWarnings(header) }
        order.sort()
    }

    func takeFiltered() -> [String: Int] { [:] }

    func fill(_ batch: TripBatch, _ rejects: inout [Reject], _ guards: inout RejectGuard) throws(Problem) -> Bool {
        rejects += self.rejects
        self.rejects = []
        guard next < order.count else { return false }
        batch.source = texts.base
        batch.owner = texts
        batch.fields = fields
        let end = min(order.count, next + batch.capacity)
        for (row, place) in (next..<end).enumerated() {
            if place + Self.prefetchDistance < order.count {
                taxi_prefetch(
                    packed[Int(order.entries[place + Self.prefetchDistance].offset)], packed.stride * 8)
            }
            let entry = order.entries[place]
            let cells = packed[Int(entry.offset)]
            batch.eventTimes[row] = entry.time
            batch.positions[row] = cells[0]
            for (index, field) in columns.enumerated() { batch.column(field)[row] = cells[index &+ 1] }
        }
        batch.count = end - next
        next = end
        return true
    }
}

/// Event times of decoded rows: the clock's column, spread as the options say.
struct RowClock {
    private let options: TripSourceOptions
    private var cursor: WallTimeCursor

    init(_ options: TripSourceOptions) { (self.options, cursor) = (options, WallTimeCursor(options.zone)) }

    /// Event time of a row with a readable time.
    @inline(__always)
    mutating func eventTime(_ wall: WallTime, seconds: Int64, line: Int64) -> EventTime {
        let mark = cursor.utcMs(of: wall.seconds)
        return switch options.spread {
        case .none: mark
        case .uniform: mark &+ Int64(splitMix64(options.seed &* 0x9e37_79b9 ^ UInt64(line)) % 900_000)
        case .byDuration: mark &+ seconds % 900 &* 1000
        }
    }

    /// Sets the event times of rows whose clock column is readable.
    mutating func stamp(_ batch: TripBatch) {
        let cells = batch.column(options.clockField)
        let seconds = options.spread == .byDuration ? batch.column(.seconds) : nil
        for row in 0..<batch.count {
            batch.eventTimes[row] = eventTime(
                WallTime(cell: cells[row]), seconds: seconds.map { max(0, $0[row]) } ?? 0, line: batch.positions[row])
        }
    }
}

/// Packed rows in a temporary file: each the row's line and its cells, one behind the other.
private final class PackedRows {
    /// 64-bit words a row.
    let stride: Int
    private(set) var count = 0
    private let descriptor: Int32
    private var chunks: [UnsafeMutablePointer<Int64>] = []
    private static let chunkRows = 1 << 16

    init(columns: Int) throws(Problem) {
        stride = columns + 1
        descriptor = try OpenFile.temporary(for: "the order of the trips")
    }

    deinit {
        for chunk in chunks { munmap(chunk, chunkBytes) }
        close(descriptor)
    }

    private var chunkBytes: Int { Self.chunkRows * stride * 8 }

    subscript(row: Int) -> UnsafeMutablePointer<Int64> {
        chunks[row / Self.chunkRows] + row % Self.chunkRows &* stride
    }

    func append(_ batch: TripBatch, columns: [TripField]) throws(Problem) {
        while (count + batch.count) > chunks.count * Self.chunkRows { try grow() }
        for row in 0..<batch.count { self[count + row][0] = batch.positions[row] }
        for (index, field) in columns.enumerated() {
            let cells = batch.column(field)
            for row in 0..<batch.count { self[count &+ row][index &+ 1] = cells[row] }
        }
        count += batch.count
    }

    private func grow() throws(Problem) {
        // Taken from the disk at once: a page that cannot be written later would end the process.
        let start = chunks.count * chunkBytes
        let code = posix_fallocate(descriptor, off_t(start), off_t(chunkBytes))
        guard code == 0 else { throw Self.failure(code) }
        guard
            let chunk = mmap(nil, chunkBytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, off_t(start)),
            chunk != MAP_FAILED
        else { throw Self.failure(errno) }
        chunks.append(chunk.bindMemory(to: Int64.self, capacity: chunkBytes / 8))
    }

    private static func failure(_ code: Int32) -> Problem {
        Problem(
            .inputOutput, "cannot put the trips in order in a temporary file: \(String(cString: strerror(code)))",
            hint: "TMPDIR may name a folder with more room.")
    }
}

/// Texts, each kept once: a batch's cells become places in one block.
private final class InternedTexts {
    private var bytes: UnsafeMutablePointer<UInt8>
    private var capacity = 1 << 16
    private var used = 0
    /// Cells by hash, 0 for free; never more than half full.
    private var table = [Int64](repeating: 0, count: 1 << 12)
    private var textCount = 0

    /// So many different ones that another way is better: companies and places are some thousand at most.
    private static let mostTexts = 1 << 17

    var base: UnsafePointer<UInt8> { UnsafePointer(bytes) }

    init() { bytes = .allocate(capacity: capacity) }
    deinit { bytes.deallocate() }

    /// Replaces the text cells of a batch; false where the texts have become too many.
    func intern(_ batch: TripBatch, fields: [TripField]) -> Bool {
        for field in fields where field.kind == .string {
            let cells = batch.column(field)
            for row in 0..<batch.count {
                let text = TextCell(cell: cells[row])
                cells[row] = text.isEmpty ? TextCell(offset: 0, length: 0).cell : intern(batch.bytes(text))
            }
        }
        return textCount <= Self.mostTexts
    }

    private func intern(_ text: UnsafeBufferPointer<UInt8>) -> Int64 {
        let mask = table.count - 1
        var slot = Int(truncatingIfNeeded: textHash(text)) & mask
        while table[slot] != 0 {
            let known = TextCell(cell: table[slot])
            if known.length == text.count, textsAreEqual(bytes + known.offset, text.baseAddress!, text.count) {
                return table[slot]
            }
            slot = (slot + 1) & mask
        }
        if used + text.count > capacity { grow(by: text.count) }
        _ = UnsafeMutableBufferPointer(start: bytes + used, count: text.count).initialize(fromContentsOf: text)
        let cell = TextCell(offset: used, length: text.count).cell
        used += text.count
        textCount += 1
        table[slot] = cell
        if textCount * 2 > table.count { rehash() }
        return cell
    }

    private func grow(by count: Int) {
        capacity = max(capacity * 2, used + count)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        larger.update(from: bytes, count: used)
        bytes.deallocate()
        bytes = larger
    }

    private func rehash() {
        let old = table
        table = Array(repeating: 0, count: old.count * 2)
        let mask = table.count - 1
        for cell in old where cell != 0 {
            let text = TextCell(cell: cell)
            var slot =
                Int(truncatingIfNeeded: textHash(UnsafeBufferPointer(start: bytes + text.offset, count: text.length)))
                & mask
            while table[slot] != 0 { slot = (slot + 1) & mask }
            table[slot] = cell
        }
    }
}
