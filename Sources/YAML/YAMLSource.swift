internal import Synchronization
import Problems

/// The bytes of one YAML file and where its lines begin: what turns a place in it into a message a person can follow.
final class YAMLSource: Sendable {
    let file: String
    /// UTF-8, without a byte order mark.
    let bytes: [UInt8]
    /// Byte offset at which each line begins; never empty.
    let lineStarts: [Int]
    /// Byte offset of each 64th character: libyaml counts characters.
    private let marks: [Int]
    /// Which byte of the source a byte of a scalar's text was last found at.
    let lastPlace = Mutex<TextPlace?>(nil)

    struct TextPlace: Sendable {
        /// Where the scalar begins in the source.
        var start: Int
        var text: [UInt8]
        var index: Int
        var place: Int
    }

    private static let charactersPerMark = 64

    init(bytes: [UInt8], file: String) {
        let hasMark = bytes.starts(with: [0xEF, 0xBB, 0xBF])
        let bytes = hasMark ? Array(bytes.dropFirst(3)) : bytes
        (self.bytes, self.file, lineStarts) = (bytes, file, Self.findLines(bytes))
        var (marks, characters): ([Int], Int) = ([], 0)
        for (offset, byte) in bytes.enumerated() where byte & 0xC0 != 0x80 {
            if characters % Self.charactersPerMark == 0 { marks.append(offset) }
            characters += 1
        }
        self.marks = marks
    }

    /// A problem at a byte of the file, with its line.
    func problem(_ message: String, atByte offset: Int, hint: String? = nil) -> Problem {
        let location = location(ofByte: offset)
        let (line, column) = line(location.line, around: location.column)
        return Problem(
            .configuration, message, at: location, hint: hint, sourceLine: line, sourceColumn: column)
    }

    func location(ofByte offset: Int) -> InputLocation {
        let offset = max(0, min(offset, bytes.count))
        var (low, high) = (0, lineStarts.count - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if lineStarts[middle] <= offset { low = middle } else { high = middle - 1 }
        }
        return InputLocation(file: file, line: low + 1, column: offset - lineStarts[low] + 1)
    }

    /// The byte at which a character begins, counted from 0 over the whole file; the file's end for what lies behind it.
    ///
    /// - Complexity: O(1), however long the line.
    func offset(ofCharacter index: Int) -> Int {
        let (mark, rest) = index.quotientAndRemainder(dividingBy: Self.charactersPerMark)
        guard mark < marks.count else { return bytes.count }
        var (offset, left) = (marks[mark], rest)
        while left > 0, offset < bytes.count {
            offset += 1
            while offset < bytes.count, bytes[offset] & 0xC0 == 0x80 { offset += 1 }
            left -= 1
        }
        return offset
    }

    /// A line's text without its end, and where in it a column stands; of a long line the part around the column. Both count from 1.
    private func line(_ number: Int, around column: Int) -> (text: String, column: Int) {
        let start = lineStarts[number - 1]
        var end = number < lineStarts.count ? lineStarts[number] : bytes.count
        while end > start, bytes[end - 1] == UInt8(ascii: "\n") || bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        return shownLine(bytes[start..<end], around: column)
    }

    /// Lines end as libyaml's do, or its marks would name others: LF, CR, CRLF, NEL, LS and PS.
    private static func findLines(_ bytes: [UInt8]) -> [Int] {
        var starts = [0]
        for (index, byte) in bytes.enumerated() {
            let ends =
                switch byte {
                case 0x0A: true
                case 0x0D: !(index + 1 < bytes.count && bytes[index + 1] == 0x0A)
                case 0x85: index >= 1 && bytes[index - 1] == 0xC2
                case 0xA8, 0xA9: index >= 2 && bytes[index - 1] == 0x80 && bytes[index - 2] == 0xE2
                default: false
                }
            if ends { starts.append(index + 1) }
        }
        return starts
    }
}
