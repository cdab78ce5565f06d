import Problems
import Time
import Trips

/// A literal in the units of the column that it is compared with.
enum LiteralValue {
    case integer(Operand, Int64)
    case string(TripField, [UInt8])

    /// - Throws: `Problem` at the literal where its type, its decimal places or its form do not fit.
    init(_ token: Token, for operand: Operand, in reader: ExpressionReader) throws(Problem) {
        switch (operand, token.kind) {
        case (.field(let field), .string(let bytes)) where field.kind == .string:
            guard !bytes.isEmpty else {
                throw reader.problem(
                    "an empty text is a null, and no value equals null", at: token,
                    hint: "Write \"\(field.name) is null\" or \"\(field.name) is not null\".")
            }
            self = .string(field, bytes)
        case (.field(let field), .string(let bytes)) where field.kind == .timestamp:
            guard let seconds = Self.wallSeconds(bytes) else {
                throw reader.problem(
                    "expected a time, found \(token.description)", at: token, hint: "Write it as '2024-01-22 13:45:00'."
                )
            }
            self = .integer(operand, seconds)
        case (.day, .string(let bytes)):
            guard bytes.count == 10, let seconds = Self.wallSeconds(bytes) else {
                throw reader.problem(
                    "expected a day, found \(token.description)", at: token, hint: "Write it as '2024-01-22'.")
            }
            self = .integer(.day, seconds / 86_400)
        case (.field(let field), .number(let text)):
            switch field.kind {
            case .money: self = .integer(operand, try Self.scaled(text, 2, token, operand, in: reader))
            case .decimal: self = .integer(operand, try Self.scaled(text, 6, token, operand, in: reader))
            case .integer: self = .integer(operand, try Self.scaled(text, 0, token, operand, in: reader))
            case .string, .timestamp: throw Self.mismatch(token, field.name, field.kind.words, in: reader)
            }
        case (.hour, .number(let text)), (.hourOfWeek, .number(let text)):
            self = .integer(operand, try Self.scaled(text, 0, token, operand, in: reader))
        case (.field(let field), _): throw Self.mismatch(token, field.name, field.kind.words, in: reader)
        case (.day, _): throw Self.mismatch(token, operand.name, "a day", in: reader)
        case (.hour, _), (.hourOfWeek, _): throw Self.mismatch(token, operand.name, "a whole number", in: reader)
        }
    }

    private static func mismatch(_ token: Token, _ name: String, _ kind: String, in reader: ExpressionReader) -> Problem
    {
        var hint: String?
        switch (token.kind, kind) {
        case (.number(let text), FieldKind.string.words): hint = "Put text in single quotes: '\(text)'."
        case (.number, FieldKind.timestamp.words): hint = "Write it as '2024-01-22 13:45:00'."
        case (.number, "a day"): hint = "Write it as '2024-01-22'."
        case (.string, _): hint = "Write numbers without quotes."
        default: break
        }
        return reader.problem("\"\(name)\" is \(kind), \(token.description) is not", at: token, hint: hint)
    }

    /// A decimal number as an integer of `places` decimal places; further places have to be zeros.
    private static func scaled(
        _ text: String, _ places: Int, _ token: Token, _ operand: Operand, in reader: ExpressionReader
    ) throws(Problem) -> Int64 {
        let isNegative = text.hasPrefix("-")
        let parts = text.drop { $0 == "-" }.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, parts.contains(where: { !$0.isEmpty }) else {
            throw reader.problem("\"\(text)\" is not a number", at: token)
        }
        let decimals = parts.count == 2 ? parts[1] : ""
        guard decimals.dropFirst(places).allSatisfy({ $0 == "0" }) else {
            throw reader.problem(
                places == 0
                    ? "\"\(operand.name)\" is a whole number, \"\(text)\" is not"
                    : "\"\(text)\" has more than the \(places) decimal places of \"\(operand.name)\"", at: token)
        }
        let digits = parts[0] + decimals.prefix(places) + String(repeating: "0", count: max(0, places - decimals.count))
        guard let value = Int64(digits) else { throw reader.problem("\"\(text)\" is too large", at: token) }
        return isNegative ? -value : value
    }

    /// Seconds since 1970 on the wall clock of `2024-01-22`, optionally with ` 13:45` or ` 13:45:00` (or a "T" before it).
    static func wallSeconds(_ text: [UInt8]) -> Int64? {
        func number(_ from: Int, _ count: Int) -> Int? {
            guard from + count <= text.count else { return nil }
            return text[from..<from + count].reduce(0 as Int?) { value, byte in
                byte >= 48 && byte <= 57 ? value.map { $0 * 10 + Int(byte) - 48 } : nil
            }
        }
        func has(_ byte: Unicode.Scalar, at index: Int) -> Bool { text[index] == UInt8(ascii: byte) }
        guard [10, 16, 19].contains(text.count), has("-", at: 4), has("-", at: 7), let year = number(0, 4),
            let month = number(5, 2), let day = number(8, 2), (1...12).contains(month), day >= 1,
            day <= Calendar.days(in: month, of: year)
        else { return nil }
        var seconds = Int64(Calendar.day(year: year, month: month, day: day)) * 86_400
        if text.count > 10 {
            guard has(" ", at: 10) || has("T", at: 10), has(":", at: 13), let hour = number(11, 2), hour < 24,
                let minute = number(14, 2), minute < 60
            else { return nil }
            seconds += Int64(hour * 3600 + minute * 60)
        }
        if text.count > 16 {
            guard has(":", at: 16), let second = number(17, 2), second < 60 else { return nil }
            seconds += Int64(second)
        }
        return seconds
    }
}
