import Avro
import Compression
import Glibc
import Problems
import Time
import Trips

/// Trips of a file, batch after batch.
protocol TripInput: AnyObject {
    /// Replaces what the batch holds by the next trips; false at the end. It may be empty, where all of some were rejected.
    func next(into batch: TripBatch) throws -> Bool
    /// Those since the last call.
    func takeRejects() -> [Reject]
}

/// Opens a file or, as `-`, standard input, unpacked where it is packed.
private func openFile(_ path: String) throws(Problem) -> DecompressingReader {
    path == "-"
        ? try DecompressingReader(descriptor: STDIN_FILENO, name: "standard input")
        : try DecompressingReader(path: path)
}

/// What to do about a file of which more than half are no trips.
private let noTrips = "Each record is to be a trip, with the fields of taxi-cli topic tail ingestData."

/// Bytes that stay where they are for as long as a batch points into them.
private final class ByteBlock {
    let bytes: UnsafeMutableBufferPointer<UInt8>
    init(capacity: Int) { bytes = .allocate(capacity: capacity) }
    deinit { bytes.deallocate() }
    var start: UnsafePointer<UInt8> { UnsafePointer(bytes.baseAddress.unsafelyUnwrapped) }
}

final class CSVTripInput: TripInput {
    private let source: TripSource
    private let field: TripField
    private var cursor: WallTimeCursor
    private let name: String
    private var rejects: [Reject] = []

    init(_ path: String, _ clock: EventClock, _ zone: ZoneClock, _ warn: @escaping (String) -> Void) throws {
        field = clock == .end ? .endTimestamp : .startTimestamp
        // With the clock `now` files are read in their own order; the event time is set here.
        source = try TripSource(
            paths: [path],
            options: TripSourceOptions(
                clock: .now, required: TripFieldSet(field), purpose: "an event time", zone: zone),
            warn: warn)
        (cursor, name) = (WallTimeCursor(zone), path)
    }

    func next(into batch: TripBatch) throws -> Bool {
        guard try source.next(into: batch) else { return false }
        rejects += source.takeRejects()
        let cells = batch.column(field)
        var kept = 0
        for row in 0..<batch.count {
            guard cells[row] != nullCell else {
                rejects.append(
                    Reject(
                        reason: .missingEventTime, detail: "\(field.name) is empty, so the trip has no event time",
                        location: InputLocation(file: name, line: Int(batch.positions[row]), column: 1), bytes: []))
                continue
            }
            batch.eventTimes[row] = cursor.utcMs(of: WallTime(cell: cells[row]).seconds)
            if kept != row { batch.moveRow(row, to: kept, fields: batch.fields) }
            kept += 1
        }
        batch.count = kept
        return true
    }

    func takeRejects() -> [Reject] {
        defer { rejects.removeAll() }
        return rejects + source.takeRejects()
    }
}

final class JSONTripInput: TripInput {
    private let file: DecompressingReader
    private var lines = JSONLines()
    private var reader = TripJSONReader(fields: .all)
    private var guards: RejectGuard
    private var block = ByteBlock(capacity: 1)
    /// Records of the block that are not decoded yet, and where those end that have no line end yet.
    private var slices: ArraySlice<RecordSlice> = []
    private var rest: Range<Int> = 0..<0
    private var isAtEnd = false
    private var rejects: [Reject] = []

    private static let pieceBytes = 4 << 20
    /// A line that is longer is none of JSON lines.
    private static let longestLine = 64 << 20

    init(_ path: String) throws(Problem) {
        file = try openFile(path)
        guards = RejectGuard(source: path, hint: noTrips)
    }

    func next(into batch: TripBatch) throws -> Bool {
        batch.reset()
        while slices.isEmpty {
            if isAtEnd {
                try guards.finish()
                return false
            }
            try readBlock()
        }
        let before = rejects.count
        let count = reader.decode(
            slices, base: block.start, owner: block, name: file.name, into: batch, rejects: &rejects)
        slices = slices.dropFirst(count)
        let lines = UnsafeBufferPointer(start: UnsafePointer(batch.positions), count: batch.count)
        try guards.observe(accepted: lines, rejects: rejects[before...])
        return true
    }

    private func readBlock() throws {
        let left = rest.count
        guard left <= Self.longestLine else {
            throw Problem(
                .badData, "\"\(visible(file.name))\" has a line of more than \(Self.longestLine >> 20) MiB",
                hint: "JSON lines are one object a line.")
        }
        let new = ByteBlock(capacity: left + Self.pieceBytes)
        new.bytes.baseAddress?.update(from: block.start + rest.lowerBound, count: left)
        var filled = left
        while filled < new.bytes.count {
            let room = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(new.bytes)[filled...])
            let count = try file.read(into: room)
            if count == 0 {
                isAtEnd = true
                break
            }
            filled += count
        }
        var found: [RecordSlice] = []
        let used = lines.split(
            UnsafeBufferPointer(start: new.start, count: filled), isLast: isAtEnd, into: &found)
        (block, slices, rest) = (new, found[...], used..<filled)
    }

    func takeRejects() -> [Reject] {
        defer { rejects.removeAll() }
        return rejects
    }
}

final class AvroTripInput: TripInput {
    private let file: AvroFileReader
    private let name: String
    private var reader: TripAvroReader
    private var guards: RejectGuard
    /// The block that is being read, and what of it is still to come.
    private var block: (bytes: ByteBlock, length: Int, offset: Int, left: Int, next: Int64)?
    private var rejects: [Reject] = []

    init(_ path: String) throws {
        let input = try openFile(path)
        name = path
        file = try AvroFileReader(name: path) { try input.read(into: $0) }
        reader = try TripAvroReader(schema: file.schema)
        guards = RejectGuard(source: path, hint: noTrips)
    }

    func next(into batch: TripBatch) throws -> Bool {
        batch.reset()
        if block == nil || block?.left == 0 { try readBlock() }
        guard var current = block else {
            try guards.finish()
            return false
        }
        let before = rejects.count
        var input = AvroInput(UnsafeBufferPointer(start: current.bytes.start, count: current.length))
        input.at += current.offset
        let count = try reader.decode(
            &input, count: current.left, first: current.next, owner: current.bytes, name: name, into: batch,
            rejects: &rejects)
        current.offset = input.offset
        current.left -= count
        current.next += Int64(count)
        if current.left == 0, !input.isAtEnd {
            throw Problem(
                .badData, "\"\(visible(name))\": \(input.left) bytes follow record \(current.next - 1) in its block",
                hint: "Get the file again from where it came.")
        }
        block = current
        let records = UnsafeBufferPointer(start: UnsafePointer(batch.positions), count: batch.count)
        try guards.observe(accepted: records, rejects: rejects[before...])
        return true
    }

    private func readBlock() throws {
        guard let next = try file.next() else {
            block = nil
            return
        }
        let bytes = ByteBlock(capacity: max(1, next.bytes.count))
        _ = bytes.bytes.update(fromContentsOf: next.bytes)
        block = (bytes, next.bytes.count, 0, next.count, next.firstRecord)
    }

    func takeRejects() -> [Reject] {
        defer { rejects.removeAll() }
        return rejects
    }
}
