import Testing

@testable import Trips

@Suite struct JSONLinesTests {
    private func split(_ text: [UInt8], blockSize: Int) -> [String] {
        var lines = JSONLines()
        var pending: [UInt8] = []
        var found: [String] = []
        var at = 0
        repeat {
            let next = min(at + blockSize, text.count)
            pending += text[at..<next]
            at = next
            var slices: [RecordSlice] = []
            let used = pending.withUnsafeBufferPointer { lines.split($0, isLast: at == text.count, into: &slices) }
            found += slices.map {
                "\($0.position):\(String(decoding: pending[$0.offset..<$0.offset + $0.length], as: UTF8.self))"
            }
            pending.removeFirst(used)
        } while at < text.count
        #expect(pending.isEmpty)
        return found
    }

    @Test(arguments: [
        ("{\"a\":1}\n{\"b\":2}\n", ["1:{\"a\":1}", "2:{\"b\":2}"]),
        ("{\"a\":1}\r\n{\"b\":2}", ["1:{\"a\":1}", "2:{\"b\":2}"]),
        ("\n\n{\"a\":1}\n \t\r\n{\"b\":2}\n\n", ["3:{\"a\":1}", "5:{\"b\":2}"]),
        ("\u{feff}{\"a\":1}\n", ["1:{\"a\":1}"]),
        ("", []), ("\n", []), ("x", ["1:x"]), ("\u{feff}", []),
    ])
    func cutsLines(text: String, expected: [String]) {
        for size in [1, 2, 3, 7, 8, 9, 64] { #expect(split(Array(text.utf8), blockSize: size) == expected) }
    }

    @Test func countsOffsetsFromTheOriginAndStopsAtTheLimit() {
        var lines = JSONLines()
        var slices: [RecordSlice] = []
        let text = Array("aa\nbb\ncc\n".utf8)
        let used = text.withUnsafeBufferPointer { lines.split($0, origin: 100, isLast: true, limit: 2, into: &slices) }
        #expect(used == 6)
        #expect(
            slices == [
                RecordSlice(offset: 100, length: 2, position: 1), RecordSlice(offset: 103, length: 2, position: 2),
            ])
        #expect(lines.line == 3)
    }
}
