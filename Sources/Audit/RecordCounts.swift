/// What became of records that a query was shown, or was to be shown.
struct RecordCounts: Equatable {
    var aggregated: Int64 = 0
    var late: Int64 = 0
    var skipped: Int64 = 0
    var filtered: Int64 = 0
    /// Left out, since newer files stand for their time.
    var restated: Int64 = 0
    /// Gone before it could be consumed.
    var lost: Int64 = 0

    var consumed: Int64 { [late, skipped, filtered, restated].reduce(aggregated) { $0.addingSaturated($1) } }

    /// Each with its name in the ledger.
    var named: [(name: String, value: Int64)] {
        [
            ("aggregated", aggregated), ("late", late), ("skipped", skipped), ("filtered", filtered),
            ("restated", restated), ("lost", lost),
        ]
    }

    static func + (a: Self, b: Self) -> Self {
        Self(
            aggregated: a.aggregated.addingSaturated(b.aggregated), late: a.late.addingSaturated(b.late),
            skipped: a.skipped.addingSaturated(b.skipped), filtered: a.filtered.addingSaturated(b.filtered),
            restated: a.restated.addingSaturated(b.restated), lost: a.lost.addingSaturated(b.lost))
    }
}

extension Int64 {
    /// The sum, or the bound of 64 bits that it lies beyond. What is counted here is stored, and may be anything.
    func addingSaturated(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }

    func subtractingSaturated(_ other: Int64) -> Int64 {
        let (difference, overflow) = subtractingReportingOverflow(other)
        return overflow ? (other < 0 ? .max : .min) : difference
    }
}
