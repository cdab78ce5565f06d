/// A text in the quotes of JSON: quotes, backslashes and control characters become escapes.
///
/// - Parameter escaping: which other characters of the first 65,536 become escapes too.
public func jsonString(_ text: String, escaping: (Unicode.Scalar) -> Bool = { _ in false }) -> String {
    var output = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": output += "\\\""
        case "\\": output += "\\\\"
        case "\n": output += "\\n"
        case "\r": output += "\\r"
        case "\t": output += "\\t"
        case _ where scalar < " " || escaping(scalar): output += "\\u" + hexadecimal(scalar.value, digits: 4)
        default: output.unicodeScalars.append(scalar)
        }
    }
    return output + "\""
}

/// Digits of base 16, in lower case: at least so many.
public func hexadecimal(_ value: some UnsignedInteger, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
}

/// Bytes for a URL (RFC 3986): `%` and two digits but for letters, digits, `-._~` and the characters of `keeping`.
public func percentEncoded(_ bytes: some Sequence<UInt8>, keeping: String = "") -> String {
    var text = ""
    for byte in bytes {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            text.unicodeScalars.append(Unicode.Scalar(byte))
        case _ where keeping.utf8.contains(byte): text.unicodeScalars.append(Unicode.Scalar(byte))
        default: text += "%" + hexadecimal(byte, digits: 2).uppercased()
        }
    }
    return text
}

/// How SQL writes names and texts, of SQLite, PostgreSQL and DuckDB alike.
public enum SQLText {
    /// A name in double quotes, so that letter case and words of SQL stay what they are.
    public static func name(_ name: String) -> String { quoted(name, "\"") }

    /// A text in single quotes.
    public static func literal(_ text: String) -> String { quoted(text, "'") }

    private static func quoted(_ text: String, _ quote: Unicode.Scalar) -> String {
        // By scalars: a quote with an accent on it is another character, and a quote all the same.
        var output = String.UnicodeScalarView([quote])
        for scalar in text.unicodeScalars {
            if scalar == quote { output.append(quote) }
            output.append(scalar)
        }
        output.append(quote)
        return String(output)
    }
}
