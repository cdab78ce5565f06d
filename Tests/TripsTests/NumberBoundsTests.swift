import Testing

@testable import Trips

@Suite struct NumberBoundsTests {
    @Test("the ends of a column's bounds are allowed and nothing beyond them", arguments: TripField.allCases)
    func ends(field: TripField) {
        #expect(field.allows(nullCell))
        guard let bounds = field.bounds else { return }
        func cells(_ value: Int64) -> [Int64] {
            switch field.kind {
            case .money: [value * 100]
            case .decimal:
                (0...13).map { PackedDecimal(mantissa: value * PackedDecimal.powersOfTen[$0], scale: $0).cell }
            default: [value]
            }
        }
        for cell in cells(bounds.least) + cells(bounds.greatest) { #expect(field.allows(cell)) }
        for cell in cells(bounds.least - 1) + cells(bounds.greatest + 1) { #expect(!field.allows(cell)) }
        // A decimal's lowest bits are its scale: its extremes are taken without decimals.
        for cell in [.min + 16, .max - 15] as [Int64] { #expect(!field.allows(cell)) }
    }

    @Test func timesAreOfThisCentury() {
        for form in [WallTime.portalForm, 0xff, 0x80] {
            let range = WallTime.validSeconds
            for seconds in [range.lowerBound, range.upperBound - 1] {
                #expect(TripField.startTimestamp.allows(WallTime(seconds: seconds, form: form).cell))
            }
            for seconds in [range.lowerBound - 1, range.upperBound, 0, Int64.max >> 8, Int64.min >> 8] {
                let cell = WallTime(seconds: seconds, form: form).cell
                #expect(cell == nullCell || !TripField.endTimestamp.allows(cell))
            }
        }
    }

    @Test(arguments: [
        (TripField.fare, "-90,000…90,000 dollars"), (.seconds, "0…9,000,000 seconds"), (.pickupArea, "1…77"),
        (.pickupTract, "0…99,999,999,999"),
    ])
    func text(field: TripField, text: String) { #expect(field.bounds?.text == text) }
}
