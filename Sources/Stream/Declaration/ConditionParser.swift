import Problems
import YAML

/// What and, or and not join.
protocol JoinedCondition {
    /// Two or more, of which all hold.
    static func and(_ parts: [Self]) -> Self
    /// Two or more, of which one holds.
    static func or(_ parts: [Self]) -> Self
    static func not(_ part: Self) -> Self
}

/// Reads comparisons that are joined by and, or, not and parentheses; whoever conforms knows what a comparison is:
///
///     or  = and {"or" and}
///     and = not {"and" not}
///     not = "not" not | "(" or ")" | comparison
///
/// Nil stands for a part whose problem is noted; the walk goes on to find the next one.
protocol ConditionParser {
    associatedtype Condition: JoinedCondition
    var reader: ExpressionReader { get set }
    /// How deep in parentheses and nots it stands; 0 at first.
    var depth: Int { get set }
    mutating func comparison() throws(Problem) -> Condition?
}

/// More parentheses and nots than a person writes; keeps the recursion here and in the evaluation bounded.
private let depthLimit = 64

extension ConditionParser {
    /// Reads the whole text.
    ///
    /// - Throws: `Problem` with the place inside the text; with `others` where there are several.
    mutating func parse(_ node: YAMLNode) throws(Problem) -> Condition {
        var condition: Condition?
        do throws(Problem) {
            condition = try disjunction()
            if reader.current.kind != .end { throw reader.expected("\"and\", \"or\" or the end") }
        } catch {
            reader.problems.add(error)
        }
        try reader.problems.throwIfAny()
        guard let condition else { throw node.problem("expected a condition") }
        return condition
    }

    private mutating func disjunction() throws(Problem) -> Condition? {
        var parts = [try conjunction()]
        while reader.take("or") { parts.append(try conjunction()) }
        return joined(parts) { .or($0) }
    }

    private mutating func conjunction() throws(Problem) -> Condition? {
        var parts = [try negation()]
        while reader.take("and") { parts.append(try negation()) }
        return joined(parts) { .and($0) }
    }

    private func joined(_ parts: [Condition?], _ join: ([Condition]) -> Condition) -> Condition? {
        let known = parts.compactMap(\.self)
        guard known.count == parts.count else { return nil }
        return known.count == 1 ? known[0] : join(known)
    }

    private mutating func negation() throws(Problem) -> Condition? {
        depth += 1
        defer { depth -= 1 }
        guard depth <= depthLimit else {
            throw reader.problem("the condition is nested more than \(depthLimit) deep", at: reader.current)
        }
        if reader.take("not") { return try negation().map { .not($0) } }
        if reader.takeSymbol("(") {
            let inner = try disjunction()
            try reader.expectSymbol(")")
            return inner
        }
        return try comparison()
    }
}
