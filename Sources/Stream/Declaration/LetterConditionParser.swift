public import Problems
public import Topics
public import Time
import Trips
import YAML

/// Reads what `dead-letter --where` asks of dead letters, in the language of a query's `where`:
///
///     comparison = name ("=" | "!=" | "<>" | "<" | "<=" | ">" | ">=") value | name ["not"] "in" "(" value {"," value} ")"
///                | name ["not"] "between" value "and" value | name ["not"] "contains" text | name "is" ["not"] "null"
///
/// Names are those of `LetterCondition.Field`. Times are text as the program's options have them, places of letters text as
/// `'0/17'`.
public struct LetterConditionParser: ConditionParser {
    var reader: ExpressionReader
    var depth = 0
    private let tenant: String
    private let time: (String) -> EventTime?

    private static let fields = LetterCondition.Field.allCases.map { ($0.rawValue, $0) }

    /// - Parameters:
    ///   - tenant: whose topics may be named without their prefix.
    ///   - time: reads a time; nil for what is none.
    /// - Throws: `Problem(.usage)` with the place inside the text; with `others` where there are several.
    public static func parse(
        _ text: String, tenant: String, time: @escaping (String) -> EventTime?
    ) throws(Problem) -> LetterCondition {
        let node = YAMLNode(text: text, file: "--where")
        do throws(Problem) {
            var parser = LetterConditionParser(reader: try ExpressionReader(node), tenant: tenant, time: time)
            return try parser.parse(node)
        } catch {
            var problem = error
            problem.code = .usage
            throw problem
        }
    }

    private init(reader: ExpressionReader, tenant: String, time: @escaping (String) -> EventTime?) {
        (self.reader, self.tenant, self.time) = (reader, tenant, time)
    }

    mutating func comparison() throws(Problem) -> LetterCondition? {
        let token = reader.current
        guard case .word(let name) = token.kind else {
            throw reader.expected(
                "a name",
                hint: "A comparison begins with one of \(Self.fields.map(\.0).joined(separator: ", ")): offset >= 5.")
        }
        _ = reader.advance()
        let field = reader.known(token, name, among: Self.fields, as: "name")
        if reader.take("is") {
            let negated = reader.take("not")
            guard reader.take("null") else { throw reader.expected("\"null\"") }
            return field.map { negated ? .not(.isNull($0)) : .isNull($0) }
        }
        if reader.take("not") {
            guard ["in", "between", "contains"].contains(where: { reader.isAt($0) }) else {
                throw reader.expected("\"in\", \"between\" or \"contains\"")
            }
            return try membership(of: field).map { .not($0) }
        }
        if ["in", "between", "contains"].contains(where: { reader.isAt($0) }) { return try membership(of: field) }
        return try compared(field, reader.comparison(or: "in (…), between … and …, contains '…', "))
    }

    private mutating func membership(of field: LetterCondition.Field?) throws(Problem) -> LetterCondition? {
        if reader.take("between") {
            let low = try compared(field, .greaterOrEqual)
            guard reader.take("and") else { throw reader.expected("\"and\" and the upper bound") }
            let high = try compared(field, .lessOrEqual)
            guard let low, let high else { return nil }
            return .and([low, high])
        }
        if reader.take("contains") {
            let token = reader.current
            guard case .string(let bytes) = token.kind else { throw reader.expected("text in single quotes") }
            _ = reader.advance()
            guard let field else { return nil }
            guard field.kind == .text else {
                reader.problems.add(
                    reader.problem("\"\(field.rawValue)\" is \(field.words), which contains nothing", at: token))
                return nil
            }
            return .contains(field, String(decoding: bytes, as: UTF8.self))
        }
        _ = reader.advance()  // "in"
        try reader.expectSymbol("(")
        var parts: [LetterCondition?] = []
        repeat { parts.append(try compared(field, .equal)) } while reader.takeSymbol(",")
        guard reader.takeSymbol(")") else { throw reader.expected("\",\" or \")\"") }
        let known = parts.compactMap(\.self)
        return known.count == parts.count ? .or(known) : nil
    }

    /// A comparison with the value that follows; nil where it does not fit, or the name is unknown, with the problem noted.
    private mutating func compared(
        _ field: LetterCondition.Field?, _ comparison: Comparison
    ) throws(Problem) -> LetterCondition? {
        let token = try reader.literal()
        guard let field else { return nil }
        do throws(Problem) { return try condition(field, comparison, token) } catch {
            reader.problems.add(error)
            return nil
        }
    }

    private func condition(
        _ field: LetterCondition.Field, _ comparison: Comparison, _ token: Token
    ) throws(Problem) -> LetterCondition {
        switch (field.kind, token.kind) {
        case (.text, .string(let bytes)):
            guard comparison == .equal || comparison == .notEqual else {
                throw reader.problem(
                    "\"\(field.rawValue)\" is text, which =, !=, in and contains compare", at: token)
            }
            let text = String(decoding: bytes, as: UTF8.self)
            let same: LetterCondition =
                field == .topic ? DeadLetterFilter.topic(text, of: tenant) : .text(field, text)
            return comparison == .equal ? same : .not(same)
        case (.number, .number(let text)):
            guard let number = Int64(text) else {
                throw reader.problem("\"\(text)\" is not a whole number", at: token)
            }
            return Self.compare(number, comparison, .min, .max) { .number(field, $0) }
        case (.time, .string(let bytes)):
            guard let time = time(String(decoding: bytes, as: UTF8.self)) else {
                throw reader.problem(
                    "expected a time, found \(token.description)", at: token, hint: "Write it as '2024-01-22 13:45:00'."
                )
            }
            return Self.compare(time, comparison, .min, .max) { .number(.time, $0) }
        case (.place, .string(let bytes)):
            guard let place = LetterPlace(String(decoding: bytes, as: UTF8.self)) else {
                throw reader.problem(
                    "expected the place of a dead letter, found \(token.description)", at: token,
                    hint: "Write partition and offset: letter = '0/17'.")
            }
            let ends = (LetterPlace(partition: 0, offset: 0), LetterPlace(partition: .max, offset: .max))
            return Self.compare(place, comparison, ends.0, ends.1) { .letter($0) }
        default:
            let hint = field.kind == .number ? "Write numbers without quotes." : "Put it in single quotes."
            throw reader.problem(
                "\"\(field.rawValue)\" is \(field.words), \(token.description) is not", at: token, hint: hint)
        }
    }

    /// Comparisons as ranges, or what lies outside them.
    private static func compare<Value: Comparable>(
        _ value: Value, _ comparison: Comparison, _ least: Value, _ greatest: Value,
        _ condition: (ClosedRange<Value>) -> LetterCondition
    ) -> LetterCondition {
        switch comparison {
        case .equal: condition(value...value)
        case .notEqual: .not(condition(value...value))
        case .less: .not(condition(value...greatest))
        case .lessOrEqual: condition(least...value)
        case .greater: .not(condition(least...value))
        case .greaterOrEqual: condition(value...greatest)
        }
    }
}

extension LetterCondition: JoinedCondition {}

extension LetterCondition.Field {
    /// How messages call what it is.
    fileprivate var words: String {
        switch kind {
        case .text: "text"
        case .number: "a whole number"
        case .time: "a time"
        case .place: "the place of a dead letter"
        }
    }
}
