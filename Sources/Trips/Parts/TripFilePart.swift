public import Problems

/// What a file's records are, for whoever reads them one after the other.
public enum TripFilePartForm: String, Sendable, CaseIterable, Codable {
    case csv, jsonl, avro

    /// By the end of a name, before .gz or .zst; CSV where that says nothing.
    public init(name: String) {
        var name = name.lowercased()[...]
        for end in [".gz", ".zst"] where name.hasSuffix(end) { name = name.dropLast(end.count) }
        self =
            name.hasSuffix(".avro")
            ? .avro : [".jsonl", ".ndjson", ".json"].contains(where: name.hasSuffix) ? .jsonl : .csv
    }
}

/// Part of a file whose bytes somebody else reads: where it stands, so that it can be read as if the whole file had been.
public struct TripFilePart: Sendable, Equatable {
    public var form: TripFilePartForm
    /// The file's name, for messages.
    public var file: String
    /// What is given begins with so much that was read before: bytes as they are unpacked, of Avro records.
    public var skip: Int64 = 0
    /// Number of the first line, or of Avro record, behind that; from 1. Where nobody knows it yet, 1: whoever does adds what is missing.
    public var line: Int64 = 1
    /// Of CSV: the header line that the first row stands under (`CSVHeader.text`); nil where the bytes begin with it.
    public var header: String?
    /// Whether the bytes begin where the file does; else at the start of one of its lines.
    public var isFirst = true
    /// Whether the bytes end where the file does; else behind the end of one of its lines.
    public var isLast = true

    public init(form: TripFilePartForm, file: String) { (self.form, self.file) = (form, file) }
}

extension CSVHeader {
    /// The header of a file that somebody else reads, by its first bytes; what it lacks is said as where a file is read here.
    ///
    /// - Throws: `.badData` for what is no header, or lacks a column that `options` need.
    public init(firstBytes: [UInt8], file: String, for options: TripSourceOptions) throws(Problem) {
        self = try firstBytes.prefix(Self.sampleSize).withUnsafeBufferPointer { sample throws(Problem) in
            try CSVHeader(sample: sample, file: file)
        }
        try options.check(self)
    }
}
