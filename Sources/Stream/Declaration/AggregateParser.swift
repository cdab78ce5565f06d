import Problems
import Time
import Trips
import YAML

/// Reads one aggregate: `count()`, `count(*)`, `count(column)`, `sum|avg|min|max|stddev|distinct(column)`, `quantile(column, share)`.
struct AggregateParser {
    /// - Throws: `Problem` with the place inside the text.
    static func parse(_ node: YAMLNode, name: String) throws(Problem) -> AggregatePlan {
        var reader = try ExpressionReader(node)
        let token = reader.advance()
        guard case .word(let function) = token.kind else {
            throw reader.problem(
                "expected an aggregate, found \(token.description)", at: token, hint: "Write count() or sum(fare).")
        }
        _ = reader.known(token, function, among: AggregateFunction.names.map { ($0, ()) }, as: "aggregate")
        try reader.problems.throwIfAny()
        try reader.expectSymbol("(")
        if function == "count", reader.takeSymbol(")") {
            try end(reader)
            return AggregatePlan(name: name, function: .count)
        }
        if function == "count", reader.takeSymbol("*") {
            try reader.expectSymbol(")")
            try end(reader)
            return AggregatePlan(name: name, function: .count)
        }
        let column = reader.advance()
        guard case .word(let columnName) = column.kind else {
            throw reader.problem("expected a column, found \(column.description)", at: column)
        }
        let field = reader.known(column, columnName, among: ExpressionReader.columns, as: "column")
        let share = try function == "quantile" ? share(&reader) : 0
        try reader.expectSymbol(")")
        try end(reader)
        if let field, AggregateFunction.isOfNumbers(function) { check(field, of: function, column, &reader) }
        try reader.problems.throwIfAny()
        return AggregatePlan(name: name, function: AggregateFunction(function, share: share), field: field)
    }

    private static func check(
        _ field: TripField, of function: String, _ column: Token, _ reader: inout ExpressionReader
    ) {
        switch field.kind {
        case .string, .timestamp:
            reader.problems.add(
                reader.problem("\(function) needs a number, and \"\(field.name)\" is \(field.kind.words)", at: column))
        case .decimal where field.isCoordinate && function == "quantile":
            // Buckets are so many parts of an amount wide; half a percent of a longitude is 50 km.
            reader.problems.add(
                reader.problem("quantile is for amounts, and \"\(field.name)\" is a coordinate", at: column))
        case .integer, .decimal, .money: break
        }
    }

    private static func share(_ reader: inout ExpressionReader) throws(Problem) -> Double {
        guard reader.takeSymbol(",") else {
            throw reader.expected("\",\" and the share", hint: "The ninth decile is quantile(fare, 0.9).")
        }
        let token = reader.advance()
        guard case .number(let text) = token.kind, let share = Double(text), (0...1).contains(share) else {
            throw reader.problem("expected a share from 0 to 1, found \(token.description)", at: token)
        }
        return share
    }

    private static func end(_ reader: ExpressionReader) throws(Problem) {
        if reader.current.kind != .end { throw reader.expected("the end of the aggregate") }
    }
}
