public import Problems

/// Which periods a run is asked for.
public enum PeriodSelection: Sendable, Hashable {
    /// The newest period of each kind that the stored results cover to its end.
    case last
    /// Every period from the first stored day to the last.
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
    ///   - days: from the first day with stored results to the last; nil where there are none.
    ///   - reachedDay: the local day up to whose start the stored results are complete; nil where there are none.
    ///   - stored: periods that have rows by now; `all` replaces these too, so that nothing stale stays.
    /// - Throws: `Problem(.usage)` for a kind that is longer than the period.
    func periods(
        _ kind: PeriodKind, days: ClosedRange<Int>?, reachedDay: Int?, stored: [Period]
    ) throws(Problem) -> [Period] {
        switch self {
        case .last:
            return reachedDay.map { [Period(kind: kind, containingDay: $0).previous] } ?? []
        case .all:
            var ordinals = Set(stored.filter { $0.kind == kind }.map(\.ordinal))
            if let days {
                let (first, last) = (
                    Period(kind: kind, containingDay: days.lowerBound),
                    Period(kind: kind, containingDay: days.upperBound)
                )
                ordinals.formUnion(first.ordinal...last.ordinal)
            }
            return ordinals.sorted().map { Period(kind: kind, ordinal: $0) }
        case .one(let period):
            guard let parts = period.parts(kind) else {
                throw Problem(
                    .usage, "period \"\(period)\" is shorter than a \(kind.rawValue)",
                    hint: "Leave out --by, or give a \(kind.rawValue) such as \(kind.example).")
            }
            return parts
        }
    }
}
