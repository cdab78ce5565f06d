internal import Foundation

/// The one comparison of `if:`: `{{ steps.store.rows }} > 0`.
///
/// Two numbers are compared as numbers, anything else as text, which knows only `==` and `!=`.
public struct Comparison: Sendable, Hashable {
    enum Operator: String, Sendable, CaseIterable {
        // Longer ones first: "<" begins "<=".
        case atMost = "<="
        case atLeast = ">="
        case equal = "=="
        case unequal = "!="
        case less = "<"
        case greater = ">"
    }

    let left: Template
    let relation: Operator
    let right: Template
    /// Byte of the text at which the right side stands.
    let rightOffset: Int

    /// - Throws: `Template.Mistake` where there is no comparison, or a side is no template.
    public init(_ text: String) throws(Template.Mistake) {
        guard let (relation, place) = Self.find(text) else {
            throw Template.Mistake(
                message: "expected a comparison, found \"\(text)\"", offset: 0,
                hint: "Write two values with one of ==, !=, <, <=, > or >= between them.")
        }
        let rest = text[place.upperBound...].drop { $0 == " " }
        rightOffset = text.utf8.distance(from: text.startIndex, to: rest.startIndex)
        self.relation = relation
        left = try Template(Self.side(text[..<place.lowerBound]))
        do throws(Template.Mistake) { right = try Template(Self.side(rest)) } catch {
            throw Template.Mistake(message: error.message, offset: error.offset + rightOffset, hint: error.hint)
        }
    }

    /// - Throws: `Incomparable` where `<` and its like stand between texts.
    func holds(_ left: String, _ right: String) throws(Incomparable) -> Bool {
        if let a = Double(left), let b = Double(right) { return compare(a, b) }
        switch relation {
        case .equal: return left == right
        case .unequal: return left != right
        default: throw Incomparable(left: left, right: right, relation: relation.rawValue)
        }
    }

    private func compare(_ a: Double, _ b: Double) -> Bool {
        switch relation {
        case .atMost: a <= b
        case .atLeast: a >= b
        case .equal: a == b
        case .unequal: a != b
        case .less: a < b
        case .greater: a > b
        }
    }

    /// The first operator outside of `{{ }}`.
    private static func find(_ text: String) -> (Operator, Range<String.Index>)? {
        var index = text.startIndex
        while index < text.endIndex {
            let rest = text[index...]
            if rest.hasPrefix("{{"), let close = rest.range(of: "}}") {
                index = close.upperBound
                continue
            }
            if let found = Operator.allCases.first(where: { rest.hasPrefix($0.rawValue) }) {
                return (found, index..<text.index(index, offsetBy: found.rawValue.count))
            }
            index = text.index(after: index)
        }
        return nil
    }

    /// Without blanks around it, and without quotes.
    private static func side(_ text: Substring) -> String {
        var text = String(text.drop { $0 == " " })
        while text.last == " " { text.removeLast() }
        for quote in ["'", "\""] where text.count > 1 && text.hasPrefix(quote) && text.hasSuffix(quote) {
            return String(text.dropFirst().dropLast())
        }
        return text
    }
}

/// Two texts of which none is less than the other.
struct Incomparable: Error, CustomStringConvertible {
    var left: String
    var right: String
    var relation: String
    var description: String { "\"\(left)\" \(relation) \"\(right)\": only numbers can be compared so" }
}
