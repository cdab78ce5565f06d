import Time
public import Problems

/// Trips of one or more files as batches, in the order and with the event times that its options ask for.
///
/// With the clock `now` rows come in the order of the files, and streams are read as they come. With `start` and `end` they come in
/// the order of that time over all files (stable), through an index of 16 bytes a row (`PackedOrderReader` for a few columns,
/// `EventOrderReader` for many); packed input is unpacked to a temporary file for it.
///
/// Not thread-safe. `@unchecked Sendable`: handed to the one thread that reads it.
public final class TripSource: @unchecked Sendable {
    public let options: TripSourceOptions
    public private(set) var counts = TripCounts()
    /// Rejected rows since the last `takeRejects`, and their bytes.
    private var rejects: [Reject] = []
    private var rejectedBytes = 0
    private var reader: any RowReader
    private var guards: RejectGuard
    private let cleaner: Cleaner?
    private let watch: InputWatch

    /// Opens the files, and builds the index where an order is asked for.
    ///
    /// - Parameters:
    ///   - watch: of the files, as they were when somebody first looked at them; nil begins now.
    ///   - progress: told how many bytes of how many the index has seen.
    ///   - warn: told, once each, what a user should know about the files: columns that are missing or not known. With the clock `now` of
    ///     later files and of headers further down not before they are read.
    /// - Throws: `Problem`: `.noInput` for a missing file, `.badData` for one that is no trip file or of which more than half is rejected,
    ///   `.inputOutput` where it cannot be read or unpacked, or has changed.
    public init(
        paths: [String], options: TripSourceOptions, watch: InputWatch? = nil,
        progress: ((_ done: Int, _ of: Int) -> Void)? = nil, warn: @escaping (String) -> Void = { _ in }
    ) throws(Problem) {
        self.options = options
        let warnings = ColumnWarnings(warn)
        self.watch = watch ?? InputWatch(paths: paths)
        let name = paths.map(InputBytes.name).joined(separator: ", ")
        guards = RejectGuard(source: name, isTolerant: options.toleratesRejects)
        cleaner = options.cleaning.map { _ in Cleaner() }
        if options.clock == .now {
            let reader = FileOrderReader(paths: paths, options: options, warnings: warnings)
            self.reader = reader
            try reader.open()
        } else if PackedOrderReader.fits(options),
            let packed = try PackedOrderReader(
                paths: paths, options: options, guards: guards, warnings: warnings, progress: progress)
        {
            reader = packed
        } else {
            reader = try EventOrderReader(
                paths: paths, options: options, guards: guards, warnings: warnings, progress: progress)
        }
        try self.watch.requireUnchanged()
    }

    /// The header of the first file.
    public var header: CSVHeader { reader.header }

    /// Fills the batch with the next trips; false at the end, with an empty batch. It is empty as well where so many bytes of rejects
    /// wait that somebody has to take them first.
    ///
    /// Event times are set but with the clock `now`, which stamps at sending. A batch's text may lie in the file: who uses it later looks
    /// at `requireUnchanged` afterwards.
    ///
    /// - Throws: `Problem(.inputOutput)` where a file has changed since it was opened, and as `init`.
    public func next(into batch: TripBatch) throws(Problem) -> Bool {
        while true {
            batch.reset()
            if let limit = options.limit, counts.delivered >= limit { return false }
            let hasMore: Bool
            do throws(Problem) { hasMore = try fill(batch) } catch {
                // What cannot be used may be so because somebody writes to the file.
                try watch.requireUnchanged()
                throw error
            }
            try watch.requireUnchanged()
            guard hasMore else {
                try guards.finish()
                return false
            }
            passOverDelivered(batch)
            options.aliases?.apply(to: batch)
            if batch.count > 0 || rejectedBytes >= Reject.bytesAtOnce { return true }
        }
    }

    /// - Throws: `Problem(.inputOutput)` where a file is not what it was when the source was opened.
    public func requireUnchanged() throws(Problem) { try watch.requireUnchanged() }

    /// The rejected rows since the last call, in the order they were met.
    public func takeRejects() -> [Reject] {
        defer {
            rejects.removeAll(keepingCapacity: true)
            rejectedBytes = 0
        }
        return rejects
    }

