import Basics
import Testing

@Suite struct NumberTextTests {
    @Test(
        arguments: [
            (0, "0.00"), (5, "0.05"), (-5, "-0.05"), (123_456_789, "1,234,567.89"),
            (Int64.min, "-92,233,720,368,547,758.08"),
        ] as [(Int64, String)])
    func centsAreDollars(_ cents: Int64, _ text: String) {
        #expect(dollars(cents) == text)
    }

    @Test func decimalsAreRoundedHalfAwayFromZero() {
        #expect(fixed(2.5, decimals: 0) == "3")
        #expect(fixed(-0.04, decimals: 1) == "0.0")
        #expect(fixed(-2.25, decimals: 1) == "-2.3")
        #expect(fixed(0.007, decimals: 2) == "0.01")
        #expect(fixed(.nan, decimals: 2) == "-")
        #expect(fixed(12_345_678_901, decimals: 2) == "12345678901.00")
        #expect(fixed(1e300, decimals: 2) == "1e+300")
    }

    @Test func digitsStandInThrees() {
        #expect(grouped(0) == "0" && grouped(999) == "999" && grouped(-1000) == "-1,000")
        #expect(grouped(Int64.min) == "-9,223,372,036,854,775,808")
        #expect(grouped(1_234_567, separator: " ") == "1 234 567")
        #expect(grouped("1234567.50") == "1,234,567.50")
        #expect(grouped("-0.5") == "-0.5")
        #expect(grouped("1e+300") == "1e+300")
        #expect(grouped("-") == "-")
    }

    @Test func wholeNumbersAreDecimals() {
        #expect(decimalText(1234, decimals: 2) == "12.34")
        #expect(decimalText(-5, decimals: 6) == "-0.000005")
        #expect(decimalText(-5, decimals: 0) == "-5")
        #expect(decimalText(.min, decimals: 6) == "-9223372036854.775808")
    }

    @Test func bytesArePowersOf1024() {
        #expect(byteText(512) == "512 B")
        #expect(byteText(1536) == "1.5 KiB")
        #expect(byteText(3 << 30) == "3.0 GiB")
    }
}
