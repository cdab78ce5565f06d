internal import Problems

/// Text that is one line and cannot act upon a terminal: line breaks and tabs become blanks, other control characters their pictures, and
/// what has none an escape.
public func printable(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy { byte in (0x20...0x7E).contains(byte) }
    if isPlain { return text }
    var output = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        switch scalar.value {
        case 0x09, 0x0A, 0x0D: output.append(" ")
        case 0..<0x20: output.append(Unicode.Scalar(0x2400 + scalar.value)!)
        case 0x7F: output.append("\u{2421}")
        default: output.append(scalar)
        }
    }
    return visible(String(output))
}
