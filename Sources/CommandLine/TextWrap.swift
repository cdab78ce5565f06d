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

/// A line of a page, broken at blanks where it is wider than the terminal; what goes on stands under its first value, behind the label.
///
/// - Parameter width: columns of the terminal; nil for no limit.
public func brokenLine(_ line: String, width: Int?) -> [String] {
    guard let width, displayWidth(of: line) > width else { return [line] }
    let margin = String(line.prefix { $0 == " " })
    let rest = line.dropFirst(margin.count)
    // A label ends where two blanks or more stand.
    let label = rest.firstRange(of: "  ").map { gap in
        rest[..<gap.lowerBound] + rest[gap.lowerBound...].prefix { $0 == " " }
    }
    let first = margin + (label ?? (rest.hasPrefix("- ") ? "- " : ""))
    let indent = displayWidth(of: first)
    guard indent < width / 2 else { return [line] }
    // A number stays with its sign.
    let text = line.dropFirst(first.count).replacing(" %", with: "\u{A0}%")
    let lines = wrapped(String(text), width: width - indent).map { $0.replacing("\u{A0}%", with: " %") }
    return lines.enumerated().map { $0 == 0 ? first + $1 : String(repeating: " ", count: indent) + $1 }
}

/// A sentence from a summary: its first letter in upper case, and a period.
func sentence(_ text: String) -> String {
    guard let first = text.first else { return "" }
    return first.uppercased() + text.dropFirst() + (text.hasSuffix(".") || text.hasSuffix("?") ? "" : ".")
}
