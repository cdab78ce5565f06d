/// Columns that `text` takes on a terminal: wide East Asian characters and emoji take two, combining marks none.
///
/// Complexity: O(n); for ASCII a count of bytes.
/// Source: Unicode Standard Annex #11, "East Asian Width" (the blocks that are wide throughout).
public func displayWidth(of text: some StringProtocol) -> Int {
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
    return text.reduce(0) { $0 + columns(of: $1) }
}

/// `text` cut to at most `width` columns, the last of them `…` where something was cut.
public func truncated(_ text: String, toWidth width: Int) -> String {
    guard displayWidth(of: text) > width else { return text }
    guard width > 0 else { return "" }
    var kept = ""
    var used = 0
    for character in text {
        let next = columns(of: character)
        if used + next > width - 1 { break }
        kept.append(character)
        used += next
    }
    return kept + "…"
}

/// `text` with blanks up to `width` columns.
func pad(_ text: String, toWidth width: Int, alignment: Alignment = .left) -> String {
    let blanks = String(repeating: " ", count: max(0, width - displayWidth(of: text)))
    return alignment == .left ? text + blanks : blanks + text
}

private func columns(of character: Character) -> Int {
    guard let scalar = character.unicodeScalars.first else { return 0 }
    if character.unicodeScalars.contains("\u{FE0F}") { return 2 }
    switch scalar.value {
    case 0x300...0x36F, 0x200B...0x200F, 0x20D0...0x20FF, 0xFE00...0xFE0F: return 0
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF,
        0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1F9FF,
        0x20000...0x3FFFD:
        return 2
    default: return 1
    }
}
