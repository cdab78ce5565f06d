/// A field of CSV (RFC 4180): in quotes where it holds a comma, a quote or a line break, and with `'` in front where a spreadsheet would
/// take it for a formula.
///
/// A text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return is computed by the spreadsheet that opens it, and a company may be
/// called anything; numbers stay numbers. Source: OWASP, "CSV Injection".
///
/// - Parameter guarded: false for a reader that is no spreadsheet, and is to have the text as it is.
public func csvField(_ text: String, guarded: Bool = true) -> String {
    let text = guarded && isFormula(text) ? "'" + text : text
    guard text.utf8.contains(where: { $0 == 0x22 || $0 == 0x2C || $0 == 0x0A || $0 == 0x0D }) else { return text }
    // By bytes: a quote with an accent on it is another character, and a quote all the same.
    var field: [UInt8] = [0x22]
    for byte in text.utf8 {
        if byte == 0x22 { field.append(byte) }
        field.append(byte)
    }
    return String(decoding: field + [0x22], as: UTF8.self)
}

/// Whether a spreadsheet may compute a text: a sign alone says nothing, and a number is one.
private func isFormula(_ text: String) -> Bool {
    guard let first = text.utf8.first, "=+-@\t\r".utf8.contains(first), text.utf8.count > 1 else { return false }
    return !text.utf8.allSatisfy { "+-.0123456789eE".utf8.contains($0) } || Double(text) == nil
}
