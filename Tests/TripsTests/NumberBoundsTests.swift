import Foundation
import Testing

@testable import Trips

@Suite struct NumberBoundsTests {
    @Test("the ends of a column's bounds are allowed and nothing beyond them", arguments: TripField.allCases)
    func ends(field: TripField) {
        #expect(field.domain.contains(nullCell))
        guard let bounds = field.bounds else { return }
        func cells(_ value: Int64) -> [Int64] {
            switch field.kind {
            case .money: [value * 100]
            case .decimal:
                (0...13).map { PackedDecimal(mantissa: value * PackedDecimal.powersOfTen[$0], scale: $0).cell }
            default: [value]
            }
        }
        for cell in cells(bounds.least) + cells(bounds.greatest) { #expect(field.domain.contains(cell)) }
        for cell in cells(bounds.least - 1) + cells(bounds.greatest + 1) { #expect(!field.domain.contains(cell)) }
        // A decimal's lowest bits are its scale: its extremes are taken without decimals.
        for cell in [.min + 16, .max - 15] as [Int64] { #expect(!field.domain.contains(cell)) }
    }

    @Test func timesAreOfThisCentury() {
        for form in [WallTime.portalForm, 0xff, 0x80] {
            let range = WallTime.validSeconds
            for seconds in [range.lowerBound, range.upperBound - 1] {
                #expect(TripField.startTimestamp.domain.contains(WallTime(seconds: seconds, form: form).cell))
            }
            for seconds in [range.lowerBound - 1, range.upperBound, 0, Int64.max >> 8, Int64.min >> 8] {
                let cell = WallTime(seconds: seconds, form: form).cell
                #expect(cell == nullCell || !TripField.endTimestamp.domain.contains(cell))
            }
        }
    }

    @Test(arguments: [
        (TripField.fare, "-90,000…90,000 dollars"), (.seconds, "0…9,000,000 seconds"), (.pickupArea, "1…77"),
        (.pickupTract, "0…99,999,999,999"),
    ])
    func text(field: TripField, text: String) { #expect(field.bounds?.text == text) }
}

extension NumberBoundsTests {
    @Test func theGuideShowsTheTable() throws {
        var rows: [(bounds: NumberBounds, names: [String])] = []
        for field in TripField.allCases {
            guard let bounds = field.bounds else { continue }
            if let index = rows.firstIndex(where: { $0.bounds == bounds }) {
                rows[index].names.append("`\(field.name)`")
            } else {
                rows.append((bounds, ["`\(field.name)`"]))
            }
        }
        let table = rows.map { row in
            let ends = row.bounds.text.split(separator: "…")
            return "| \(row.names.joined(separator: ", ")) | \(ends[0]) | \(ends[1]) | \(row.bounds.decimals) |"
        }
        let guide = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/GUIDE.md")
        let text = try String(contentsOf: guide, encoding: .utf8)
        #expect(
            text.contains("|---|---:|---:|---:|\n" + table.joined(separator: "\n") + "\n\n"),
            "\(table.joined(separator: "\n"))")
    }
}
