/// Which periods a report is about.
public struct ReportSelection: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable { case month, quarter, year }
    public enum Scope: Sendable, Equatable {
        /// Everything that there are results of.
        case all
        /// The newest period of the kind, complete if there is such a one.
        case last
        /// One period (`2024-01`, `2024-Q1`, `2024`) and the periods of the kind that it is made of.
        case one(String, parts: [String])
    }

    public var kind: Kind
    public var scope: Scope
    public init(kind: Kind = .month, scope: Scope = .all) { (self.kind, self.scope) = (kind, scope) }
}

/// A period by its text.
struct PeriodText: Equatable {
    let text: String

    var kind: ReportSelection.Kind { text.contains("Q") ? .quarter : text.contains("-") ? .month : .year }

    /// Local times of the period, as the beginning of their ISO 8601 text: they sort by time, so `from <= text < until`.
    var bounds: (from: String, until: String) {
        let year = Int(text.prefix(4)) ?? 0
        let months: (first: Int, after: Int)
        switch kind {
        case .year: return (padded(year, 4), padded(year + 1, 4))
        case .quarter:
            let quarter = Int(text.suffix(1)) ?? 1
            months = (quarter * 3 - 2, quarter * 3 + 1)
        case .month:
            let month = Int(text.suffix(2)) ?? 1
            months = (month, month + 1)
        }
        let until = months.after > 12 ? "\(padded(year + 1, 4))-01" : "\(padded(year, 4))-\(padded(months.after, 2))"
        return ("\(padded(year, 4))-\(padded(months.first, 2))", until)
    }

    /// Periods of its kind since the year 0; nil for a text that is no period.
    var ordinal: Int? {
        let digits = text.prefix(4)
        guard digits.utf8.count == 4, digits.utf8.allSatisfy({ 48...57 ~= $0 }), let year = Int(digits) else {
            return nil
        }
        switch (kind, text.utf8.count) {
        case (.year, 4): return year
        case (.month, 7):
            guard let month = part(after: "-"), 1...12 ~= month else { return nil }
            return year * 12 + month - 1
        case (.quarter, 7):
            guard let quarter = part(after: "-Q"), 1...4 ~= quarter else { return nil }
            return year * 4 + quarter - 1
        default: return nil
        }
    }

    private func part(after mark: String) -> Int? {
        let rest = text.dropFirst(4)
        guard rest.hasPrefix(mark), rest.dropFirst(mark.count).utf8.allSatisfy({ 48...57 ~= $0 }) else { return nil }
        return Int(rest.dropFirst(mark.count))
    }

    /// The period of its kind that comes so many later; nil for a text that is no period.
    func after(_ count: Int) -> PeriodText? {
        guard let ordinal else { return nil }
        let later = ordinal + count
        return switch kind {
        case .year: PeriodText(text: padded(later, 4))
        case .quarter: PeriodText(text: "\(padded(later / 4, 4))-Q\(later % 4 + 1)")
        case .month: PeriodText(text: "\(padded(later / 12, 4))-\(padded(later % 12 + 1, 2))")
        }
    }

    /// For an axis: `Jan 24`, `Q1 24`, `2024`.
    var short: String {
        let year = text.dropFirst(2).prefix(2)
        switch kind {
        case .year: return text
        case .quarter: return "\(text.suffix(2)) \(year)"
        case .month: return "\(Self.monthNames[max(0, (Int(text.suffix(2)) ?? 1) - 1) % 12]) \(year)"
        }
    }

    private static let monthNames = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private func padded(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
