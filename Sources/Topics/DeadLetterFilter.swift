public import Problems
public import Trips

/// Which dead letters are meant: of a reason, and from some place.
public struct DeadLetterFilter: Sendable {
    /// One condition, written `name=value`; ranges are `from..to`, of times without their end, of numbers with it.
    enum Condition: Sendable {
        case topic(String)
        case partition(ClosedRange<Int64>)
        case offset(ClosedRange<Int64>)
        case file(String)
        case line(ClosedRange<Int64>)
        case letter(partition: Int64, ClosedRange<Int64>)
        case time(Range<EventTime>)
        case was(String)
        case detail(String)
    }

    /// nil for all.
    public let reason: String?
    /// All of which hold.
    private let conditions: [Condition]

    public static let names = ["topic", "partition", "offset", "file", "line", "letter", "time", "was", "detail"]
    public static let all = DeadLetterFilter(reason: nil)

    private init(reason: String?) { (self.reason, conditions) = (reason, []) }

    /// - Parameters:
    ///   - tenant: whose topics may be named without their prefix.
    ///   - time: reads a time as the program's options have it; nil for what is none.
    /// - Throws: `Problem(.usage)` for a term that is no condition.
    public init(
        reason: String?, terms: [String], tenant: String, time: (String) -> EventTime?
    ) throws(Problem) {
        self.reason = reason
        conditions = try terms.map { (term) throws(Problem) in try Self.condition(term, tenant, time) }
    }

    /// Whether letters of every reason are meant, and of every place.
    public var isAll: Bool { reason == nil && conditions.isEmpty }

    /// - Parameter anyReason: whether only the place counts.
    public func matches(_ letter: StoredLetter, anyReason: Bool = false) -> Bool {
        guard anyReason || reason == nil || reason == letter.reason else { return false }
        if conditions.isEmpty { return true }
        let origin = letter.origin
        return conditions.allSatisfy { condition in
            switch condition {
            case .topic(let name): origin?.topic == name
            case .partition(let range): origin?.partition.map { range.contains(Int64($0)) } ?? false
            case .offset(let range): origin?.offset.map(range.contains) ?? false
            case .file(let name): origin?.file.map { Self.isFile($0, name) } ?? false
            case .line(let range): origin?.line.map(range.contains) ?? false
            case .letter(let partition, let range):
                letter.place.partition == partition && range.contains(letter.place.offset)
            case .time(let range): range.contains(letter.record.timestamp)
            case .was(let reason): letter.firstReason == reason
            case .detail(let text): letter.detail?.contains(text) ?? false
            }
        }
    }

    /// By its whole path, or by the last part of it.
    private static func isFile(_ path: String, _ name: String) -> Bool {
        path == name || path.split(separator: "/").last.map { $0 == name } ?? false
    }
}

extension DeadLetterFilter {
    private static func condition(
        _ term: String, _ tenant: String, _ time: (String) -> EventTime?
    ) throws(Problem) -> Condition {
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
        case "topic": return .topic(value.hasPrefix("\(tenant)_") ? value : "\(tenant)_\(value)")
        case "partition": return .partition(try numbers(value, term))
        case "offset": return .offset(try numbers(value, term))
        case "line": return .line(try numbers(value, term))
        case "file": return .file(value)
        case "was": return .was(value)
        case "detail": return .detail(value)
        case "letter":
            let parts = value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if parts.count == 1 { return .letter(partition: 0, try numbers(value, term)) }
            guard let partition = Int64(parts[0]), partition >= 0 else { throw wrong(term) }
            return .letter(partition: partition, try numbers(parts[1], term))
        default:
            let ends = bounds(value)
            guard let from = ends.from.isEmpty ? .min : time(ends.from),
                let to = ends.to.map({ $0.isEmpty ? .max : time($0) }) ?? (from == .max ? from : from + 1), from < to
            else { throw wrong(term) }
            return .time(from..<to)
        }
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
