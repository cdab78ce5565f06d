import Problems
import Time
import Trips
import YAML

/// Reads a `where`, whose comparisons `ConditionParser` joins:
///
///     comparison = name ("=" | "!=" | "<>" | "<" | "<=" | ">" | ">=") value | name ["not"] "in" "(" value {"," value} ")"
///                | name ["not"] "between" value "and" value | name "is" ["not"] "null"
///
/// Keywords in any letter case. A value is a number or text in single quotes, and has to fit the column.
struct PredicateParser: ConditionParser {
    var reader: ExpressionReader
    var depth = 0

    private static let operands: [(String, Operand)] =
        ExpressionReader.columns.map { ($0.0, .field($0.1)) }
        + [Operand.day, .hour, .hourOfWeek].map { ($0.name, $0) }

    /// - Throws: `Problem` with the place inside the text; with `others` where there are several.
    static func parse(_ node: YAMLNode) throws(Problem) -> Predicate {
        var parser = PredicateParser(reader: try ExpressionReader(node))
        return try parser.parse(node)
    }

    private init(reader: ExpressionReader) { self.reader = reader }

    mutating func comparison() throws(Problem) -> Predicate? {
        let token = reader.current
        guard case .word(let name) = token.kind else {
            throw reader.expected("a column", hint: "A comparison begins with its column: fare >= 5.00.")
        }
        _ = reader.advance()
        let operand = reader.known(token, name, among: Self.operands, as: "column")
        if reader.take("is") {
            let negated = reader.take("not")
            guard reader.take("null") else { throw reader.expected("\"null\"") }
            return operand.map { negated ? .isNotNull($0) : .isNull($0) }
        }
        if reader.take("not") {
            guard reader.isAt("in") || reader.isAt("between") else { throw reader.expected("\"in\" or \"between\"") }
            return try membership(of: operand).map { .not($0) }
        }
        if reader.isAt("in") || reader.isAt("between") { return try membership(of: operand) }
        let comparison = try reader.comparison(or: "in (…), between … and …, ")
        return try value(for: operand).map { Self.compare($0, comparison) }
    }

    private mutating func membership(of operand: Operand?) throws(Problem) -> Predicate? {
        if reader.take("between") {
            let low = try value(for: operand)
            guard reader.take("and") else { throw reader.expected("\"and\" and the upper bound") }
            let high = try value(for: operand)
            guard let low, let high else { return nil }
            return .and([Self.compare(low, .greaterOrEqual), Self.compare(high, .lessOrEqual)])
        }
        _ = reader.advance()  // "in"
        try reader.expectSymbol("(")
        var values: [LiteralValue?] = []
        repeat { values.append(try value(for: operand)) } while reader.takeSymbol(",")
        guard reader.takeSymbol(")") else { throw reader.expected("\",\" or \")\"") }
        var (integers, strings): (Set<Int64>, Set<[UInt8]>) = ([], [])
        for value in values {
            switch value {
            case .integer(_, let value): integers.insert(value)
            case .string(_, let bytes): strings.insert(bytes)
            case nil: return nil
            }
        }
        guard case .field(let field) = operand, field.kind == .string else {
            return operand.map { .inIntegers($0, integers.sorted()) }
        }
        return .inStrings(field, strings.sorted { $0.lexicographicallyPrecedes($1) })
    }

    // MARK: values

    private static func compare(_ value: LiteralValue, _ comparison: Comparison) -> Predicate {
        switch value {
        case .integer(let operand, let value): .compareInteger(operand, comparison, value)
        case .string(let field, let bytes): .compareString(field, comparison, bytes)
        }
    }

    /// Reads a literal as its column wants it; nil where it does not fit, or the column is unknown, with the problem noted.
    private mutating func value(for operand: Operand?) throws(Problem) -> LiteralValue? {
        if case .word(let word) = reader.current.kind, Self.operands.contains(where: { $0.0 == word }) {
            throw reader.problem("a column is compared with a value, not with another column", at: reader.current)
        }
        let token = try reader.literal()
        guard let operand else { return nil }
        do { return try LiteralValue(token, for: operand, in: reader) } catch {
            reader.problems.add(error)
            return nil
        }
    }
}
