import Foundation
import Problems

@testable import Trips

/// A trip as a reader saw it: its line and the text of each field, nil where it is empty.
struct SeenRow: Hashable, Sendable {
    var line: Int
    var values: [String?]
}

struct SeenReject: Hashable, Sendable, CustomStringConvertible {
    var reason: RejectReason
    var line: Int
    var column: Int
    var description: String { "\(reason.rawValue) at \(line):\(column)" }
}

struct Seen: Hashable, Sendable {
    var rows: [SeenRow] = []
    var rejects: [SeenReject] = []
}

/// What the framer and decoder make of bytes that come in pieces which end at `cuts`, as a stream's do.
func seen(_ bytes: [UInt8], fields: [TripField], cuts: [Int] = []) throws(Problem) -> (seen: Seen, rejects: [Reject]) {
    let block = Block(bytes)
    let source = UnsafePointer(block.start)
    var header = try CSVHeader(sample: .init(start: source, count: min(bytes.count, CSVHeader.sampleSize)), file: "f")
    let (rows, batch) = (CSVRows(capacity: 64), TripBatch(capacity: 64))
    var decoder = CSVDecoder(header: header, fields: .init(fields), eventTime: nil, capacity: 64)
    var framer = CSVFramer(header: header, source: source, offset: header.length, line: Int64(header.firstRowLine))
    var seen = Seen()
    var rejects: [Reject] = []
    var ends = cuts.filter { $0 > header.length } + [bytes.count]
    while let end = ends.first {
        rows.removeAll()
        batch.reset()
        batch.source = source
        batch.owner = block
        let outcome = framer.fill(
            rows, limit: rows.capacity, until: end, isLast: ends.count == 1, rejects: &rejects)
        switch outcome {
        case .advanced:
            decoder.decode(rows, into: batch, rejects: &rejects)
            for row in 0..<batch.count {
                let values = fields.map { decoder.fields.contains($0) ? batch.text($0, row) : nil }
                seen.rows.append(SeenRow(line: Int(batch.positions[row]), values: values))
            }
        case .header(let next):
            header = next
            framer = framer.goingOn(under: header)
            decoder = CSVDecoder(header: header, fields: .init(fields), eventTime: nil, capacity: 64)
        case .incomplete, .end: ends.removeFirst()
        }
    }
    seen.rejects = rejects.map {
        SeenReject(reason: $0.reason, line: $0.location.line, column: $0.location.column)
    }
    return (seen, rejects)
}

extension TripBatch {
    /// A value as JSON would show it, nil where it is empty.
    func text(_ field: TripField, _ row: Int) -> String? {
        if field.kind == .string { return string(field, row) }
        let cell = column(field)[row]
        if cell == nullCell { return nil }
        switch field.kind {
        case .timestamp: return WallTime(cell: cell).text
        case .money: return Self.decimal(cell, 2)
        case .decimal: return Self.decimal(PackedDecimal(cell: cell).mantissa, PackedDecimal(cell: cell).scale)
        default: return String(cell)
        }
    }

    private static func decimal(_ mantissa: Int64, _ scale: Int) -> String {
        var digits = String(mantissa.magnitude)
        digits = String(repeating: "0", count: max(0, scale + 1 - digits.count)) + digits
        return (mantissa < 0 ? "-" : "") + digits.dropLast(scale) + (scale > 0 ? "." + digits.suffix(scale) : "")
    }
}

/// A small input that once went wrong.
func inputFile(_ name: String) -> String {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Inputs/\(name)")
        .path
}
