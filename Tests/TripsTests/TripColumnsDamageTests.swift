import Basics
import Foundation
import Problems
import Testing

import Time
@testable import Trips

/// Whatever the bytes of stored columns are, they are refused, or are trips that can be written out.
@Suite struct TripColumnsDamageTests {
    static let inputs = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Inputs/columns").path

    /// Found by a fuzzer: lengths, indexes and cells beyond what a trip may have.
    @Test(arguments: 1...4) func refusesWhatCrashedOnce(_ number: Int) throws {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(Self.inputs)/damaged-trips-\(number).bin"))
        #expect(throws: Problem.self) { try Self.decode([UInt8](bytes)) }
    }

    @Test(arguments: [UInt64](1...40)) func changedBytesAreRefusedOrAreTrips(_ seed: UInt64) throws {
        var numbers = SplitMix64(seed: seed)
        var encoder = TripColumnsEncoder()
        let whole = encoder.encode(randomBatch(rows: Int.random(in: 1...40, using: &numbers), &numbers))
        for _ in 0..<60 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...3, using: &numbers) {
                let place = bytes.indices.randomElement(using: &numbers) ?? 0
                switch Int.random(in: 0...3, using: &numbers) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &numbers)
                case 1: bytes[place] = [0, 1, 127, 128, 255].randomElement(using: &numbers) ?? 0
                case 2:
                    // The ends of the range of a number of eight bytes.
                    let end: [UInt8] = Array(repeating: Bool.random(using: &numbers) ? 255 : 0, count: 8)
                    for (index, byte) in end.enumerated() where place + index < bytes.count {
                        bytes[place + index] = byte
                    }
                default: bytes.removeSubrange(place..<min(bytes.count, place + 1))
                }
                if bytes.isEmpty { bytes = [0] }
            }
            guard let batch = try? Self.decode(bytes) else { continue }
            for line in encoded(batch) {
                let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                #expect(object?.count == TripField.count + 1, "seed \(seed): \(line)")
            }
        }
    }

    @Test func aColumnOfTimesIsNeverMissing() {
        // Version, two rows, no column.
        #expect(throws: Problem.self) { try Self.decode([1, 2, 0, 0, 0, 0]) }
    }

    @Test func aFewBytesCannotClaimMoreTripsThanABatchHas() {
        let claim: [UInt8] = [1, 0, 0, 0, 64, 1, 255, 0, 8, 0, 0, 0] + Array(repeating: 0, count: 8)
        #expect(throws: Problem.self) { try Self.decode(claim) }
    }

    @Test func aLongTextInEachRowHasToFitIntoMemory() throws {
        func payload(rows: UInt32, length: UInt16) -> [UInt8] {
            var out = ByteWriter()
            out.append(UInt8(1))
            out.append(rows)
            out.append(UInt8(2))
            let index = Int(rows)
            for (field, encoding, size) in [
                (TripField.company.rawValue, TextColumn.dictionary, 8 + Int(length) + index),
                (255, NumberColumn.constant, 8),
            ] {
                out.append(field)
                out.append(encoding)
                out.append(UInt32(size))
            }
            out.append(UInt32(1))
            out.append(UInt8(0))
            out.append(length)
            for _ in 0..<length { out.append(UInt8(ascii: "x")) }
            out.append(UInt8(1))
            for _ in 0..<rows { out.append(UInt8(0)) }
            out.append(Int64(1_700_000_000_000))
            return out.bytes
        }
        let usual = try Self.decode(payload(rows: 100, length: 60_000))
        #expect(usual.string(.company, 99)?.count == 60_000)
        #expect(throws: Problem.self) { try Self.decode(payload(rows: 65_000, length: 60_000)) }
    }

    /// Each cell that the fields allow comes back as it was, those at the ends of their ranges too.
    @Test func cellsAtTheEndsOfTheirRangesComeBack() throws {
        let batch = TripBatch(capacity: 3)
        let times = [WallTime.cells.lowerBound | 0x0f, WallTime.cells.upperBound, nullCell]
        let miles = [PackedDecimal(mantissa: 9_000, scale: 0).cell, PackedDecimal(mantissa: 1, scale: 15).cell]
        for row in 0..<3 {
            batch.column(.startTimestamp)[row] = times[row]
            batch.column(.miles)[row] = row < 2 ? miles[row] : nullCell
            batch.column(.fare)[row] = [9_000_000, -9_000_000, 0][row]
            batch.eventTimes[row] = [RFC3339.range.lowerBound, 0, RFC3339.range.upperBound][row]
        }
        (batch.count, batch.fields) = (3, [.init(.startTimestamp), .init(.miles), .init(.fare)])
        var encoder = TripColumnsEncoder()
        let decoded = try Self.decode(encoder.encode(batch))
        for field in [TripField.startTimestamp, .miles, .fare] {
            #expect((0..<3).map { decoded.column(field)[$0] } == (0..<3).map { batch.column(field)[$0] })
        }
        batch.column(.fare)[0] += 1
        #expect(throws: Problem.self) { try Self.decode(encoder.encode(batch)) }
        batch.column(.fare)[0] = 0
        batch.eventTimes[0] -= 1
        #expect(throws: Problem.self) { try Self.decode(encoder.encode(batch)) }
    }

    /// Whole minutes: whatever the form, a time that is taken is the one that its text says.
    @Test func aTimeThatItsFormCannotSayIsDamage() throws {
        var encoder = TripColumnsEncoder()
        func taken(_ times: [WallTime]) -> TripBatch? {
            let batch = TripBatch(capacity: times.count)
            for (row, time) in times.enumerated() {
                (batch.column(.endTimestamp)[row], batch.eventTimes[row]) = (time.cell, 0)
            }
            (batch.count, batch.fields) = (times.count, [.init(.endTimestamp)])
            return try? Self.decode(encoder.encode(batch))
        }
        let noon: Int64 = 1_705_665_600
        for form in UInt8.min...UInt8.max {
            for second in [0, 45] as [Int64] {
                let time = WallTime(seconds: noon + second, form: form)
                let again = Array(time.text.utf8).withUnsafeBufferPointer { WallTime.parse($0.baseAddress!, $0.count) }
                let isWritten = WallTime(cell: again).text == time.text && WallTime(cell: again).seconds == time.seconds
                // Bits without a meaning make no form of their own.
                let isForm = form < 0x10 || form >= 0x80
                #expect((taken([time]) != nil) == (isWritten && isForm), "form \(form), second \(second)")
                // Beside whole minutes, in steps that pass over it or not.
                for other in [noon - 60, noon + 90] {
                    let pair = [WallTime(seconds: other, form: 15), time, WallTime(seconds: noon + 120, form: form)]
                    #expect((taken(pair) != nil) == (isWritten && isForm), "form \(form), second \(second)")
                }
            }
        }
        // The first and last of a column alone say nothing about those between.
        #expect(taken([0, 30, 60].map { WallTime(seconds: noon + $0, form: 0x90) }) == nil)
        #expect(taken([0, 60, 120].map { WallTime(seconds: noon + $0, form: 0x90) }) != nil)
    }

    @discardableResult
    private static func decode(_ bytes: [UInt8]) throws -> TripBatch {
        let batch = TripBatch(capacity: TripColumnsDecoder.maximumTrips)
        var decoder = TripColumnsDecoder()
        try bytes.withUnsafeBytes { try decoder.decode($0, fields: .all, into: batch) }
        return batch
    }
}