    private func fill(_ batch: TripBatch) throws(Problem) -> Bool {
        let rejectsBefore = rejects.count
        let hasMore = try reader.fill(batch, &rejects, &guards)
        let newRejects = rejects[rejectsBefore...]
        let decoded = batch.count
        counts.read += decoded + newRejects.count
        rejectedBytes += newRejects.bytes
        for reject in newRejects { counts.rejected[reject.reason, default: 0] += 1 }
        if options.clock == .now, options.from != nil || options.to != nil { filterByRange(batch) }
        if let cleaner { cleaner.apply(to: batch, fields: reader.fields, counts: &counts.filtered) }
        for (rule, count) in reader.takeFiltered() {
            counts.filtered[rule, default: 0] += count
            counts.read += count
        }
        if let limit = options.limit, counts.delivered + batch.count > limit {
            // Rows behind the limit were decoded, but not read: the ledger does not know them.
            counts.read -= counts.delivered + batch.count - limit
            batch.count = limit - counts.delivered
        }
        counts.delivered += batch.count
        return hasMore || batch.count > 0 || decoded > 0 || !newRejects.isEmpty
    }

    /// Drops the trips of this batch that an earlier run has delivered.
    private func passOverDelivered(_ batch: TripBatch) {
        let first = counts.delivered - batch.count
        let drop = min(max(0, options.skip - first), batch.count)
        guard drop > 0 else { return }
        for row in drop..<batch.count { batch.moveRow(row, to: row - drop, fields: reader.fields) }
        batch.count -= drop
    }

    private func filterByRange(_ batch: TripBatch) {
        let cells = batch.column(options.clockField)
        var cursor = WallTimeCursor(options.zone)
        var kept = 0
        for row in 0..<batch.count {
            let time = cells[row] == nullCell ? nil : cursor.utcMs(of: WallTime(cell: cells[row]).seconds)
            guard let time, time >= options.from ?? .min, time < options.to ?? .max else { continue }
            if kept != row { batch.moveRow(row, to: kept, fields: reader.fields) }
            kept += 1
        }
        if kept < batch.count { counts.filtered["range", default: 0] += batch.count - kept }
        batch.count = kept
    }
}

/// Where rows come from: files in their own order, or an index.
protocol RowReader: AnyObject {
    /// The columns that a batch holds; those that no file has are null.
    var fields: TripFieldSet { get }
    /// Of the first file.
    var header: CSVHeader { get }
    /// Appends rows up to the batch's capacity, or until `Reject.bytesAtOnce` bytes of rejects have come together; false when there are no
    /// more. Tells the guard of all rows it has not judged before.
    func fill(_ batch: TripBatch, _ rejects: inout [Reject], _ guards: inout RejectGuard) throws(Problem) -> Bool
    /// Rows left out since the last call, by rule, that no batch has shown.
    func takeFiltered() -> [String: Int]
}

/// `--clean standard`: keeps the rows inside the limits of the reference analysis.
struct Cleaner {
    /// Rule name, column, lowest and highest value in the column's own unit.
    private static let rules: [(name: String, field: TripField, from: Int64, to: Int64)] = [
        ("fare", .fare, 100, 100_000), ("trip_total", .total, 100, 100_000),
        ("trip_miles", .miles, 0, 250_000_000), ("trip_seconds", .seconds, 30, 21_600),
    ]

    func apply(to batch: TripBatch, fields: TripFieldSet, counts: inout [String: Int]) {
        var kept = 0
        rows: for row in 0..<batch.count {
            for rule in Self.rules {
                var value = batch.column(rule.field)[row]
                if value != nullCell, rule.field.kind == .decimal { value = PackedDecimal(cell: value).millionths }
                if value == nullCell || value < rule.from || value > rule.to {
                    counts[rule.name, default: 0] += 1
                    continue rows
                }
            }
            if kept != row { batch.moveRow(row, to: kept, fields: fields) }
            kept += 1
        }
        batch.count = kept
    }
}

/// Says of each header what a user should know about its columns, one sentence each, and nothing twice.
final class ColumnWarnings {
    private let warn: (String) -> Void
    private var said: Set<String> = []

    init(_ warn: @escaping (String) -> Void) { self.warn = warn }

    /// - Parameter isFirst: whether the header is its file's first; of others the line is told.
    func look(at header: CSVHeader, isFirst: Bool = true) {
        let place = isFirst ? header.file : "\(header.file):\(header.line)"
        let unknown = header.unknown
        var sentences: [String] = []
        let missing = header.missing.fields
        if !missing.isEmpty {
            let names = missing.map { field in
                "\"\(field.header)\""
                    + (nearestName(to: field.header, among: unknown).map { " (\"\($0)\" looks like it)" } ?? "")
            }
            sentences.append("no column \(names.joined(separator: ", ")); taken as empty")
        }
        if !unknown.isEmpty {
            let names = unknown.map { "\"\($0)\"" }.joined(separator: ", ")
            sentences.append("unknown \(unknown.count == 1 ? "column" : "columns") \(names) left out")
        }
        // A file that was joined of many says it once.
        for sentence in sentences where said.insert("\(header.file): \(sentence)").inserted {
            warn("\(place): \(sentence)")
        }
    }
}
