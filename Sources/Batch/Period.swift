public import Problems
import Time

/// How long a period of analytics is.
public enum PeriodKind: String, Sendable, CaseIterable, Codable {
    case month, quarter, year

    public var perYear: Int {
        switch self {
        case .month: 12
        case .quarter: 4
        case .year: 1
        }
    }

    /// What a period of this kind looks like, for messages.
    var example: String {
        switch self {
        case .month: "2024-01"
        case .quarter: "2024-Q1"
        case .year: "2024"
        }
    }
}

/// A calendar month, quarter or year of the tenant's zone: `2024-01`, `2024-Q1`, `2024`.
public struct Period: Sendable, Hashable {
    public let kind: PeriodKind
    /// Periods of this kind since the year 0; the one after is one more.
    public let ordinal: Int

    public init(kind: PeriodKind, ordinal: Int) { (self.kind, self.ordinal) = (kind, ordinal) }

    /// The period that a local day (days since 1970-01-01) lies in.
    public init(kind: PeriodKind, containingDay day: Int) {
        let (year, month, _) = Calendar.date(ofDay: day)
        self.init(kind: kind, ordinal: year * kind.perYear + (month - 1) * kind.perYear / 12)
    }

    public var year: Int { Int(floorDivide(Int64(ordinal), Int64(kind.perYear))) }
    /// The first month of the period, counted like `ordinal`.
    private var firstMonth: Int { ordinal * (12 / kind.perYear) }

    /// The local days of the period, as days since 1970-01-01.
    public var days: Range<Int> { Self.firstDay(ofMonth: firstMonth)..<Self.firstDay(ofMonth: next.firstMonth) }

    public var next: Period { Period(kind: kind, ordinal: ordinal + 1) }
    public var previous: Period { Period(kind: kind, ordinal: ordinal - 1) }
    public var sameAYearBefore: Period { Period(kind: kind, ordinal: ordinal - kind.perYear) }
    public var sameAYearAfter: Period { Period(kind: kind, ordinal: ordinal + kind.perYear) }
    /// The days of the period's year up to its end.
    var yearToDate: Range<Int> { Period(kind: .year, ordinal: year).days.lowerBound..<days.upperBound }

    /// The periods of a kind that this one is made of; nil where that kind is longer.
    public func parts(_ kind: PeriodKind) -> [Period]? {
        guard kind.perYear >= self.kind.perYear else { return nil }
        let each = kind.perYear / self.kind.perYear
        return (ordinal * each..<(ordinal + 1) * each).map { Period(kind: kind, ordinal: $0) }
    }

    private static func firstDay(ofMonth month: Int) -> Int {
        let year = Int(floorDivide(Int64(month), 12))
        return Calendar.day(year: year, month: month - year * 12 + 1, day: 1)
    }
}

extension Period: CustomStringConvertible {
    public var description: String {
        let digits = String(year)
        let year = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        let part = ordinal - self.year * kind.perYear + 1
        return switch kind {
        case .month: "\(year)-\(part < 10 ? "0" : "")\(part)"
        case .quarter: "\(year)-Q\(part)"
        case .year: year
        }
    }
}

extension Period {
    /// Reads `2024-01`, `2024-Q1` (or `q1`) or `2024`; years 1970…2200.
    ///
    /// - Throws: `Problem(.usage)` that says which part is wrong.
    public init(_ text: String) throws(Problem) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard let year = Self.number(parts[0], digits: 4), parts.count <= 2 else {
            throw Problem(
                .usage, "\"\(text)\" is not a period",
                hint: "Write a month as 2024-01, a quarter as 2024-Q1, a year as 2024, or say last or all.")
        }
        guard Self.years.contains(year) else {
            throw Problem(
                .usage, "the year of period \"\(text)\" is outside 1970…2200",
                hint: "Trips are of these years; say last for the newest period, or all.")
        }
        guard let part = parts.dropFirst().first else {
            self.init(kind: .year, ordinal: year)
            return
        }
        if part.first == "Q" || part.first == "q" {
            guard let quarter = Self.number(part.dropFirst(), digits: 1), 1...4 ~= quarter else {
                throw Problem(.usage, "\"\(part)\" of period \"\(text)\" is not a quarter", hint: "Quarters are Q1…Q4.")
            }
            self.init(kind: .quarter, ordinal: year * 4 + quarter - 1)
        } else {
            guard let month = Self.number(part, digits: 2), 1...12 ~= month else {
                throw Problem(
                    .usage, "\"\(part)\" of period \"\(text)\" is not a month",
                    hint: "Months are 01…12 with two digits, quarters Q1…Q4.")
            }
            self.init(kind: .month, ordinal: year * 12 + month - 1)
        }
    }

    private static let years = 1970...2200
    /// The days that stored results can lie on; anything outside is damage, not data.
    static let supportedDays =
        Calendar.day(
            year: years.lowerBound, month: 1, day: 1)..<Calendar.day(year: years.upperBound + 1, month: 1, day: 1)

    private static func number(_ text: Substring, digits: Int) -> Int? {
        text.utf8.count == digits && text.utf8.allSatisfy { 48...57 ~= $0 } ? Int(text) : nil
    }
}
