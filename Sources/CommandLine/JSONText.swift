internal import Basics

/// Values as JSON has them.
enum JSONText {
    /// A text in quotes, which no terminal takes for a command.
    static func string(_ text: String) -> String { jsonString(text) { $0 == "\u{7F}" } }

    /// A number, or `null` for what JSON has no number for (infinity, NaN).
    static func number(_ value: Double) -> String {
        guard value.isFinite else { return "null" }
        if value == value.rounded(), abs(value) < 0x1p53 { return "\(Int64(value))" }
        return "\(value)"
    }
}
