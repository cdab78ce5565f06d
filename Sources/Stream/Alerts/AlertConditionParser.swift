import Problems
import YAML

/// Reads an alert's `if`: comparisons of aggregates and groups of its query, joined by and, or, not and parentheses.
///
///     comparison = name ("=" | "!=" | "<>" | "<" | "<=" | ">" | ">=") value | name "is" ["not"] "null"
struct AlertConditionParser {
    private var reader: ExpressionReader
    private var depth = 0
    private let subjects: [(String, AlertCondition.Subject)]
    private let plan: QueryPlan

    /// - Throws: `Problem` with the place inside the text; with `others` where there are several.
    static func parse(_ node: YAMLNode, for plan: QueryPlan) throws(Problem) -> AlertCondition {
        var parser = AlertConditionParser(reader: try ExpressionReader(node), plan: plan)
        var condition: AlertCondition?
        do throws(Problem) {
            condition = try parser.disjunction()
            if parser.reader.current.kind != .end { throw parser.reader.expected("\"and\", \"or\" or the end") }
        } catch {
            parser.reader.problems.add(error)
        }
        try parser.reader.problems.throwIfAny()
        guard let condition else { throw node.problem("expected a condition") }
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

    // Nil stands for a part whose problem is noted; the walk goes on to find the next one.

    private mutating func disjunction() throws(Problem) -> AlertCondition? {
        var parts = [try conjunction()]
        while reader.take("or") { parts.append(try conjunction()) }
        return Self.joined(parts) { .or($0) }
    }

    private mutating func conjunction() throws(Problem) -> AlertCondition? {
        var parts = [try negation()]
        while reader.take("and") { parts.append(try negation()) }
        return Self.joined(parts) { .and($0) }
    }

    private static func joined(
        _ parts: [AlertCondition?], _ join: ([AlertCondition]) -> AlertCondition
    ) -> AlertCondition? {
        let known = parts.compactMap(\.self)
        guard known.count == parts.count else { return nil }
        return known.count == 1 ? known[0] : join(known)
    }

    private mutating func negation() throws(Problem) -> AlertCondition? {
        depth += 1
        defer { depth -= 1 }
        guard depth <= PredicateParser.depthLimit else {
            throw reader.problem(
                "the condition is nested more than \(PredicateParser.depthLimit) deep", at: reader.current)
        }
        if reader.take("not") { return try negation().map { .not($0) } }
        if reader.takeSymbol("(") {
            let inner = try disjunction()
            try reader.expectSymbol(")")
            return inner
        }
        return try comparison()
    }

    private mutating func comparison() throws(Problem) -> AlertCondition? {
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
        guard case .symbol(let symbol) = reader.current.kind,
            let comparison = Comparison(rawValue: symbol == "<>" ? "!=" : symbol)
        else { throw reader.expected("a comparison", hint: "Known: =, !=, <, <=, >, >=, is null, is not null.") }
        _ = reader.advance()
        return try value(for: subject, comparison)
    }

    private mutating func value(
        for subject: AlertCondition.Subject?, _ comparison: Comparison
    ) throws(Problem) -> AlertCondition? {
        let token = reader.current
        switch token.kind {
        case .number, .string: _ = reader.advance()
        default: throw reader.expected("a number, or text in single quotes")
        }
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
