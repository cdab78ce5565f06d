internal import Synchronization

// Where a byte of a scalar's text is written: the text and the source are walked side by side.

extension YAMLNode {
    /// The byte of the source that byte `offset` of the scalar's text comes from.
    ///
    /// A run of blanks and line ends in one stands for a run in the other (folding, indentation); what else differs is an
    /// escape. Where the two cannot be matched the answer is the last place at which they could.
    func sourceByte(ofText offset: Int) -> Int {
        guard case .scalar(let text) = content else { return range.lowerBound }
        return source.lastPlace.withLock { last in
            // Mistakes of one text come one behind the other: each begins where the last one was.
            let isBehind = last.map { $0.start == range.lowerBound && $0.index <= offset } ?? false
            var walk = Walk(
                text: isBehind ? last?.text ?? [] : Array(text.utf8), source: source.bytes, style: style,
                place: range.lowerBound, end: range.upperBound)
            if isBehind, let last {
                (walk.index, walk.place) = (last.index, last.place)
            } else {
                walk.skipOpening()
            }
            var known = (walk.index, walk.place)
            while walk.index < offset, walk.step() {
                if walk.index <= offset { known = (walk.index, walk.place) }
            }
            last = .init(start: range.lowerBound, text: walk.text, index: known.0, place: known.1)
            if walk.index == offset, offset < walk.text.count { walk.skipLayout() }
            return walk.place
        }
    }

    private struct Walk {
        let text: [UInt8]
        let source: [UInt8]
        let style: Style
        var index = 0
        var place: Int
        let end: Int

        init(text: [UInt8], source: [UInt8], style: Style, place: Int, end: Int) {
            (self.text, self.source, self.style, self.place, self.end) = (text, source, style, place, end)
        }

        mutating func skipOpening() {
            switch style {
            case .plain: break
            case .singleQuoted, .doubleQuoted: place += 1
            case .block: while place < end, source[place] != UInt8(ascii: "\n") { place += 1 }
            }
        }

        /// Blanks that the source has and the text has not: indentation and folded lines.
        mutating func skipLayout() {
            if Self.isBlank(text[index]) { return }
            while place < end, Self.isBlank(source[place]) { place += 1 }
        }

        /// Goes past one character of the text, or one run of blanks; false where the two part.
        mutating func step() -> Bool {
            guard index < text.count, place < end else { return false }
            if style == .doubleQuoted, source[place] == UInt8(ascii: "\\") { return stepOverEscape() }
            if Self.isBlank(text[index]) {
                while index < text.count, Self.isBlank(text[index]) { index += 1 }
                while place < end, Self.isBlank(source[place]) { place += 1 }
                return true
            }
            skipLayout()
            guard place < end, source[place] == text[index] else { return false }
            place += style == .singleQuoted && text[index] == UInt8(ascii: "'") ? 2 : 1
            index += 1
            return true
        }

        /// `\n` and its like are two bytes for one, `\xNN`, `\uNNNN` and `\UNNNNNNNN` spell a character by its number,
        /// and a backslash at the end of a line stands for nothing.
        private mutating func stepOverEscape() -> Bool {
            guard place + 1 < end else { return false }
            switch source[place + 1] {
            case 0x0A, 0x0D:
                place += 2
                return true
            case UInt8(ascii: "x"): place += 4
            case UInt8(ascii: "u"): place += 6
            case UInt8(ascii: "U"): place += 10
            default: place += 2
            }
            index += 1
            while index < text.count, text[index] & 0xC0 == 0x80 { index += 1 }
            return true
        }

        private static func isBlank(_ byte: UInt8) -> Bool {
            byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
        }
    }
}
