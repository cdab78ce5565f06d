import Basics

/// Where the text of a column stands.
public enum Alignment: Sendable { case left, right }

/// A column of a table; its name is the key in JSON and the heading in CSV and on the terminal.
public struct Column: Sendable {
    public var name: String
    public var alignment: Alignment
    /// Whether what tells its cells apart stands at their ends, so that they are cut at their beginnings: ids that begin with the year.
    public var keepsEnd: Bool
    /// Whether the column is left out where the terminal is too narrow for all: others say nearly as much.
    public var mayBeLeftOut: Bool
    public init(_ name: String, _ alignment: Alignment = .left, keepsEnd: Bool = false, mayBeLeftOut: Bool = false) {
        (self.name, self.alignment, self.keepsEnd, self.mayBeLeftOut) = (name, alignment, keepsEnd, mayBeLeftOut)
    }
}

/// Rows of values that a command shows; one renderer writes them as a table, JSON, JSON lines or CSV.
public struct Table: Sendable {
    public enum Value: Sendable, Hashable {
        case null
        case integer(Int64)
        /// A number of things: with thousands separators on a terminal.
        case count(Int64)
        /// Rounded to that many decimals on a terminal, whole in JSON and CSV.
        case real(Double, decimals: Int)
        case text(String)
        case bool(Bool)
        /// Money: `1,234.50` on a terminal, `1234.50` in JSON and CSV.
        case cents(Int64)
        /// A fraction: `12.3%` on a terminal, `0.123` in JSON and CSV.
        case share(Double)
        /// Bytes: `1.5 GiB` on a terminal, the number in JSON and CSV.
        case bytes(Int64)
        /// A length of time: `1m30s` on a terminal, milliseconds in JSON and CSV.
        case milliseconds(Int64)
        /// JSON as it stands, written into JSON unchanged and elsewhere as text.
        case json(String)
    }

    public var columns: [Column]
    /// As long as `columns` each.
    public var rows: [[Value]]

    public init(columns: [Column], rows: [[Value]] = []) { (self.columns, self.rows) = (columns, rows) }

    public mutating func removeColumn(at index: Int) {
        columns.remove(at: index)
        for row in rows.indices { rows[row].remove(at: index) }
    }
}

extension Table.Value: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    public init(stringLiteral value: String) { self = .text(value) }
    public static func optional(_ text: String?) -> Table.Value { text.map { .text($0) } ?? .null }
    public static func optional(_ number: Int64?) -> Table.Value { number.map { .integer($0) } ?? .null }

    /// For people; empty for null.
    public func shown() -> String {
        switch self {
        case .null: ""
        case .integer(let value): "\(value)"
        case .count(let value): grouped(value)
        case .real(let value, let decimals): fixed(value, decimals: decimals)
        case .text(let text), .json(let text): printable(text)
        case .bool(let value): value ? "yes" : "no"
        case .cents(let value): dollars(value, separator: ",")
        case .share(let value): fixed(value * 100, decimals: 1) + "%"
        case .bytes(let value): byteText(value)
        case .milliseconds(let value): roundedDurationText(ms: value)
        }
    }

    /// For programs: a JSON value.
    func appendJSON(to output: inout String) {
        switch self {
        case .null: output += "null"
        case .text(let text): output += JSONText.string(text)
        case .bool(let value): output += value ? "true" : "false"
        case .real(let value, _), .share(let value): output += JSONText.number(value)
        default: output += plain()
        }
    }

    /// For programs, without quotes: CSV.
    public func plain() -> String {
        switch self {
        case .null: ""
        case .integer(let value), .count(let value), .bytes(let value), .milliseconds(let value): "\(value)"
        case .real(let value, _), .share(let value): value.isFinite ? JSONText.number(value) : ""
        case .text(let text), .json(let text): text
        case .bool(let value): value ? "true" : "false"
        case .cents(let value): dollars(value, separator: "")
        }
    }
}
