import Basics
import CByteScan
import Testing

/// The scanner of delimited text against one that looks at one byte after the other.
struct ByteScanTests {
    struct Found: Equatable {
        var separators: [UInt32] = []
        var rowEnds: [UInt32] = []
        var isPlain = true
    }

    private static let comma = UInt8(ascii: ",")
    private static let lineFeed = UInt8(ascii: "\n")

    private func found(in text: [UInt8], limit: Int, portably: Bool) -> Found {
        var separators = [UInt32](repeating: 0, count: text.count + 1)
        var rowEnds = [UInt32](repeating: 0, count: limit)
        // What lies beyond the room that the scanner may use must stay as it is.
        separators[text.count] = 0xABCD
        let result =
            portably
            ? taxi_scan_portable(text, text.count, Self.comma, Self.lineFeed, &separators, 7, &rowEnds, limit)
            : taxi_scan(text, text.count, Self.comma, Self.lineFeed, &separators, 7, &rowEnds, limit)
        #expect(separators[text.count] == 0xABCD)
        return Found(
            separators: Array(separators.prefix(result.separators)), rowEnds: Array(rowEnds.prefix(result.rows)),
            isPlain: result.special == 0)
    }

    private func hidesLines(_ text: [UInt8], portably: Bool) -> Bool {
        var (separators, rowEnds) = (
            [UInt32](repeating: 0, count: text.count), [UInt32](repeating: 0, count: text.count)
        )
        let scan = portably ? taxi_scan_portable : taxi_scan
        return scan(text, text.count, Self.comma, Self.lineFeed, &separators, 0, &rowEnds, text.count + 1).hidden_lines
            != 0
    }

    private func holdsQuotedLine(_ text: [UInt8]) -> Bool {
        var isQuoted = false
        for byte in text {
            if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
            if isQuoted, byte == Self.lineFeed { return true }
        }
        return false
    }

    private func expected(in text: [UInt8], limit: Int) -> Found {
        var found = Found()
        var isQuoted = false
        for (place, byte) in text.enumerated() {
            if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
            guard !isQuoted, byte == Self.comma || byte == Self.lineFeed else { continue }
            found.separators.append(UInt32(place))
            guard byte == Self.lineFeed else { continue }
            found.rowEnds.append(7 + UInt32(found.separators.count) - 1)
            if found.rowEnds.count == limit { break }
        }
        return found
    }

    @Test("finds what a plain scan finds", arguments: [false, true], 0..<40)
    func agrees(portably: Bool, seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        // From dense, where each byte is a separator, to rows as trip files have them.
        let alphabet: [UInt8] = Array(["a,\n\"", ",", ",,,,\n", "abcdefghijklmnop,\n\""][seed % 4].utf8)
        for length in [0, 1, 5, 63, 64, 65, 127, 128, 200, 1000, Int.random(in: 0..<5000, using: &random)] {
            var text = (0..<length).map { _ in alphabet.randomElement(using: &random)! }
            let limit = Int.random(in: 1...(length + 1), using: &random)
            #expect(found(in: text, limit: limit, portably: portably) == expected(in: text, limit: limit))
            guard length > 0, limit > length else { continue }
            #expect(hidesLines(text, portably: portably) == holdsQuotedLine(text))
            text[Int.random(in: 0..<length, using: &random)] = [0, 0x80, 0xC3, 0xFF].randomElement(using: &random)!
            #expect(!found(in: text, limit: limit, portably: portably).isPlain)
        }
    }
}
