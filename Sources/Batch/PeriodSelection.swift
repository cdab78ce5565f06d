public import Problems

/// Which periods a run is asked for.
public enum PeriodSelection: Sendable, Hashable {
    /// The newest period of each kind with trips that the stored results cover to its end.
    case last
    /// Every period in which there is a trip.
    case all
    /// One period, or the shorter periods that it is made of: all months of 2024.
    case one(Period)

    /// Reads `last`, `all` or a period.
    ///
    /// - Throws: `Problem(.usage)` with the nearest word or the forms of a period.
    public init(_ text: String) throws(Problem) {
        switch text.lowercased() {
        case "last": self = .last
        case "all": self = .all
        case let word where word.utf8.first.map { 48...57 ~= $0 } != true:
            let hint = nearestName(to: word, among: ["last", "all"]).map { "Did you mean \"\($0)\"?" }
            throw Problem(
                .usage, "\"\(text)\" is not a period",
                hint: hint ?? "Write a month as 2024-01, a quarter as 2024-Q1, a year as 2024, or say last or all.")
        default: self = .one(try Period(text))
        }
    }

    /// The kinds that are meant where the person named none: the period's own, else all.
    public var impliedKinds: [PeriodKind] {
        if case .one(let period) = self { [period.kind] } else { PeriodKind.allCases }
    }

    /// The periods of one kind.
    ///
    /// - Parameters:
    ///   - existing: those of the kind in which there is a trip, ascending.
    ///   - reachedDay: the local day up to whose start the stored results are complete; nil where there are none.
    /// - Throws: `Problem(.usage)` for a kind that is longer than the period.
    func periods(_ kind: PeriodKind, existing: [Period], reachedDay: Int?) throws(Problem) -> [Period] {
        switch self {
        case .last:
            return reachedDay.flatMap { day in existing.last { $0.days.upperBound <= day } }.map { [$0] } ?? []
        case .all: return existing
        case .one(let period):
            guard let parts = period.parts(kind) else {
                throw Problem(
                    .usage, "period \"\(period)\" is shorter than a \(kind.rawValue)",
                    hint: "Leave out --by, or give a \(kind.rawValue) such as \(kind.example).")
            }
            return existing.filter(parts.contains)
        }
    }

    /// Whether rows of a period that has no trips any more are in the way.
    func covers(_ period: Period) -> Bool {
        switch self {
        case .last: false
        case .all: true
        case .one(let chosen): chosen.parts(period.kind)?.contains(period) ?? false
        }
    }
}

extension PeriodSelection: CustomStringConvertible {
    public var description: String {
        switch self {
        case .last: "a period that is over"
        case .all: "any period"
        case .one(let period): period.description
        }
    }
}
