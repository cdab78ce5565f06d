public import Problems
import Time
import Trips

extension FileProfile {
    /// How many of the commonest values, and of the first rejects of a reason, a profile names.
    private static let topCount = 10
    private static let exampleCount = 3

    /// Reads a trip file from end to end; packed files (gzip, zstd) too.
    ///
    /// However many rows cannot be used, it goes on: that is what one wants to know. Memory stays below 300 MB
    /// at any size, besides pages of the file that the kernel may drop.
    ///
    /// - Parameters:
    ///   - path: a file, a pipe, or `-` for standard input.
    ///   - files: is told of what it has in common with other files.
    ///   - progress: told how many rows have been read, now and then.
    /// - Throws: `Problem`: `.noInput`, `.inputOutput`, and `.badData` for what is no trip file at all.
    public init(path: String, among files: FilesTally? = nil, progress: ((_ rows: Int) -> Void)? = nil) throws(Problem)
    {
        var options = TripSourceOptions(
            required: [], purpose: "a profile", zone: try ZoneClock(identifier: "America/Chicago"))
        options.toleratesRejects = true
        let source = try TripSource(paths: [path], options: options)
        let header = source.header
        let batch = TripBatch(capacity: 4096)
        var tally = FileTally(fields: header.present.fields, kind: header.kind)
        var examples: [RejectReason: [String]] = [:]
        func collectRejects() {
            for reject in source.takeRejects() where examples[reject.reason, default: []].count < Self.exampleCount {
                examples[reject.reason, default: []].append("\(reject.location): \(reject.detail)")
            }
        }
        files?.begin(header.file)
        while try source.next(into: batch) {
            tally.add(batch)
            files?.add(batch, has: header.present)
            collectRejects()
            progress?(tally.rows)
        }
        collectRejects()

        self.init()
        file = header.file
        rows = tally.rows
        rejectedRows = source.counts.rejectedTotal
        layout = Layout(header, quotedShare: tally.quotedShare)
        times = tally.times
        columns = tally.columns.map { $0.profile(rows: tally.rows) }
        paymentTypes = tally.commonest(.paymentType, Self.topCount)
        companies = tally.commonest(.company, Self.topCount)
        pickupAreas = tally.commonest(.pickupArea, Self.topCount)
        dropoffAreas = tally.commonest(.dropoffArea, Self.topCount)
        sums = tally.sums
        findings = tally.allFindings
        rejects = source.counts.rejected
            .sorted { ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue) }
            .map { Rejects(reason: $0.key, count: $0.value, examples: examples[$0.key] ?? []) }
        advice = makeAdvice()
    }
}

extension FileProfile.Layout {
    init(_ header: CSVHeader, quotedShare: Double) {
        delimiter =
            switch header.delimiter {
            case UInt8(ascii: ","): "comma"
            case UInt8(ascii: ";"): "semicolon"
            case UInt8(ascii: "\t"): "tab"
            default: "bar"
            }
        lineEnd = header.newline == UInt8(ascii: "\r") ? "CR" : header.hasCRLF ? "CRLF" : "LF"
        hasByteOrderMark = header.hasByteOrderMark
        self.quotedShare = quotedShare
        recognised = header.present.fields.map(\.header)
        let candidates = header.unknown
        missing = header.missing.fields.map {
            FileProfile.Missing(header: $0.header, nearest: header.nearestHeader(to: $0, among: candidates))
        }
        unknown = header.unknown
        leftOut = header.leftOut
        kind = header.kind
    }
}
