public import Avro
import Problems
public import Time
public import Trips

/// The forms that files of trips have.
public enum TripFileForm: String, Sendable, CaseIterable {
    case csv, jsonl, avro

    /// By the end of a file's name, of `.gz` or `.zst` in front of it; nil where that says nothing.
    public init?(path: String) {
        var name = path.lowercased()
        for suffix in [".gz", ".zst"] where name.hasSuffix(suffix) { name.removeLast(suffix.count) }
        let ends: [(String, TripFileForm)] = [
            (".csv", .csv), (".tsv", .csv), (".jsonl", .jsonl), (".ndjson", .jsonl), (".json", .jsonl),
            (".avro", .avro),
        ]
        guard let form = ends.first(where: { name.hasSuffix($0.0) })?.1 else { return nil }
        self = form
    }
}

/// Makes a file of trips in one form of one in another, record after record in its order, in bounded memory.
///
/// Records that cannot be used are left out, counted and shown; where they are more than half of some thousand the file is refused, as
/// `produce` refuses it. Trips of CSV have no event time: it is their start or end.
public struct TripConversion {
    public struct Summary: Sendable {
        public var rows: Int64 = 0
        public var rejected: [Rejected] = []
        /// Numbers that had more decimals than their columns have.
        public var rounded: Int = 0
    }

    /// What was left out for one reason, with the first that was.
    public struct Rejected: Sendable {
        public var reason: RejectReason
        public var count: Int
        public var first: String
    }

    public var from: TripFileForm
    public var to: TripFileForm
    public var money: TripMoney
    public var codec: AvroCodec
    /// Of CSV: `start` or `end`.
    public var clock: EventClock
    public var zone: ZoneClock

    public init(
        from: TripFileForm, to: TripFileForm, money: TripMoney = .decimal, codec: AvroCodec = .deflate,
        clock: EventClock = .start, zone: ZoneClock
    ) {
        (self.from, self.to, self.money, self.codec) = (from, to, money, codec)
        (self.clock, self.zone) = (clock, zone)
    }

    private static let batchRows = 16_384

    /// - Parameters:
    ///   - path: of the file to read; `-` is standard input.
    ///   - write: receives the bytes in their order.
    ///   - progress: told how many records were written so far; what it throws ends the work.
    ///   - warn: told what a user should know of a file's columns.
    /// - Throws: as opening and reading the file, and `write`; `.badData` for a file of which too much cannot be used.
    public func run(
        _ path: String, to write: @escaping (UnsafeRawBufferPointer) throws -> Void,
        progress: (Int64) throws -> Void, warn: @escaping (String) -> Void = { _ in }
    ) throws -> Summary {
        let input = try open(path, warn)
        var summary = Summary()
        var reasons: [RejectReason: (count: Int, first: String)] = [:]
        let batch = TripBatch(capacity: Self.batchRows)
        var output = OutputBuffer(capacity: 1 << 20)
        var offsets: [Int] = []
        let file =
            to == .avro ? try AvroFileWriter(schema: TripAvro.schema(money: money), codec: codec, write: write) : nil
        if to == .csv { TripCSV.appendHeader(money: money, to: &output) }
        while try input.next(into: batch) {
            let rows = 0..<batch.count
            switch to {
            case .csv: TripCSV.encode(batch, rows: rows, money: money, guarded: false, into: &output)
            case .jsonl:
                TripJSON.encode(
                    batch, rows: rows, into: &output, recordOffsets: &offsets, lineEnds: true, money: money)
            case .avro: TripAvro.encode(batch, rows: rows, money: money, into: &output, recordOffsets: &offsets)
            }
            if let file {
                try file.append(UnsafeRawBufferPointer(output.bytes), count: rows.count)
            } else {
                try write(UnsafeRawBufferPointer(output.bytes))
            }
            output.removeAll()
            summary.rows += Int64(rows.count)
            summary.rounded += batch.rounded.values.reduce(0, +)
            for reject in input.takeRejects() {
                reasons[reject.reason, default: (0, "\(reject.location): \(reject.detail)")].count += 1
            }
            try progress(summary.rows)
        }
        for reject in input.takeRejects() {
            reasons[reject.reason, default: (0, "\(reject.location): \(reject.detail)")].count += 1
        }
        // The heading of a file without trips.
        if file == nil, !output.isEmpty { try write(UnsafeRawBufferPointer(output.bytes)) }
        try file?.finish()
        summary.rejected = reasons.map { Rejected(reason: $0.key, count: $0.value.count, first: $0.value.first) }
            .sorted { ($1.count, $0.reason.rawValue) < ($0.count, $1.reason.rawValue) }
        return summary
    }

    private func open(_ path: String, _ warn: @escaping (String) -> Void) throws -> any TripInput {
        switch from {
        case .csv: try CSVTripInput(path, clock, zone, warn)
        case .jsonl: try JSONTripInput(path)
        case .avro: try AvroTripInput(path)
        }
    }
}
