import Basics
import Problems

import Time
@testable import Trips

/// A block of bytes whose place does not change.
final class Block {
    let start: UnsafeMutablePointer<UInt8>
    let count: Int
    init(_ bytes: [UInt8]) {
        // Exactly as long as the bytes: a read past the end is one that an address sanitizer sees.
        count = bytes.count
        start = .allocate(capacity: max(count, 1))
        start.update(from: bytes, count: count)
    }
    deinit { start.deallocate() }
}

/// What came of reading records: the batch, the rejects and the block that the batch points into.
struct Reading {
    var batch: TripBatch
    var rejects: [Reject]
    var reasons: [RejectReason] { rejects.map(\.reason) }

    /// A cell; the batch lives until it is read, which `batch.column` alone does not see to.
    func cell(_ field: TripField, _ row: Int = 0) -> Int64 { withExtendedLifetime(batch) { batch.column(field)[row] } }
    func eventTime(_ row: Int = 0) -> EventTime { withExtendedLifetime(batch) { batch.eventTimes[row] } }
}

func read(_ records: [[UInt8]], fields: TripFieldSet = .all) -> Reading {
    let block = Block(Array(records.joined()))
    var slices: [RecordSlice] = []
    var offset = 0
    for (index, record) in records.enumerated() {
        slices.append(RecordSlice(offset: offset, length: record.count, position: Int64(index + 1)))
        offset += record.count
    }
    let batch = TripBatch(capacity: max(records.count, 1))
    var reader = TripJSONReader(fields: fields)
    var rejects: [Reject] = []
    let count = reader.decode(
        slices[...], base: block.start, owner: block, name: "trips.jsonl", into: batch, rejects: &rejects)
    precondition(count == records.count)
    return Reading(batch: batch, rejects: rejects)
}

func read(_ record: String, fields: TripFieldSet = .all) -> Reading { read([Array(record.utf8)], fields: fields) }

/// A record of one field and an event time.
func record(_ field: String, _ value: String) -> String {
    #"{"\#(field)":\#(value),"event_timestamp":"2024-01-22T19:45:00.000Z"}"#
}

func encoded(_ batch: TripBatch, rows: Range<Int>? = nil) -> [String] {
    var output = OutputBuffer(capacity: 64)
    var offsets: [Int] = []
    TripJSON.encode(batch, rows: rows ?? 0..<batch.count, into: &output, recordOffsets: &offsets)
    let bytes = Array(output.bytes)
    return zip(offsets, offsets.dropFirst()).map { String(decoding: bytes[$0..<$1], as: UTF8.self) }
}

/// Trips with anything that a cell can hold: nulls, escapes, extremes.
func randomBatch(rows: Int, fields: TripFieldSet = .all, _ numbers: inout SplitMix64) -> TripBatch {
    let batch = TripBatch(capacity: rows)
    batch.fields = fields
    batch.count = rows
    var text: [UInt8] = []
    var places: [(TripField, Int, TextCell)] = []
    for row in 0..<rows {
        batch.eventTimes[row] = .random(in: 946_684_800_000..<4_133_980_800_000, using: &numbers)
        batch.positions[row] = Int64(row + 1)
        for field in fields.fields {
            let isNull = Int.random(in: 0..<6, using: &numbers) == 0
            guard field.kind != .string else {
                let bytes = isNull ? [] : randomText(&numbers)
                if bytes.isEmpty || Bool.random(using: &numbers) {
                    batch.column(field)[row] = bytes.isEmpty ? nullCell : batch.keep(bytes).cell
                } else {
                    places.append((field, row, TextCell(offset: text.count, length: bytes.count)))
                    text += bytes
                }
                continue
            }
            batch.column(field)[row] = isNull ? nullCell : randomCell(field, &numbers)
        }
    }
    let block = Block(text)
    batch.source = UnsafePointer(block.start)
    batch.owner = block
    for (field, row, cell) in places { batch.column(field)[row] = cell.cell }
    return batch
}

private func randomCell(_ field: TripField, _ numbers: inout SplitMix64) -> Int64 {
    // Any number of digits is as likely as any other.
    let limit = Int64(DecimalText.powersOfTen[Int.random(in: 1...17, using: &numbers)])
    func random(_ least: Int64, _ greatest: Int64) -> Int64 {
        .random(in: max(least, 1 - limit)...min(greatest, limit - 1), using: &numbers)
    }
    switch field.kind {
    case .integer, .money:
        let unit: Int64 = field.kind == .money ? 100 : 1
        return random(field.bounds!.least * unit, field.bounds!.greatest * unit)
    case .decimal:
        let scale = Int.random(in: 0...field.bounds!.decimals, using: &numbers)
        let unit = PackedDecimal.powersOfTen[scale]
        return PackedDecimal(
            mantissa: random(field.bounds!.least * unit, field.bounds!.greatest * unit), scale: scale
        ).cell
    case .timestamp:
        let form: UInt8 = [WallTime.portalForm, 0b1101, 0x80, 0x81, 0x8b, 0xff].randomElement(using: &numbers)!
        return WallTime(seconds: .random(in: 946_684_800..<4_133_980_800, using: &numbers), form: form).cell
    case .string: return nullCell
    }
}

private func randomText(_ numbers: inout SplitMix64) -> [UInt8] {
    let pieces = [
        "a", "0f3b", "Taxi \"5\"", "\\", "\n", "\u{1}", "\u{7f}", "é", "東京", "🚕", "POINT (-87.6 41.9)", "/", "  ",
    ]
    let count = Int.random(in: 0...Int.random(in: 0...12, using: &numbers), using: &numbers)
    return (0..<count).flatMap { _ in Array(pieces.randomElement(using: &numbers)!.utf8) }
}
