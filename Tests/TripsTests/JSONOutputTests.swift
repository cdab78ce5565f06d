import Testing

import Time
@testable import Trips

@Suite struct OutputBufferTests {
    @Test func growsAndKeepsWhatWasWritten() {
        var output = OutputBuffer(capacity: 1)
        var expected: [UInt8] = []
        for number in 0..<2000 {
            output.append(decimal: Int64(number))
            output.append(UInt8(ascii: ","))
            expected += Array("\(number),".utf8)
        }
        #expect(Array(output.bytes) == expected)
        #expect(output.count == expected.count)
    }

    @Test func appendsEveryKindOfBytes() {
        var output = OutputBuffer()
        output.append("literal " as StaticString)
        output.append("text é " as String)
        output.append(Array("bytes ".utf8))
        output.append(UnsafeBufferPointer<UInt8>(start: nil, count: 0))
        output.append(decimal: .min)
        #expect(String(decoding: output.bytes, as: UTF8.self) == "literal text é bytes -9223372036854775808")
    }

    @Test func isEmptyAfterRemovingAll() {
        var output = OutputBuffer()
        output.append(1)
        output.removeAll()
        let (isEmpty, count) = (output.isEmpty, output.bytes.count)
        #expect(isEmpty && count == 0)
    }

    @Test func takesWhatIsWrittenIntoReservedRoom() {
        var output = OutputBuffer(capacity: 64)
        output.append(Array(repeating: 7, count: 60))
        let place = output.reserve(1000)
        place.update(repeating: 9, count: 1000)
        output.advance(by: 999)
        #expect(Array(output.bytes) == Array(repeating: 7, count: 60) + Array(repeating: 9, count: 999))
    }
}

@Suite struct DecimalTextTests {
    private func text(
        _ length: Int, _ write: (UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8>
    ) -> String {
        let room = UnsafeMutablePointer<UInt8>.allocate(capacity: length)
        defer { room.deallocate() }
        let end = write(room)
        #expect(end - room <= length)
        return String(decoding: UnsafeBufferPointer(start: room, count: end - room), as: UTF8.self)
    }

    @Test func writesIntegersAsSwiftDoes() {
        var values: [Int64] = [0, 1, -1, 9, 10, 99, 100, .max, .min, .min + 1]
        for exponent in 1...18 {
            let power = Int64(DecimalText.powersOfTen[exponent])
            values += [power - 1, power, power + 1, -power, 1 - power]
        }
        for value in values {
            #expect(text(DecimalText.maximumIntegerLength) { DecimalText.write(value, to: $0) } == "\(value)")
        }
    }

    @Test(arguments: [
        (0, "0.00"), (5, "0.05"), (-5, "-0.05"), (100, "1.00"), (945, "9.45"), (-123_456, "-1234.56"),
        (Int64.max, "92233720368547758.07"), (.min, "-92233720368547758.08"),
    ])
    func writesMoneyWithTwoDecimals(cents: Int64, expected: String) {
        #expect(text(DecimalText.maximumMoneyLength) { DecimalText.writeMoney(cents, to: $0) } == expected)
    }

    @Test(arguments: [
        (0, 0, "0"), (0, 3, "0.000"), (5, 1, "0.5"), (-5, 1, "-0.5"), (1712, 2, "17.12"),
        (41_899_602_111, 9, "41.899602111"),
        (418_996_021_110, 10, "41.8996021110"), (-1, 15, "-0.000000000000001"),
        (99_999_999_999_999_999, 15, "99.999999999999999"),
        (-99_999_999_999_999_999, 0, "-99999999999999999"), (10, 1, "1.0"),
    ])
    func writesDecimalsWithTheDigitsOfTheirSource(mantissa: Int64, scale: Int, expected: String) {
        let value = PackedDecimal(mantissa: mantissa, scale: scale)
        #expect(text(DecimalText.maximumDecimalLength) { DecimalText.write(value, to: $0) } == expected)
    }
}
