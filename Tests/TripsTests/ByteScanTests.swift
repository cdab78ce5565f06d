import CByteScan
import Testing

/// The scanner of delimited text against one that looks at one byte after the other.
struct ByteScanTests {
    struct Found: Equatable {
        var separators: [UInt32] = []
        var rowEnds: [UInt32] = []
        var isASCII = true
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
            isASCII: result.non_ascii == 0)
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
        var random = SeededNumbers(seed: UInt64(seed))
        // From dense, where each byte is a separator, to rows as trip files have them.
        let alphabet: [UInt8] = Array(["a,\n\"", ",", ",,,,\n", "abcdefghijklmnop,\n\""][seed % 4].utf8)
        for length in [0, 1, 5, 63, 64, 65, 127, 128, 200, 1000, Int.random(in: 0..<5000, using: &random)] {
            var text = (0..<length).map { _ in alphabet.randomElement(using: &random)! }
            let limit = Int.random(in: 1...(length + 1), using: &random)
            #expect(found(in: text, limit: limit, portably: portably) == expected(in: text, limit: limit))
            guard length > 0, limit > length else { continue }
            text[Int.random(in: 0..<length, using: &random)] = 0xC3
            #expect(!found(in: text, limit: limit, portably: portably).isASCII)
        }
    }
}
