import Batch
import Database

/// A view whose rows are of periods: one of the four analyses, a declared one, or the days that periods have.
struct PeriodView {
    var name: String
    /// nil for a declared one, and for none.
    var analysis: Analysis?
    var kinds: [PeriodKind]
    /// After `period_kind` and `period`; `partial` is the last of an analysis.
    var columns: [String]
    /// Those that tell a period's rows apart, where it has several.
    var keys: [String]
    /// What the place of a row among its period's is called; nil where a period has one row.
    var place: String?
    /// Views of queries that its figures come from.
    var reads: [String]

    init(_ analysis: Analysis) {
        (name, self.analysis, kinds) = (analysis.view, analysis, analysis.kinds)
        switch analysis {
        case .fareTrend:
            columns =
                ["trips", "fare_sum", "fare_mean", "tips_sum", "tips_mean", "total_sum", "total_mean"]
                + [10, 25, 50, 75, 90, 99].map { "fare_p\($0)" } + [
                    "fare_sum_change", "fare_sum_change_year", "partial",
                ]
            reads = ["tripstotal", "faredistribution"]
        case .accumulated:
            columns =
                ["", "_in_year", "_so_far"].flatMap { ending in ["trips", "fare", "tips", "total"].map { $0 + ending } }
                + ["tips_mean", "total_mean", "partial"]
            reads = ["tripstotal"]
        case .areaHotspots:
            columns = ["rank", "pickup_community_area", "area_name"] + Self.hotspotFigures
            reads = ["hotspotcommunitywindow"]
        case .locationHotspots:
            columns = ["rank", "pickup_centroid_location"] + Self.hotspotFigures
            reads = ["hotspotwindow"]
        }
        keys = columns.filter { $0.hasPrefix("pickup_c") }
        place = keys.isEmpty ? nil : "rank"
    }

    init(_ declared: RecomputedDatabase.Declared) {
        let analysis = declared.analysis
        (name, kinds, keys) = (analysis.name, analysis.kinds, analysis.keys)
        columns = analysis.columns + ["partial"]
        place = "row"
        reads = declared.reads
    }

    /// Which days of a period have trips; of no analysis alone.
    static let coverage = PeriodView(
        name: Coverage.view, kinds: PeriodKind.allCases, columns: ["source", "days", "days_with_trips", "coverage"],
        keys: ["source"], place: "row", reads: ["faredistribution", "hotspotcommunitywindow", "hotspotwindow"])

    private init(
        name: String, kinds: [PeriodKind], columns: [String], keys: [String], place: String, reads: [String]
    ) {
        (self.name, self.kinds, self.columns) = (name, kinds, columns)
        (self.keys, self.place, self.reads) = (keys, place, reads)
    }

    private static let hotspotFigures = ["pickups", "share", "top10_days", "days", "persistent", "partial"]
}
