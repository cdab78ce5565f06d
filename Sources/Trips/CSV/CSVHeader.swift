public import Problems

/// What the first line of a file says: which column holds which field, what separates them and what ends a line.
///
/// Columns are found by name, never by place: case, blanks and underscores aside, so that `Dropoff Centroid  Location`,
/// `TRIP_SECONDS` and `dropoff_centroid__location` are all found. BigQuery's names are known besides.
public struct CSVHeader: Sendable {
    public var file: String
    public var delimiter: UInt8
    /// LF, or CR in files that know no LF; the CR of a CRLF is a blank at the end of the last field.
    public var newline: UInt8
    /// Names as they stand in the file, without quotes and blanks around.
    public var names: [String]
    /// The header line, by which a row can be read elsewhere; nil for one that is too long to be kept with each row.
    public let text: String?
    /// For each column of the file the field it holds.
    public var fields: [TripField?]
    /// Bytes before the first row: byte-order mark, blank lines and header line.
    public var length: Int
    public var hasByteOrderMark: Bool
    public var hasCRLF: Bool
    /// Line of the header in its file, from 1.
    public var line: Int
    /// Line of the first row behind it.
    public var firstRowLine: Int
    /// A name that stands twice in a header further down: rows below it cannot be read.
    public internal(set) var fault: Problem?

    /// How much of a file's start `init` wants to see.
    public static let sampleSize = 65536

    /// - Parameters:
    ///   - sample: the start of the file, or of what follows a header's place further down.
    ///   - line: the sample's first line.
    ///   - newline: what ends lines where that is known already.
    ///   - isFirst: false for one further down, whose `fault` is kept for whoever reads on.
    /// - Throws: `Problem(.badData)` for something that is no delimited text or has no header row.
    public init(
        sample: UnsafeBufferPointer<UInt8>, file: String, line firstLine: Int = 1, newline known: UInt8? = nil,
        isFirst: Bool = true
    ) throws(Problem) {
        self.file = file
        try Self.refuseOtherFormats(sample, file)
        hasByteOrderMark = sample.starts(with: [0xef, 0xbb, 0xbf])
        let newline = known ?? (sample.contains(0x0a) ? 0x0a : 0x0d)
        self.newline = newline
        var start = hasByteOrderMark ? 3 : 0
        line = firstLine
        while let end = sample[start...].firstIndex(of: newline), sample[start..<end].allSatisfy(Self.isBlank) {
            start = end + 1
            line += 1
        }
        var end = start
        var quote: Int?
        while end < sample.count, quote != nil || sample[end] != newline {
            if sample[end] == 0x22 { quote = quote == nil ? end : nil }
            end += 1
        }
        let location = InputLocation(file: file, line: line, column: 1)
        guard end < sample.count || sample.count < Self.sampleSize else {
            throw Problem(
                .badData, "the first line does not end within \(Self.sampleSize) bytes", at: location,
                hint: "A trip file is comma-separated text with a header line.")
        }
        if let quote {
            throw Problem(
                .badData, "a quote in the header line is not closed",
                at: InputLocation(file: file, line: line, column: quote - start + 1))
        }
        length = min(end + 1, sample.count)
        var text = sample[start..<end]
        firstRowLine = line + 1 + text.count { $0 == newline }
        hasCRLF = text.last == 0x0d
        if hasCRLF { text = text.dropLast() }
        guard !text.allSatisfy(Self.isBlank) else {
            throw Problem(
                .badData, "the file is empty: there is no header line", at: location,
                hint: "A trip file begins with the names of its columns; taxi-cli data sample makes one.")
        }
        try Self.refuseBytesOfNoText(text, location)
        delimiter = Self.commonestDelimiter(text)
        names = Self.split(text, delimiter)
        fields = Self.match(names)
        self.text = Self.line(of: names, delimiter)
        do throws(Problem) { try refuseRepeated(in: text, location) } catch {
            if isFirst { throw error }
            fault = error
        }
        try refuseMissingHeader()
    }

    /// Which fields the file has a column for.
    public var present: TripFieldSet { TripFieldSet(fields.compactMap { $0 }) }
    /// Columns that nothing is known of.
    public var unknown: [String] { zip(names, fields).compactMap { $1 == nil && !Self.isKnown(other: $0) ? $0 : nil } }

