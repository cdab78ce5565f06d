import Basics
import Foundation
import Problems
import Testing
import Trips

@testable import Topics

/// Whatever the bytes of stored results are, they are refused, or are messages that can be written out.
@Suite struct ResultColumnsDamageTests {
    static let inputs = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Inputs/columns").path

    /// Found by a fuzzer: times, days and counts beyond what a message may have.
    @Test(arguments: 1...8) func refusesWhatCrashedOnce(_ number: Int) throws {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(Self.inputs)/damaged-results-\(number).bin"))
        #expect(throws: Problem.self) { try Self.decode([UInt8](bytes)) }
    }

    @Test(arguments: [UInt64](1...40)) func changedBytesAreRefusedOrAreMessages(_ seed: UInt64) throws {
        var numbers = SplitMix64(seed: seed)
        let whole = Self.sample(rows: Int.random(in: 1...50, using: &numbers), &numbers).encode()
        for _ in 0..<80 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...3, using: &numbers) {
                let place = bytes.indices.randomElement(using: &numbers) ?? 0
                if Bool.random(using: &numbers) {
                    bytes[place] = UInt8.random(in: 0...255, using: &numbers)
                } else {
                    let end: UInt8 = Bool.random(using: &numbers) ? 255 : 0
                    for index in place..<min(bytes.count, place + 8) { bytes[index] = end }
                }
            }
            guard let results = try? Self.decode(bytes) else { continue }
            for row in 0..<results.count {
                var out = OutputBuffer()
                results.appendJSON(row: row, to: &out)
                let object = try? JSONSerialization.jsonObject(with: Data(out.bytes))
                #expect(object is [String: Any], "seed \(seed): \(String(decoding: out.bytes, as: UTF8.self))")
                #expect((results.key(row: row) == nil) == results.key.isEmpty, "seed \(seed)")
            }
        }
    }

    @Test func rowsHaveColumns() {
        #expect(throws: Problem.self) { try Self.decode([1, 1, 0, 0, 0, 0]) }
    }

    /// Version, rows, and one constant column.
    @Test func aFewBytesCannotClaimAMillionRows() throws {
        func claim(_ rows: UInt32) -> [UInt8] {
            var out = ByteWriter()
            out.append(UInt8(1))
            out.append(rows)
            out.append(UInt8(1))
            for byte: UInt8 in [4, 0, 1, UInt8(ascii: "n"), 0] { out.append(byte) }
            out.append(UInt32(8))
            out.append(Int64(7))
            return out.bytes
        }
        #expect(try Self.decode(claim(1)).count == 1)
        #expect(throws: Problem.self) { try Self.decode(claim(1_000_000)) }
    }

    private static func sample(rows: Int, _ numbers: inout SplitMix64) -> ResultColumns {
        var columns: [ResultColumns.Column] = [.windowStart, .windowEnd, .startOffset, .endOffset].map {
            .init(kind: $0)
        }
        columns.append(.init(name: "company", kind: .text))
        columns.append(.init(name: "day", kind: .day))
        columns.append(.init(name: "fare", kind: .number, decimals: 2))
        columns[4].texts = [Array("Flash Cab".utf8), Array("Σ \"x\"".utf8), []]
        for row in 0..<rows {
            let start = 1_700_000_000_000 + Int64(row / 3) * 30_000
            let cells: [Int64] = [
                start, start + 60_000, -21_600, -21_600, Int64.random(in: 0...2, using: &numbers),
                Int64.random(in: 19_000...20_000, using: &numbers),
                Bool.random(using: &numbers) ? nullCell : Int64.random(in: -500...900_000, using: &numbers),
            ]
            for (index, cell) in cells.enumerated() { columns[index].cells.append(cell) }
        }
        return ResultColumns(columns: columns, key: [[], [4], [5, 4]].randomElement(using: &numbers) ?? [])
    }

    @Test func aKeyIsMadeOfFieldsOfTheMessage() throws {
        var numbers = SplitMix64(seed: 1)
        let columns = Self.sample(rows: 3, &numbers).columns
        for key in [[0], [3], [7], [4, 4], [255]] {
            #expect(throws: Problem.self) { try Self.decode(ResultColumns(columns: columns, key: key).encode()) }
        }
        let whole = try Self.decode(ResultColumns(columns: columns, key: [6, 4, 5]).encode())
        #expect(whole.key == [6, 4, 5])
    }

    @discardableResult
    private static func decode(_ bytes: [UInt8]) throws -> ResultColumns {
        try bytes.withUnsafeBytes { bytes in try ResultColumns(decoding: bytes) }
    }
}
