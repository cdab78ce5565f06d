internal import Basics
internal import Problems
public import SQLite

/// Rows as a view gave them: the numbers of a chart.
public struct ReportTable: Sendable, Equatable {
    /// How a column's values are written for people; `any` where nothing is known of them.
    public enum Kind: Sendable { case text, count, number, money, share, flag, any }

    public struct Column: Sendable, Equatable {
        public var name: String
        public var kind: Kind
        init(_ name: String, _ kind: Kind) { (self.name, self.kind) = (name, kind) }
    }

    public var columns: [Column]
    /// As long as `columns` each.
    public var rows: [[SQLValue]]

    /// The values of a column; nil where a row has no number there.
    func numbers(_ name: String) -> [Double?] {
        guard let index = columns.firstIndex(where: { $0.name == name }) else { return rows.map { _ in nil } }
        return rows.map { $0[index].real }
    }

    func texts(_ name: String) -> [String] {
        guard let index = columns.firstIndex(where: { $0.name == name }) else { return rows.map { _ in "" } }
        return rows.map { Self.plain($0[index], .text) }
    }
}

extension ReportTable {
    /// A value for programs, as CSV has it: money with two decimals, everything else as the view gives it; empty for null.
    static func plain(_ value: SQLValue, _ kind: Kind) -> String {
        switch value {
        case .null: return ""
        case .integer(let number): return kind == .money ? "\(number).00" : "\(number)"
        case .text(let text): return text
        case .blob(let bytes): return "\(bytes.count) bytes"
        case .real(let number):
            if kind == .money { return fixed(number, decimals: 2) }
            let text = "\(number)"
            return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
        }
    }

    /// A value for people: digits in threes, shares in percent, yes or nothing.
    static func shown(_ value: SQLValue, _ kind: Kind) -> String {
        switch kind {
        case .text, .any: return plain(value, kind)
        case .count, .money: return grouped(plain(value, kind))
        case .number: return value.real.map { fixed($0, decimals: 2) } ?? plain(value, kind)
        case .share: return value.real.map { fixed($0 * 100, decimals: 1) + "%" } ?? ""
        case .flag: return value.integer == 0 ? "" : "yes"
        }
    }

    /// RFC 4180, with a heading; see `csvField`.
    public var csv: String {
        var text = columns.map(\.name).joined(separator: ",") + "\r\n"
        for row in rows {
            text += zip(row, columns).map { csvField(Self.plain($0, $1.kind)) }.joined(separator: ",") + "\r\n"
        }
        return text
    }

    /// An array of objects, one a row.
    var json: String {
        "["
            + rows.map { row in
                "{"
                    + zip(row, columns).map { value, column in
                        jsonText(column.name) + ":" + Self.json(value, column.kind)
                    }.joined(separator: ",") + "}"
            }.joined(separator: ",\n") + "]"
    }

    private static func json(_ value: SQLValue, _ kind: Kind) -> String {
        switch value {
        case .null: "null"
        case .integer, .real: kind == .flag ? (value.integer == 0 ? "false" : "true") : plain(value, kind)
        case .text, .blob: jsonText(plain(value, kind))
        }
    }
}

/// A text in the quotes of JSON, such as may stand in a page or a script too: without `<`, control characters and the line ends of Unicode.
func jsonText(_ text: String) -> String {
    jsonString(text) { scalar in
        switch scalar {
        case "<", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}": true
        default: false
        }
    }
}
