import Problems
import Trips
import YAML

/// Walks the tokens of one expression. Wrong names and types are collected and the walk goes on; wrong syntax ends it.
struct ExpressionReader {
    let node: YAMLNode
    private let tokens: [Token]
    private var index = 0
    var problems = ProblemList()

    init(_ node: YAMLNode) throws(Problem) {
        self.node = node
        tokens = try ExpressionLexer.tokens(of: node)
    }

    var current: Token { tokens[index] }

    mutating func advance() -> Token {
        defer { if index < tokens.count - 1 { index += 1 } }
        return tokens[index]
    }

    /// Whether the current token is this keyword (letter case does not matter).
    func isAt(_ keyword: String) -> Bool {
        if case .word(let text) = current.kind { text.lowercased() == keyword } else { false }
    }

    mutating func take(_ keyword: String) -> Bool {
        guard isAt(keyword) else { return false }
        _ = advance()
        return true
    }

    mutating func takeSymbol(_ symbol: String) -> Bool {
        guard current.kind == .symbol(symbol) else { return false }
        _ = advance()
        return true
    }

    mutating func expectSymbol(_ symbol: String) throws(Problem) {
        guard takeSymbol(symbol) else { throw expected("\"\(symbol)\"") }
    }

    func expected(_ what: String, hint: String? = nil) -> Problem {
        problem("expected \(what), found \(current.description)", at: current, hint: hint)
    }

    func problem(_ message: String, at token: Token, hint: String? = nil) -> Problem {
        node.problem(message, atByteOfText: token.offset, hint: hint)
    }

    /// - Parameter others: what may stand in the place of a comparison, for the hint.
    mutating func comparison(or others: String = "") throws(Problem) -> Comparison {
        guard case .symbol(let symbol) = current.kind,
            let comparison = Comparison(rawValue: symbol == "<>" ? "!=" : symbol)
        else {
            throw expected("a comparison", hint: "Known: =, !=, <, <=, >, >=, \(others)is null, is not null.")
        }
        _ = advance()
        return comparison
    }

    /// The number or text that something is compared with.
    mutating func literal() throws(Problem) -> Token {
        switch current.kind {
        case .number, .string: return advance()
        case .word(let word) where word.lowercased() == "null":
            throw problem("no value equals null", at: current, hint: "Write \"is null\" or \"is not null\".")
        default: throw expected("a number, or text in single quotes")
        }
    }

    /// A column's or derived value's name; an unknown one is a problem that does not end the walk.
    mutating func known<Value>(_ token: Token, _ name: String, among values: [(String, Value)], as what: String)
        -> Value?
    {
        if let found = values.first(where: { $0.0 == name }) { return found.1 }
        let near = nearestName(to: name, among: values.map(\.0))
        problems.add(
            problem(
                "unknown \(what) \"\(name)\"", at: token,
                hint: near.map { "Did you mean \"\($0)\"?" } ?? "Known: \(values.map(\.0).joined(separator: ", "))."))
        return nil
    }

    static let columns: [(String, TripField)] = TripField.allCases.map { ($0.name, $0) }
}

extension FieldKind {
    /// How messages call the kind.
    var words: String {
        switch self {
        case .string: "text"
        case .timestamp: "a time"
        case .integer: "a whole number"
        case .decimal: "a decimal number"
        case .money: "an amount of money"
        }
    }
}
