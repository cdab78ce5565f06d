import Basics
import Foundation
import Problems
import Testing

@testable import Trips

@Suite struct TripJSONPropertyTests {
    @Test(arguments: UInt64(1)...8)
    func whatIsEncodedIsReadBackCellByCell(seed: UInt64) throws {
        var numbers = SplitMix64(seed: seed)
        let batch = randomBatch(rows: 100, &numbers)
        let records = encoded(batch)
        let reading = read(records.map { Array($0.utf8) })
        #expect(reading.rejects.isEmpty, "\(reading.rejects.first.map { "\($0.reason) \($0.detail)" } ?? "")")
        try #require(reading.batch.count == batch.count)
        for row in 0..<batch.count {
            #expect(reading.eventTime(row) == batch.eventTimes[row])
            for field in TripField.allCases {
                if field.kind == .string {
                    #expect(
                        reading.batch.string(field, row) == batch.string(field, row), "\(field.name) of \(records[row])"
                    )
                } else {
                    #expect(
                        reading.cell(field, row) == batch.column(field)[row], "\(field.name) of \(records[row])"
                    )
                }
            }
        }
    }

    @Test(arguments: UInt64(1)...4)
    func aProjectionReadsTheSameCells(seed: UInt64) throws {
        var numbers = SplitMix64(seed: seed)
        let records = encoded(randomBatch(rows: 50, &numbers)).map { Array($0.utf8) }
        let fields = TripFieldSet(rawValue: UInt32.random(in: 0...TripFieldSet.all.rawValue, using: &numbers))
        let (all, some) = (read(records), read(records, fields: fields))
        try #require(all.batch.count == some.batch.count)
        for row in 0..<all.batch.count {
            #expect(all.eventTime(row) == some.eventTime(row))
            for field in fields.fields {
                if field.kind == .string {
                    #expect(all.batch.string(field, row) == some.batch.string(field, row))
                } else {
                    #expect(all.cell(field, row) == some.cell(field, row))
                }
            }
        }
    }

    /// The slow, obvious version: Foundation's parser, in any order of fields, with blanks and escaped slashes.
    @Test(arguments: UInt64(1)...4)
    func readsWhatFoundationReadsAndWrites(seed: UInt64) throws {
        var numbers = SplitMix64(seed: seed)
        for text in encoded(randomBatch(rows: 30, &numbers)) {
            let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
            #expect(object.count == TripField.count + 1)
            let rewritten = try JSONSerialization.data(withJSONObject: object, options: [.prettyPrinted, .sortedKeys])
            let (ours, theirs) = (read(text), read([Array(rewritten)]))
            try #require(ours.rejects.isEmpty && ours.batch.count == 1)
            for field in TripField.allCases {
                let value = object[field.name]
                if field.kind == .string || field.kind == .timestamp {
                    let expected = value as? String
                    let found =
                        field.kind == .string
                        ? ours.batch.string(field, 0)
                        : ours.cell(field) == nullCell
                            ? nil : WallTime(cell: ours.cell(field)).text
                    #expect(found == expected)
                } else {
                    let found = ours.cell(field)
                    guard found != nullCell else {
                        #expect(value is NSNull)
                        continue
                    }
                    let number = try #require(value as? NSNumber).doubleValue
                    let expected =
                        switch field.kind {
                        case .money: Double(found) / 100
                        case .decimal:
                            Double(PackedDecimal(cell: found).mantissa)
                                / Foundation.pow(10, Double(PackedDecimal(cell: found).scale))
                        default: Double(found)
                        }
                    #expect(abs(number - expected) <= abs(number) * 1e-14)
                }
            }
            // Foundation's doubles may have more digits than money has; what it writes is still JSON to us.
            #expect(!theirs.reasons.contains(.malformedJSON) && !theirs.reasons.contains(.badUTF8))
            if theirs.batch.count == 1 {
                #expect(theirs.eventTime() == ours.eventTime())
                for field in TripField.allCases where field.kind == .string {
                    #expect(theirs.batch.string(field, 0) == ours.batch.string(field, 0))
                }
            }
        }
    }

    /// Whatever happens to a record, it is read or set aside, and what is read or called well-formed is JSON to Foundation as well.
    @Test(arguments: UInt64(1)...8)
    func changedRecordsAreReadOrSetAside(seed: UInt64) {
        var numbers = SplitMix64(seed: seed)
        var records: [[UInt8]] = []
        for text in encoded(randomBatch(rows: 8, &numbers)) {
            for _ in 0..<40 { records.append(changed(Array(text.utf8), &numbers)) }
        }
        for fields in [TripFieldSet.all, [.init(.fare), .init(.pickupLocation)]] {
            let reading = read(records, fields: fields)
            #expect(reading.batch.count + reading.rejects.count == records.count)
            let malformed = Set(
                reading.rejects.filter { $0.reason == .malformedJSON || $0.reason == .badUTF8 }.map(\.bytes))
            for record in records where !holdsHugeExponent(record) {
                let isJSON = (try? JSONSerialization.jsonObject(with: Data(record))) is [String: Any]
                if isJSON == malformed.contains(record) {
                    Issue.record("Foundation says \(isJSON) to \(String(decoding: record, as: UTF8.self))")
                }
            }
        }
    }

    @Test(arguments: UInt64(1)...8)
    func anyBytesAreReadOrSetAside(seed: UInt64) {
        var numbers = SplitMix64(seed: seed)
        let alphabet = Array("{}[]\",:\\u0123456789abcdef-+.eE null true \u{1}é".utf8)
        let records = (0..<2000).map { index -> [UInt8] in
            let length = Int.random(in: 0...60, using: &numbers)
            let bytes = (0..<length).map { _ in
                index % 2 == 0 ? UInt8.random(in: 0...255, using: &numbers) : alphabet.randomElement(using: &numbers)!
            }
            return index % 3 == 0 ? [UInt8(ascii: "{")] + bytes + [UInt8(ascii: "}")] : bytes
        }
        let reading = read(records)
        #expect(reading.batch.count + reading.rejects.count == records.count)
        #expect(reading.rejects.allSatisfy { $0.location.column >= 1 && $0.location.column <= $0.bytes.count + 1 })
    }

    @Test func everyBeginningOfARecordIsSetAside() {
        var numbers = SplitMix64(seed: 7)
        for text in encoded(randomBatch(rows: 4, &numbers)) {
            let bytes = Array(text.utf8)
            let reading = read((0..<bytes.count).map { Array(bytes.prefix($0)) })
            #expect(reading.batch.count == 0)
            #expect(reading.reasons.allSatisfy { $0 == .malformedJSON || $0 == .badUTF8 })
        }
    }

    /// Foundation refuses numbers that no double holds, such as 1e999; RFC 8259 has no such bound.
    private func holdsHugeExponent(_ record: [UInt8]) -> Bool {
        String(decoding: record, as: UTF8.self).contains(/[0-9][eE][+-]?[0-9]{3}/)
    }

    private func changed(_ record: [UInt8], _ numbers: inout SplitMix64) -> [UInt8] {
        var bytes = record
        for _ in 0..<Int.random(in: 1...3, using: &numbers) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &numbers)
            switch Int.random(in: 0..<5, using: &numbers) {
            case 0: bytes[place] = .random(in: 0...255, using: &numbers)
            case 1: bytes[place] = Array("{}[]\",:\\0-.e ".utf8).randomElement(using: &numbers)!
            case 2: bytes.remove(at: place)
            case 3: bytes.insert(bytes[Int.random(in: 0..<bytes.count, using: &numbers)], at: place)
            default: bytes.removeLast(Int.random(in: 0...min(4, bytes.count), using: &numbers))
            }
        }
        return bytes
    }
}
