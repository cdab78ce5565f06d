public import Problems
public import Time

/// Which dead letters are meant: of a reason, and from some place.
public struct DeadLetterFilter: Sendable {
    /// nil for all.
    public let reason: String?
    /// All of which hold.
    private let conditions: [LetterCondition]

    /// What `name=value` can be written of; ranges are `from..to`, of times without their end, of numbers with it.
    public static let names = ["topic", "partition", "offset", "file", "line", "letter", "time", "was", "detail"]
    public static let all = DeadLetterFilter(reason: nil, conditions: [])

    public init(reason: String?, conditions: [LetterCondition]) {
        (self.reason, self.conditions) = (reason, conditions)
    }

    /// - Parameters:
    ///   - tenant: whose topics may be named without their prefix.
    ///   - time: reads a time as the program's options have it; nil for what is none.
    ///   - otherwise: reads a term that is not of the form `name=value`.
    /// - Throws: `Problem(.usage)` for a term that is no condition.
    public init(
        reason: String?, terms: [String], tenant: String, time: (String) -> EventTime?,
        otherwise: (String) throws(Problem) -> LetterCondition? = { (_) throws(Problem) in nil }
    ) throws(Problem) {
        self.reason = reason
        conditions = try terms.map { (term) throws(Problem) in
            if !Self.isShort(term), let condition = try otherwise(term) { return condition }
            return try Self.condition(term, tenant, time)
        }
    }

    /// Whether letters of every reason are meant, and of every place.
    public var isAll: Bool { reason == nil && conditions.isEmpty }

    /// - Parameter anyReason: whether only the place counts.
    public func matches(_ letter: StoredLetter, anyReason: Bool = false) -> Bool {
        guard anyReason || reason == nil || reason == letter.reason else { return false }
        return conditions.allSatisfy { $0.holds(for: letter) }
    }
}

extension DeadLetterFilter {
    /// Whether a term is of the form `name=value`: nothing stands around the `=`, no quotation follows it, and no other comparison.
    static func isShort(_ term: String) -> Bool {
        let parts = term.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, parts[0].allSatisfy({ $0.isASCII && $0.isLetter }),
            !parts[1].hasPrefix("'")
        else { return false }
        // What the record, its file or its topic says may be any text.
        if ["topic", "file", "was", "detail"].contains(parts[0]) { return true }
        let words = parts[1].lowercased().split(separator: " ")
        return !words.contains("and") && !words.contains("or")
    }

    private static func condition(
        _ term: String, _ tenant: String, _ time: (String) -> EventTime?
    ) throws(Problem) -> LetterCondition {
        let parts = term.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = parts[0]
        guard parts.count == 2, !parts[1].isEmpty, names.contains(name) else {
            let near = nearestName(to: name, among: names).map { "Did you mean \"\($0)=…\"? " } ?? ""
            throw Problem(
                .usage, "\"\(term)\" says no place of dead letters",
                hint: near + "Conditions are \(names.map { "\($0)=…" }.joined(separator: ", ")).")
        }
        let value = parts[1]
        switch name {
        case "topic": return topic(value, of: tenant)
        case "partition": return .number(.partition, try numbers(value, term))
        case "offset": return .number(.offset, try numbers(value, term))
        case "line": return .number(.line, try numbers(value, term))
        case "file": return .text(.file, value)
        case "was": return .text(.was, value)
        case "detail": return .contains(.detail, value)
        case "letter":
            let parts = value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let partition = parts.count == 1 ? 0 : Int(parts[0])
            guard let partition, partition >= 0 else { throw wrong(term) }
            let offsets = try numbers(parts[parts.count - 1], term)
            return .letter(
                LetterPlace(
                    partition: partition, offset: offsets.lowerBound)...LetterPlace(
                        partition: partition, offset: offsets.upperBound))
        default:
            let ends = bounds(value)
            guard let from = ends.from.isEmpty ? .min : time(ends.from),
                let to = ends.to.map({ $0.isEmpty ? .max : time($0) }) ?? (from == .max ? from : from + 1), from < to
            else { throw wrong(term) }
            return .number(.time, from...(to == .max ? to : to - 1))
        }
    }

    /// A topic of this name, or the tenant's that is named without the tenant.
    public static func topic(_ name: String, of tenant: String) -> LetterCondition {
        .or([.text(.topic, name), .text(.topic, "\(tenant)_\(name)")])
    }

    /// `5`, `5..9`, `5..` or `..9`.
    private static func numbers(_ value: String, _ term: String) throws(Problem) -> ClosedRange<Int64> {
        let ends = bounds(value)
        guard let from = ends.from.isEmpty ? 0 : Int64(ends.from),
            let to = ends.to.map({ $0.isEmpty ? .max : Int64($0) }) ?? from, from >= 0, from <= to
        else { throw wrong(term) }
        return from...to
    }

    private static func bounds(_ value: String) -> (from: String, to: String?) {
        guard let dots = value.firstRange(of: "..") else { return (value, nil) }
        return (String(value[..<dots.lowerBound]), String(value[dots.upperBound...]))
    }

    private static func wrong(_ term: String) -> Problem {
        Problem(
            .usage, "\"\(term)\" says no place of dead letters",
            hint: "Write a number, or a range: offset=5..9, line=100.., letter=0/17..20, time=2024-03-01..2024-03-02.")
    }
}
