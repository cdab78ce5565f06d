import Datasets
import Foundation
import Time
import Trips

/// A slow and obvious RFC 4180 reader, independent of the one in Trips.
///
/// - Parameter lineEnd: the bytes that end a line outside of quotes.
func readCSV(_ bytes: [UInt8], lineEnd: String) -> [[String]] {
    let (comma, quote, newline) = (UInt8(ascii: ","), UInt8(ascii: "\""), UInt8(ascii: "\n"))
    let hasReturn = lineEnd == "\r\n"
    var rows: [[String]] = []
    var row: [String] = []
    var field: [UInt8] = []
    var isQuoted = false
    bytes.withUnsafeBufferPointer { bytes in
        for byte in bytes {
            if byte == quote {
                isQuoted.toggle()
            } else if isQuoted || (byte != comma && byte != newline) {
                field.append(byte)
            } else {
                if byte == newline, hasReturn {
                    precondition(field.popLast() == UInt8(ascii: "\r"), "a line ends in LF alone")
                }
                row.append(String(decoding: field, as: UTF8.self))
                field.removeAll(keepingCapacity: true)
                if byte == newline {
                    rows.append(row)
                    row.removeAll(keepingCapacity: true)
                }
            }
        }
    }
    precondition(row.isEmpty && field.isEmpty && !isQuoted, "the file does not end with a line end")
    return rows
}

func day(_ text: String) -> Int {
    let parts = text.split(separator: "-").compactMap { Int($0) }
    return Calendar.day(year: parts[0], month: parts[1], day: parts[2])
}

func generate(_ options: TripGenerator.Options) throws -> (bytes: [UInt8], summary: TripGenerator.Summary) {
    var bytes: [UInt8] = []
    let summary = try TripGenerator(options).write { bytes.append(contentsOf: $0) }
    return (bytes, summary)
}

/// The rows of a generated file, by header name.
struct GeneratedFile {
    var rows: [[String]]
    private var header: [String]

    init(_ options: TripGenerator.Options) throws {
        let all = readCSV(try generate(options).bytes, lineEnd: options.style == .dollar ? "\r\n" : "\n")
        (header, rows) = (all[0], Array(all.dropFirst()))
    }

    func column(_ name: String) -> [String] {
        let index = header.firstIndex(of: name)!
        return rows.map { $0[index] }
    }

    func share(_ name: String, where isMeant: (String) -> Bool) -> Double {
        Double(column(name).count(where: isMeant)) / Double(rows.count)
    }
}

/// The folder with real files beside the repository, or nil where it is not there.
let realData: URL? = {
    var folder = URL(filePath: #filePath).deletingLastPathComponent()
    while folder.path != "/" {
        let candidate = folder.appending(path: "shared/data/chicago")
        if FileManager.default.fileExists(atPath: candidate.path) { return candidate }
        folder.deleteLastPathComponent()
    }
    return nil
}()

/// One hour of the day, 0…23, of `04/13/2024 07:45:00 PM`.
func hour(_ time: String) -> Int {
    Int(time.dropFirst(11).prefix(2))! % 12 + (time.hasSuffix("PM") ? 12 : 0)
}
