/// Texts that mean "nothing here" in whatever column they stand: `NULL`, `NaN`, `NA` (in any case), `\N` and `-`.
enum NullText {
    static var maximumLength: Int { 4 }

    @inline(__always)
    static func isNull(_ text: UnsafePointer<UInt8>, _ length: Int) -> Bool {
        mayBeNull(text, length) && isWord(text, length)
    }

    /// Whether length and first byte are those of such a text.
    @inline(__always)
    static func mayBeNull(_ text: UnsafePointer<UInt8>, _ length: Int) -> Bool {
        guard length > 0, length <= maximumLength else { return false }
        return text[0] | 0x20 == UInt8(ascii: "n") || text[0] == UInt8(ascii: "-") || text[0] == UInt8(ascii: "\\")
    }

    @inline(never)
    private static func isWord(_ text: UnsafePointer<UInt8>, _ length: Int) -> Bool {
        func matches(_ word: StaticString) -> Bool {
            for i in 0..<length where text[i] | 0x20 != word.utf8Start[i] { return false }
            return true
        }
        switch length {
        case 1: return text[0] == UInt8(ascii: "-")
        case 2: return matches("na") || (text[0] == UInt8(ascii: "\\") && text[1] == UInt8(ascii: "N"))
        case 3: return matches("nan")
        case 4: return matches("null")
        default: return false
        }
    }
}
