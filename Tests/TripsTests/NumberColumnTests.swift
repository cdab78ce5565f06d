import Basics
import Testing

@testable import Trips

/// Columns of numbers of all widths come back as they were, and only where their domain has them.
@Suite struct NumberColumnTests {
    private static func encoded(_ cells: [Int64], steps: [Int64]) -> (encoding: UInt8, bytes: [UInt8]) {
        var out = ByteWriter()
        var scratch = NumberDictionary()
        let encoding = NumberColumn.encode(cells, count: cells.count, steps: steps, into: &out, scratch: &scratch)
        return (encoding, out.bytes)
    }

    private static func decoded(
        _ column: (encoding: UInt8, bytes: [UInt8]), count: Int, _ domain: NumberColumn.Domain
    ) throws -> [Int64] {
        var cells = [Int64](repeating: 77, count: count)
        try column.bytes.withUnsafeBytes { bytes in
            try NumberColumn.decode(column.encoding, bytes, count: count, domain: domain, into: &cells)
        }
        return cells
    }

    /// The spans are those at which a width ends, in steps.
    @Test(
        "cells of each width and step come back, with nulls and without",
        arguments: [1, 253, 254, 255, 65_533, 65_534, 65_535, 0xffff_fffe, 0xffff_ffff] as [Int64],
        [1, 60, 900 << 8] as [Int64])
    func comesBack(span: Int64, step: Int64) throws {
        var random = SplitMix64(seed: UInt64(span))
        for nullShare in [0, 3] {
            let base = Int64.random(in: -1_000_000...1_000_000, using: &random)
            let top = base + span * step
            var cells = (0..<500).map { _ in
                nullShare > 0 && Int.random(in: 0..<nullShare, using: &random) == 0
                    ? nullCell : base + Int64.random(in: 0...span, using: &random) * step
            }
            cells += [base, top]
            let column = Self.encoded(cells, steps: [step, 1])
            var domain = NumberColumn.Domain(base...top)
            #expect(try Self.decoded(column, count: cells.count, domain) == cells)

            domain.isNullable = false
            if cells.contains(nullCell) {
                #expect(throws: (any Error).self) { try Self.decoded(column, count: cells.count, domain) }
            } else {
                #expect(try Self.decoded(column, count: cells.count, domain) == cells)
            }
            for narrow in [base + 1...top, base...top - 1] {
                #expect(throws: (any Error).self) { try Self.decoded(column, count: cells.count, .init(narrow)) }
            }
        }
    }

    @Test("decimals beyond their column's bounds are refused, whatever their decimals")
    func decimals() throws {
        for field in [TripField.miles, .pickupLatitude, .dropoffLongitude] {
            let bounds = try #require(field.bounds)
            for scale in 0...12 {
                let unit = PackedDecimal.powersOfTen[scale]
                func cells(_ last: Int64) -> [Int64] {
                    [PackedDecimal(mantissa: 1, scale: 3).cell, PackedDecimal(mantissa: last, scale: scale).cell]
                }
                for (last, isGood) in [
                    (bounds.greatest * unit, true), (bounds.greatest * unit + 1, false), (bounds.least * unit, true),
                    (bounds.least * unit - 1, false),
                ] {
                    let column = Self.encoded(cells(last), steps: [16, 1])
                    let back = try? Self.decoded(column, count: 2, field.domain)
                    #expect(back == (isGood ? cells(last) : nil), "\(field.name) \(last) \(scale)")
                }
            }
        }
    }
}