    /// - Throws: `Problem(.badData)` that names the first column that is needed and missing, and the nearest header.
    public func require(_ needed: TripFieldSet, for purpose: String) throws(Problem) {
        let missing = needed.subtracting(present).fields
        guard let first = missing.first else { return }
        let names = missing.map { "\"\($0.header)\"" }.joined(separator: ", ")
        let candidates = unknown
        var hint = "The columns found are: \(self.names.joined(separator: ", "))."
        if let near = nearestHeader(to: first, among: candidates) {
            hint =
                "The nearest column found is \"\(near)\"; rename it to \"\(first.header)\" if it is the same. " + hint
        }
        throw Problem(
            .badData,
            "\(missing.count == 1 ? "column" : "columns") \(names) \(missing.count == 1 ? "is" : "are") missing, needed for \(purpose)",
            at: InputLocation(file: file, line: line, column: 1), hint: hint)
    }

    /// The unknown header that looks most like a field's name: by spelling, else by the words they share.
    public func nearestHeader(to field: TripField, among candidates: [String]) -> String? {
        if let near = nearestName(to: field.header, among: candidates) { return near }
        // Nearly all columns are of a trip: that word says nothing.
        let words = Set(Self.words(field.header)).subtracting(["trip"])
        let scored = candidates.map { (name: $0, shared: words.intersection(Self.words($0)).count) }
        guard let best = scored.max(by: { $0.shared < $1.shared }), best.shared > 0 else { return nil }
        return best.name
    }
}

extension CSVHeader {
    private static func words(_ name: String) -> [String] {
        var words = [""]
        var last: Character = " "
        for character in name {
            defer { last = character }
            if character == " " || character == "_" {
                words.append("")
            } else {
                if character.isUppercase, last.isLowercase { words.append("") }
                words[words.count - 1].append(contentsOf: character.lowercased())
            }
        }
        return words.filter { !$0.isEmpty }
    }

    static func normalized(_ name: String) -> String {
        String(name.lowercased().unicodeScalars.filter { $0 != " " && $0 != "_" && $0 != "\t" })
    }

