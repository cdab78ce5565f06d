import Problems

/// The bytes of one YAML file and where its lines begin: what turns a place in it into a message a person can follow.
final class YAMLSource: Sendable {
    let file: String
    /// UTF-8, without a byte order mark.
    let bytes: [UInt8]
    /// Byte offset at which each line begins; never empty.
    let lineStarts: [Int]

    init(bytes: [UInt8], file: String) {
        let hasMark = bytes.starts(with: [0xEF, 0xBB, 0xBF])
        let bytes = hasMark ? Array(bytes.dropFirst(3)) : bytes
        (self.bytes, self.file, lineStarts) = (bytes, file, Self.findLines(bytes))
    }

    /// A problem at a byte of the file, with its line.
    func problem(_ message: String, atByte offset: Int, hint: String? = nil) -> Problem {
        let location = location(ofByte: offset)
        return Problem(
            .configuration, message, at: location, hint: hint, sourceLine: line(location.line))
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

    /// The byte that a mark of libyaml stands on: its line and column count from 0, the column in characters.
    func offset(line: Int, column: Int) -> Int {
        guard line < lineStarts.count else { return bytes.count }
        var offset = lineStarts[line]
        var left = column
        while left > 0, offset < bytes.count {
            offset += 1
            while offset < bytes.count, bytes[offset] & 0xC0 == 0x80 { offset += 1 }
            left -= 1
        }
        return offset
    }

    /// A line's text without its end; lines count from 1.
    private func line(_ number: Int) -> String {
        let start = lineStarts[number - 1]
        var end = number < lineStarts.count ? lineStarts[number] : bytes.count
        while end > start, bytes[end - 1] == UInt8(ascii: "\n") || bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        return String(decoding: bytes[start..<end], as: UTF8.self)
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
