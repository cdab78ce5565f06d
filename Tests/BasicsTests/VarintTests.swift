import Basics
import Testing

@Suite struct VarintTests {
    @Test(
        arguments: [
            (0, [0]), (1, [1]), (127, [0x7f]), (128, [0x80, 1]), (300, [0xac, 2]),
            (UInt64.max >> 1, [255, 255, 255, 255, 255, 255, 255, 255, 127]),
            (UInt64.max, [255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
        ] as [(UInt64, [UInt8])])
    func writesSevenBitsAByte(_ number: UInt64, _ bytes: [UInt8]) {
        var appended: [UInt8] = []
        Varint.append(number, to: &appended)
        #expect(appended == bytes)
        let written = [UInt8](unsafeUninitializedCapacity: Varint.maximumLength) { buffer, count in
            count = Varint.write(number, to: buffer.baseAddress!) - buffer.baseAddress!
        }
        #expect(written == bytes)
        #expect(read(bytes) == number)
    }

    @Test func signedNumbersAreZigzag() {
        #expect([0, -1, 1, -2, 2].map(Varint.zigzag) == [0, 1, 2, 3, 4])
        var random = SplitMix64(seed: 7)
        for number in [Int64.min, .max, -1, 0] + (0..<200).map({ _ in Int64.random(in: .min ... .max, using: &random) })
        {
            #expect(Varint.signed(Varint.zigzag(number)) == number)
            var bytes: [UInt8] = []
            Varint.append(signed: number, to: &bytes)
            #expect(read(bytes).map(Varint.signed) == number)
        }
    }

    @Test func moreThan64BitsAreNoNumber() {
        #expect(read([UInt8](repeating: 255, count: 9) + [2]) == nil)
        #expect(read([UInt8](repeating: 0x80, count: 10) + [0]) == nil)
        #expect(read([0x80, 0x80, 0]) == 0, "needless zeros are allowed")
    }

    @Test func whatGivesTheBytesMayFail() {
        struct Ended: Error {}
        #expect(throws: Ended.self) { try Varint.read { () throws(Ended) in throw Ended() } }
    }

    private func read(_ bytes: [UInt8]) -> UInt64? {
        var rest = bytes[...]
        return Varint.read { rest.removeFirst() }
    }
}
