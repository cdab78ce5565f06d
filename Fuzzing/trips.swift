// With: Tests/TripsTests/CSVSupport.swift Tests/TripsTests/JSONSupport.swift Fuzzing/Support/SlowNumbers.swift
// Seeds: Tests/Inputs/columns

import Problems
import Topics

import Time
@testable import Trips

/// Any bytes as a batch of encoded trips (encoding 2): refused, or trips that can be written out, and that some columns alone give as well.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let payload = Array(UnsafeBufferPointer(start: data, count: size))
    guard let batch = decoded(payload, .all) else {
        expect((try? records(payload, .trips)) == nil, "what is refused is given to readers of the topic")
        return 0
    }
    for field in TripField.allCases {
        for row in 0..<batch.count where field.kind != .string {
            expect(field.domain.contains(batch.column(field)[row]))
        }
    }
    // Columns are not kept apart by what is asked for besides.
    let some: TripFieldSet = [.init(.fare), .init(.company), .init(.startTimestamp)]
    guard let part = decoded(payload, some) else { fatalError("three columns are refused of a batch that is taken") }
    for row in 0..<batch.count {
        expect(part.eventTimes[row] == batch.eventTimes[row])
        for field in some.fields {
            expect(part.text(field, row) == batch.text(field, row), "another \(field.name)")
        }
    }
    expectSlow(payload, batch)

    var encoder = TripColumnsEncoder()
    guard let again = decoded(encoder.encode(batch), .all) else {
        fatalError("what was read is not written as it is read")
    }
    let lines = encoded(batch)
    expect(lines == encoded(again), "written and read again it is something else")
    guard batch.count <= 64 else { return 0 }
    let topic = try! records(payload, .trips)
    expect(topic.map { $0.value.map { String(decoding: $0, as: UTF8.self) } } == lines)
    expect(topic.map(\.timestamp) == (0..<batch.count).map { batch.eventTimes[$0] })

    let strict = (0..<batch.count).filter { isWhatReadersMake(batch, $0) }.map { lines[$0] }
    let reading = read(strict.map { Array($0.utf8) })
    expect(reading.rejects.isEmpty, "JSON of a trip is not read: \(strict) \(reading.rejects)")
    expect(encoded(reading.batch) == strict, "JSON of a trip is read as something else")
    return 0
}

/// Whether each cell is one that the readers of today make; stored columns may hold what release 0.1.0 made besides (docs/FORMATS.md).
private func isWhatReadersMake(_ batch: TripBatch, _ row: Int) -> Bool {
    RFC3339.eventTimes.contains(batch.eventTimes[row])
        && TripField.allCases.allSatisfy { field in
            let cell = batch.column(field)[row]
            switch field.kind {
            case .decimal: return cell == nullCell || PackedDecimal(cell: cell).scale <= field.bounds!.decimals
            case .string:
                let text = batch.bytes(TextCell(cell: cell))
                guard let start = text.baseAddress, !text.isEmpty else { return true }
                return !text.contains(0) && !NullText.isNull(start, text.count)
                    && !(field.isPlace && PointText.isOutOfRange(start, text.count))
            default: return true
            }
        }
}

private func decoded(_ payload: [UInt8], _ fields: TripFieldSet) -> TripBatch? {
    let batch = TripBatch(capacity: max(1, min(rowCount(payload), TripColumnsDecoder.maximumTrips)))
    var decoder = TripColumnsDecoder()
    let isTaken = payload.withUnsafeBytes { (try? decoder.decode($0, fields: fields, into: batch)) != nil }
    return isTaken ? batch : nil
}

/// Columns of numbers and times against the slow reader.
private func expectSlow(_ payload: [UInt8], _ batch: TripBatch) {
    let columns = Int(payload[5])
    var place = 6 + columns * 6
    for column in 0..<columns {
        let entry = Array(payload[(6 + column * 6)..<(12 + column * 6)])
        let length = entry[2...5].reversed().reduce(0) { $0 << 8 | Int($1) }
        let bytes = Array(payload[place..<place + length])
        place += length
        let field = TripField(rawValue: entry[0])
        if field?.kind == .string { continue }
        let cells = field.map { batch.column($0) } ?? batch.eventTimes
        let expected = SlowNumbers.read(entry[1], bytes, count: batch.count)
        expect(expected == (0..<batch.count).map { cells[$0] }, "the slow reader reads something else")
    }
}
