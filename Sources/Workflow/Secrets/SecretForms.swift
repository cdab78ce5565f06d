internal import Foundation

/// What is looked for to keep a secret out of logs: the whole of it, each of its lines, and what base64 makes of these.
///
/// Escapes and quotes are undone by the views of `SecretStream`, and need no patterns of their own but for one without quotes.
enum SecretForms {
    /// Of fewer bytes neither a line nor another form is looked for: it would stand in half of all texts.
    static let leastBytes = 4
    /// A longer secret, such as a bundle of certificates, is looked for line by line in base64.
    private static let wholeBase64LimitBytes = 16 << 10

    static func patterns(of secrets: [String]) -> Set<[UInt8]> {
        var patterns: Set<[UInt8]> = []
        for secret in secrets {
            let whole = Array(secret.utf8)
            patterns.insert(whole)
            guard whole.count >= leastBytes else { continue }
            let lines = whole.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }).map { Array(trimmed($0)) }
            // A shell joins lines by blanks where a variable stands without quotes; a view of a stream has no line breaks.
            let joined = [Array(lines.joined(separator: [0x20])), Array(lines.joined())]
            var texts = lines + joined
            texts += (texts + [whole]).map { $0.filter { !isQuote($0) } }
            patterns.formUnion(texts.filter { $0.count >= leastBytes })
            let encoded = lines + (whole.count <= wholeBase64LimitBytes ? [whole] : [])
            for text in encoded where text.count >= leastBytes { patterns.formUnion(base64(text)) }
        }
        return patterns.filter { !$0.isEmpty }
    }

    /// What shells, CSV, SQL and JSON put before and around characters.
    static func isQuote(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var line = line.drop { $0 == 0x20 || $0 == 0x09 }
        while let last = line.last, last == 0x20 || last == 0x09 { line.removeLast() }
        return line
    }

    /// The digits that stand for the bytes and nothing else, wherever among others they begin, in both alphabets.
    private static func base64(_ bytes: [UInt8]) -> Set<[UInt8]> {
        var patterns: Set<[UInt8]> = []
        for before in 0..<3 {
            let text = Array(Data([UInt8](repeating: 0, count: before) + bytes).base64EncodedString().utf8)
            // A digit is six bits: those that are shared with a neighbour are not known.
            let digits = Array(text[[0, 2, 3][before]..<((before + bytes.count) * 8 / 6)])
            patterns.insert(digits)
            patterns.insert(
                digits.map { digit in
                    switch digit {
                    case UInt8(ascii: "+"): UInt8(ascii: "-")
                    case UInt8(ascii: "/"): UInt8(ascii: "_")
                    default: digit
                    }
                })
        }
        return patterns
    }
}
