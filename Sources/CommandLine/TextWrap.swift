/// Breaks `text` at blanks into lines of at most `width` columns; a longer word stands alone. Line breaks of the text stay.
func wrapped(_ text: String, width: Int) -> [String] {
    text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { paragraph in
        var lines: [String] = []
        var line = ""
        for word in paragraph.split(separator: " ") {
            if line.isEmpty {
                line = String(word)
            } else if displayWidth(of: line) + 1 + displayWidth(of: word) <= width {
                line += " " + word
            } else {
                lines.append(line)
                line = String(word)
            }
        }
        return lines + [line]
    }
}

/// `wrapped`, as one text whose lines are all indented.
func indented(_ text: String, by indent: Int, width: Int) -> String {
    let margin = String(repeating: " ", count: indent)
    return wrapped(text, width: max(20, width - indent)).map { $0.isEmpty ? "" : margin + $0 }.joined(separator: "\n")
}

/// A sentence from a summary: its first letter in upper case, and a period.
func sentence(_ text: String) -> String {
    guard let first = text.first else { return "" }
    return first.uppercased() + text.dropFirst() + (text.hasSuffix(".") || text.hasSuffix("?") ? "" : ".")
}
