public import Problems

/// Under which name the spellings of a company are loaded: what `data profile --aliases` writes and a person may edit.
///
/// A file of CSV whose header has the columns `spelling` and `name`, in any order and beside others. Spellings that it does not have stay as
/// they are.
public struct CompanyAliases: Sendable {
    /// XXH3 of the file's bytes: the same names for the same spellings.
    public let digest: String
    private let names: [[UInt8]: [UInt8]]

    /// One that a person wrote has a few thousand lines.
    private static let limitBytes = 16 << 20

    /// - Throws: `.noInput`, `.noPermission`; `.badData` with the line for what is no such file: without the columns, with a name that is
    ///   empty or too long, or with two names for one spelling.
    public init(path: String) throws(Problem) {
        try self.init(try Files.contents(of: path, limitBytes: Self.limitBytes), file: path)
    }

    init(_ bytes: [UInt8], file: String) throws(Problem) {
        digest = bytes.withUnsafeBytes { String(contentHash($0), radix: 16) }
        var rows = CSVLines(bytes)
        func problem(_ line: Int, _ message: String, _ hint: String) -> Problem {
            Problem(.badData, message, at: InputLocation(file: file, line: line, column: 1), hint: hint)
        }
        let help = "taxi-cli data profile --aliases FILE trips.csv … writes one to start from."
        guard let (_, header) = rows.next() else { throw problem(1, "the file is empty", help) }
        let titles = header.map { String(decoding: $0, as: UTF8.self).lowercased() }
        guard let spelling = titles.firstIndex(of: "spelling"), let name = titles.firstIndex(of: "name") else {
            throw problem(1, "there are no columns \"spelling\" and \"name\"", help)
        }
        var names: [[UInt8]: [UInt8]] = [:]
        while let (line, fields) = rows.next() {
            guard fields.count == titles.count else {
                throw problem(line, "\(fields.count) fields where the header has \(titles.count)", help)
            }
            let (from, to) = (Self.withoutGuard(fields[spelling]), Self.withoutGuard(fields[name]))
            guard !to.isEmpty, !from.isEmpty, to.count <= TextCell.maximumLength,
                String(validating: to, as: UTF8.self) != nil, !to.contains(0)
            else {
                throw problem(
                    line, "the spelling or the name is empty or no text",
                    "Leave the line out: a spelling without a line stays as it is.")
            }
            if let other = names.updateValue(to, forKey: from), other != to {
                throw problem(
                    line,
                    "\"\(String(decoding: from, as: UTF8.self))\" has the name \"\(String(decoding: other, as: UTF8.self))\" already",
                    "Keep one of the two lines.")
            }
        }
        self.names = names.filter { $0.key != $0.value }
    }

    /// What is written for spreadsheets has `'` before a text that they would compute (`csvField`).
    private static func withoutGuard(_ field: [UInt8]) -> [UInt8] {
        guard field.count > 2, field[0] == UInt8(ascii: "'"), "=+-@\t\r".utf8.contains(field[1]) else { return field }
        return Array(field.dropFirst())
    }

    /// Gives the companies of a batch their names.
    func apply(to batch: TripBatch) {
        guard !names.isEmpty, batch.fields.contains(.company) else { return }
        let cells = batch.column(.company)
        // Trips of one company most often share their text: each is looked up once.
        var known: [Int64: Int64] = [:]
        for row in 0..<batch.count {
            let cell = TextCell(cell: cells[row])
            if cell.isEmpty { continue }
            if let name = known[cell.cell] {
                cells[row] = name
            } else {
                let name = names[Array(batch.bytes(cell))].map { batch.keep($0).cell } ?? cell.cell
                known[cell.cell] = name
                cells[row] = name
            }
        }
    }
}

/// The rows of a small CSV (RFC 4180), one after the other: commas, quotes, any line ends; blank lines are passed over.
private struct CSVLines {
    private let bytes: [UInt8]
    private var place: Int
    private var line = 1

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        place = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
    }

    /// The next row and the line on which it begins.
    mutating func next() -> (line: Int, fields: [[UInt8]])? {
        while place < bytes.count {
            let first = line
            let fields = row()
            if fields != [[]] { return (first, fields) }
        }
        return nil
    }

    private mutating func row() -> [[UInt8]] {
        var fields: [[UInt8]] = [[]]
        var isQuoted = false
        while place < bytes.count {
            let byte = bytes[place]
            place += 1
            if byte == 0x0a { line += 1 }
            if isQuoted {
                if byte != 0x22 {
                    fields[fields.count - 1].append(byte)
                } else if place < bytes.count, bytes[place] == 0x22 {
                    fields[fields.count - 1].append(byte)
                    place += 1
                } else {
                    isQuoted = false
                }
            } else if byte == 0x22 {
                isQuoted = true
            } else if byte == 0x2c {
                fields.append([])
            } else if byte == 0x0a {
                break
            } else if byte != 0x0d {
                fields[fields.count - 1].append(byte)
            }
        }
        return fields
    }
}
