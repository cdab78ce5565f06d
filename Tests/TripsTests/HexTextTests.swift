import Basics
import Testing

@testable import Trips

/// Hexadecimal eight characters at a time against one after the other.
@Suite struct HexTextTests {
    private static let digits = Array("0123456789abcdef".utf8)

    @Test("bytes become their digits and digits their bytes", arguments: 0..<40)
    func comesBack(count: Int) {
        var random = SplitMix64(seed: UInt64(count))
        let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        let expected = bytes.flatMap { [Self.digits[Int($0 >> 4)], Self.digits[Int($0 & 15)]] }
        var text = [UInt8](repeating: 0, count: count * 2 + 1)
        var back = [UInt8](repeating: 0, count: count + 1)
        bytes.withUnsafeBytes { bytes in
            text.withUnsafeMutableBytes { if let start = $0.baseAddress { HexText.unpack(bytes, to: start) } }
        }
        // What lies behind stays as it is.
        #expect(text == expected + [0])
        expected.withUnsafeBufferPointer { text in
            back.withUnsafeMutableBytes { if let start = $0.baseAddress { HexText.pack(text, to: start) } }
        }
        #expect(back == bytes + [0])
    }

    @Test("any other byte is no digit, wherever it stands", arguments: 0...255)
    func otherBytes(byte: Int) {
        let byte = UInt8(byte)
        for length in [2, 8, 10, 16, 40] {
            for place in 0..<length {
                var text = (0..<length).map { Self.digits[$0 % 16] }
                text[place] = byte
                #expect(text.withUnsafeBufferPointer(HexText.isHex) == Self.digits.contains(byte))
            }
        }
    }

    @Test func anOddLengthIsNoBytes() {
        #expect(![UInt8](repeating: 0x61, count: 9).withUnsafeBufferPointer(HexText.isHex))
        #expect([UInt8]().withUnsafeBufferPointer(HexText.isHex))
    }
}
