import Problems
import YAML

/// Reads an alert's `if`: comparisons of aggregates and groups of its query, joined by and, or, not and parentheses.
///
///     comparison = name ("=" | "!=" | "<>" | "<" | "<=" | ">" | ">=") value | name "is" ["not"] "null"
struct AlertConditionParser: ConditionParser {
    var reader: ExpressionReader
    var depth = 0
    private let subjects: [(String, AlertCondition.Subject)]
    private let plan: QueryPlan

    /// - Throws: `Problem` with the place inside the text; with `others` where there are several.
    static func parse(_ node: YAMLNode, for plan: QueryPlan) throws(Problem) -> AlertCondition {
        var parser = AlertConditionParser(reader: try ExpressionReader(node), plan: plan)
        let condition = try parser.parse(node)
        guard condition.leading != nil else {
            throw node.problem(
                "the condition compares no aggregate with a number",
                hint: "Query \"\(plan.name)\" has \(plan.aggregates.map(\.name).joined(separator: ", ")).")
        }
        return condition
    }

    private init(reader: ExpressionReader, plan: QueryPlan) {
        (self.reader, self.plan) = (reader, plan)
        subjects =
            plan.aggregates.enumerated().map { ($1.name, .aggregate($0, name: $1.name)) }
            + plan.groups.enumerated().map { ($1.name, .group($0, name: $1.name)) }
    }

    mutating func comparison() throws(Problem) -> AlertCondition? {
        guard case .word(let name) = reader.current.kind else {
            throw reader.expected(
                "an aggregate or a group", hint: "A comparison begins with what the query gives: total_fare > 5000.")
        }
        let token = reader.advance()
        let subject = reader.known(token, name, among: subjects, as: "aggregate or group")
        if reader.take("is") {
            let negated = reader.take("not")
            guard reader.take("null") else { throw reader.expected("\"null\"") }
            return subject.map { negated ? .not(.isNull($0)) : .isNull($0) }
        }
        return try value(for: subject, reader.comparison())
    }

    private mutating func value(
        for subject: AlertCondition.Subject?, _ comparison: Comparison
    ) throws(Problem) -> AlertCondition? {
        let token = try reader.literal()
        guard let subject else { return nil }
        let wantsText: Bool
        if case .group(let index, _) = subject {
            wantsText = plan.groups[index].isString || plan.groups[index] == .day
        } else {
            wantsText = false
        }
        switch token.kind {
        case .string(let bytes) where wantsText:
            guard comparison == .equal || comparison == .notEqual else {
                reader.problems.add(
                    reader.problem("\"\(subject.name)\" is text, which only = and != compare", at: token))
                return nil
            }
            return .text(subject, comparison, String(decoding: bytes, as: UTF8.self))
        case .number(let text) where !wantsText:
            guard let number = Double(text), number.isFinite else {
                throw reader.problem("\"\(text)\" is not a number", at: token)
            }
            return .number(subject, comparison, number)
        default:
            reader.problems.add(
                reader.problem(
                    "\"\(subject.name)\" is \(wantsText ? "text" : "a number"), \(token.description) is not", at: token,
                    hint: wantsText ? "Put text in single quotes." : "Write numbers without quotes."))
            return nil
        }
    }
}
