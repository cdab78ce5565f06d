/// What became of records that a query was shown.
struct RecordCounts: Equatable {
    var aggregated: Int64 = 0
    var late: Int64 = 0
    var skipped: Int64 = 0
    var filtered: Int64 = 0

    var consumed: Int64 { aggregated + late + skipped + filtered }

    /// Each with its name in the ledger.
    var named: [(name: String, value: Int64)] {
        [("aggregated", aggregated), ("late", late), ("skipped", skipped), ("filtered", filtered)]
    }

    static func + (a: Self, b: Self) -> Self {
        Self(
            aggregated: a.aggregated + b.aggregated, late: a.late + b.late, skipped: a.skipped + b.skipped,
            filtered: a.filtered + b.filtered)
    }
}