    /// Names of other exports of the same data, normalized.
    private static let aliases: [String: TripField] = [
        "uniquekey": .tripID, "pickuplatitude": .pickupLatitude, "pickuplongitude": .pickupLongitude,
        "pickuplocation": .pickupLocation, "dropofflatitude": .dropoffLatitude,
        "dropofflongitude": .dropoffLongitude, "dropofflocation": .dropoffLocation,
    ]

    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d }

    /// Fields by their normalized names.
    private static let fieldsByName: [String: TripField] = {
        var byName = aliases.merging(rideshareFields) { $1 }
        for field in TripField.allCases { byName[normalized(field.header)] = field }
        return byName
    }()

    /// Whether some field of a row is the name of a column.
    static func namesColumn(_ row: UnsafeBufferPointer<UInt8>) -> Bool {
        split(row[...], commonestDelimiter(row[...])).contains { fieldsByName[normalized($0)] != nil }
    }

    private static func match(_ names: [String]) -> [TripField?] {
        var taken: TripFieldSet = []
        return names.map { name in
            guard let field = fieldsByName[normalized(name)], !taken.contains(field) else { return nil }
            taken.formUnion(TripFieldSet(field))
            return field
        }
    }

    static func commonestDelimiter(_ line: Slice<UnsafeBufferPointer<UInt8>>) -> UInt8 {
        let candidates: [UInt8] = [0x2c, 0x3b, 0x09, 0x7c]  // , ; tab |
        var counts = [0, 0, 0, 0]
        var isQuoted = false
        for byte in UnsafeBufferPointer(rebasing: line) {
            if byte == 0x22 { isQuoted.toggle() }
            guard !isQuoted else { continue }
            switch byte {
            case 0x2c: counts[0] += 1
            case 0x3b: counts[1] += 1
            case 0x09: counts[2] += 1
            case 0x7c: counts[3] += 1
            default: break
            }
        }
        return candidates[counts.indices.max { counts[$0] < counts[$1] || counts[$0] == counts[$1] && $0 > $1 } ?? 0]
    }

    private static func split(_ line: Slice<UnsafeBufferPointer<UInt8>>, _ delimiter: UInt8) -> [String] {
        var names: [[UInt8]] = [[]]
        var isQuoted = false
        for byte in line {
            if byte == 0x22 {
                isQuoted.toggle()
            } else if byte == delimiter, !isQuoted {
                names.append([])
            } else {
                names[names.count - 1].append(byte)
            }
        }
        return names.map { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            let start = text.drop { $0 == " " || $0 == "\t" }
            return String(start.reversed().drop { $0 == " " || $0 == "\t" || $0 == "\r" }.reversed())
        }
    }

    /// More than twice what any published file has.
    private static let keptLength = 2048

    private static func line(of names: [String], _ delimiter: UInt8) -> String? {
        let separator = String(UnicodeScalar(delimiter))
        let text = names.map { name in
            name.contains { $0 == "\"" || $0.isNewline } || name.contains(separator)
                ? "\"\(name.replacing("\"", with: "\"\""))\"" : name
        }.joined(separator: separator)
        return text.utf8.count <= keptLength ? text : nil
    }

    private static func refuseOtherFormats(_ sample: UnsafeBufferPointer<UInt8>, _ file: String) throws(Problem) {
        let known: [(bytes: [UInt8], name: String, way: String)] = [
            (
                Array("PAR1".utf8), "a Parquet file",
                "Convert it to CSV first, with DuckDB for example: COPY (FROM 'FILE') TO 'trips.csv'."
            ),
            ([0x50, 0x4b, 3, 4], "a ZIP archive or a spreadsheet", "Unpack it, or save the sheet as CSV."),
            ([0xff, 0xfe], "UTF-16 text", "Convert it: iconv -f UTF-16 -t UTF-8 FILE > trips.csv."),
            ([0xfe, 0xff], "UTF-16 text", "Convert it: iconv -f UTF-16 -t UTF-8 FILE > trips.csv."),
        ]
        for format in known where sample.starts(with: format.bytes) {
            throw Problem(
                .badData, "this is \(format.name), not comma-separated text",
                at: InputLocation(file: file, line: 1, column: 1), hint: format.way)
        }
    }

    private static func refuseBytesOfNoText(
        _ line: Slice<UnsafeBufferPointer<UInt8>>, _ location: InputLocation
    ) throws(Problem) {
        let bytes = UnsafeBufferPointer(rebasing: line)
        guard let start = bytes.baseAddress, let fault = UTF8Sequence.firstNoText(start, start + bytes.count) else {
            return
        }
        if fault.pointee == 0 {
            throw Problem(
                .badData, "this is a binary file, not comma-separated text", at: location,
                hint:
                    "A trip file is text in UTF-8 with a header line; UTF-16 becomes that by iconv -f UTF-16 -t UTF-8.")
        }
        throw Problem(
            .badData, "the header line is not UTF-8",
            at: InputLocation(file: location.file, line: location.line, column: fault - start + 1),
            hint: "Convert the file, for example: iconv -f WINDOWS-1252 -t UTF-8 FILE > trips.csv.")
    }

    /// Which of two columns of one name holds the trips' values nobody can know.
    private func refuseRepeated(
        in line: Slice<UnsafeBufferPointer<UInt8>>, _ location: InputLocation
    ) throws(Problem) {
        var firsts: [String: Int] = [:]
        for (index, name) in names.enumerated() {
            let normal = Self.normalized(name)
            guard let first = firsts.updateValue(index, forKey: normal) else { continue }
            // One that is left out anyway may stand there as often as it likes.
            guard fields[first] != nil else { continue }
            var (column, passed, isQuoted) = (1, 0, false)
            for byte in line where passed < index {
                if byte == 0x22 { isQuoted.toggle() }
                if byte == delimiter, !isQuoted { passed += 1 }
                column += 1
            }
            throw Problem(
                .badData, "column \"\(name)\" stands twice in the header",
                at: InputLocation(file: location.file, line: location.line, column: column),
                hint: "Take one of columns \(first + 1) and \(index + 1) out, or give it another name.")
        }
    }

    private func refuseMissingHeader() throws(Problem) {
        guard fields.allSatisfy({ $0 == nil }) else { return }
        let location = InputLocation(file: file, line: line, column: 1)
        let looksLikeData = names.contains { name in
            var text = name
            return text.withUTF8 { !$0.isEmpty && WallTime.parse($0.baseAddress!, $0.count) > WallTime.outOfRange }
                || (name.utf8.count >= 40 && name.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) })
        }
        if looksLikeData {
            throw Problem(
                .badData, "there is no header row: the first line is a trip, and columns are found by name",
                at: location,
                hint:
                    "Put the export's header line first, \"\(TripField.allCases.map(\.header).joined(separator: String(decoding: [delimiter], as: UTF8.self)))\"."
            )
        }
        throw Problem(
            .badData, "no column of a taxi trip was found in the header", at: location,
            hint:
                "The columns found are: \(names.joined(separator: ", ")). A trip file has \"Trip Start Timestamp\", \"Fare\" and so on."
        )
    }
}
