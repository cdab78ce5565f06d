import Basics

/// An alert's `if`, checked: comparisons of a query's aggregates and groups with values.
///
/// It has the three values of SQL, as a query's `where`: a comparison with null is unknown, and the alert is raised only where the whole
/// is true.
public indirect enum AlertCondition: Sendable, Hashable {
    /// Two or more, of which all hold.
    case and([AlertCondition])
    /// Two or more, of which one holds.
    case or([AlertCondition])
    case not(AlertCondition)
    case number(Subject, Comparison, Double)
    /// Only = and !=.
    case text(Subject, Comparison, String)
    case isNull(Subject)

    /// What is compared, by its place in the query's plan.
    public enum Subject: Sendable, Hashable {
        case aggregate(Int, name: String)
        case group(Int, name: String)

        public var name: String {
            switch self {
            case .aggregate(_, let name), .group(_, let name): name
            }
        }
    }

    public enum Value: Sendable, Hashable {
        case null
        case number(Double)
        case text(String)
    }

    /// - Returns: nil for unknown.
    func holds(_ value: (Subject) -> Value) -> Bool? {
        switch self {
        case .and(let parts):
            let found = parts.map { $0.holds(value) }
            return found.contains(false) ? false : found.contains(nil) ? nil : true
        case .or(let parts):
            let found = parts.map { $0.holds(value) }
            return found.contains(true) ? true : found.contains(nil) ? nil : false
        case .not(let part): return part.holds(value).map { !$0 }
        case .number(let subject, let comparison, let right):
            guard case .number(let left) = value(subject) else { return nil }
            return comparison.holds(left, right)
        case .text(let subject, let comparison, let right):
            guard case .text(let left) = value(subject) else { return nil }
            return (left == right) == (comparison == .equal)
        case .isNull(let subject): return value(subject) == .null
        }
    }

    /// The first comparison of an aggregate with a number: what an alert gives as its value and threshold.
    package var leading: (subject: Subject, threshold: Double)? {
        switch self {
        case .and(let parts), .or(let parts): parts.lazy.compactMap(\.leading).first
        case .not(let part): part.leading
        case .number(let subject, _, let value):
            if case .aggregate = subject { (subject, value) } else { nil }
        case .text, .isNull: nil
        }
    }
}

extension Comparison {
    func holds<Value: Comparable>(_ left: Value, _ right: Value) -> Bool {
        switch self {
        case .equal: left == right
        case .notEqual: left != right
        case .less: left < right
        case .lessOrEqual: left <= right
        case .greater: left > right
        case .greaterOrEqual: left >= right
        }
    }
}

extension AlertCondition: CustomStringConvertible {
    /// As a declaration would write it.
    public var description: String {
        switch self {
        case .and(let parts): parts.map(\.inParentheses).joined(separator: " and ")
        case .or(let parts): parts.map(\.inParentheses).joined(separator: " or ")
        case .not(let part): "not (\(part))"
        case .number(let subject, let comparison, let value):
            "\(subject.name) \(comparison.rawValue) \(Self.text(of: value))"
        case .text(let subject, let comparison, let text):
            "\(subject.name) \(comparison.rawValue) \(SQLText.literal(text))"
        case .isNull(let subject): "\(subject.name) is null"
        }
    }

    private var inParentheses: String {
        switch self {
        case .and, .or: "(\(self))"
        default: description
        }
    }

    /// `5000`, `12.5`
    static func text(of value: Double) -> String {
        Int64(exactly: value).map { "\($0)" } ?? "\(value)"
    }
}

extension AlertCondition: JoinedCondition {}
