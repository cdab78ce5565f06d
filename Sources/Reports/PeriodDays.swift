import Database

/// On how many of their days some periods have trips; all of the days of those that are not named.
struct PeriodDays {
    private let incomplete: [String: Coverage.Period]

    init(_ coverage: Coverage = Coverage(incomplete: [])) {
        incomplete = Dictionary(coverage.incomplete.map { ($0.period, $0) }) { first, _ in first }
    }

    func isIncomplete(_ period: String) -> Bool { incomplete[period] != nil }

    /// For the end of a text about a period: `; trips on 1 of 29 days`, or nothing.
    func suffix(_ period: String) -> String { incomplete[period].map { "; trips on \($0.text)" } ?? "" }

    /// What a chart of some periods has to say; nil where all their days have trips.
    ///
    /// - Parameter isDrawn: whether the chart tells such periods from the others.
    func remark(_ periods: [String], isDrawn: Bool) -> String? {
        let sentence = Coverage(incomplete: periods.compactMap { incomplete[$0] }).sentence
        return sentence.map { "Not on all days\(isDrawn ? " (hollow or pale)" : ""): \($0)." }
    }
}
