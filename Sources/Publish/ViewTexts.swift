/// Types and meanings of the columns of the views that come with taxi-cli, and of nobody else's.
///
/// The columns themselves are a promise: docs/GUIDE.md, "The public views".
public enum ViewTexts {
    /// Whether rows of the view are told apart by these columns; nil where it is none of ours.
    public static func key(of view: String) -> [String]? {
        switch view {
        case "fare_trend", "accumulated_metrics": ["period_kind", "period"]
        case "area_hotspots", "location_hotspots": ["period_kind", "period", "rank"]
        case "period_coverage": ["period_kind", "period", "source"]
        case "runs": ["id"]
        case "workflow_runs": ["run_id"]
        case "workflow_steps": ["run_id", "step", "attempt"]
        case "ml_results": ["run_id", "step", "position"]
        case "sources": ["partition"]
        case "vintages": ["name"]
        default: nil
        }
    }

    public static func about(of view: String) -> String {
        switch view {
        case "fare_trend": "Months, quarters and years: how much was paid, and how fares are distributed"
        case "accumulated_metrics": "Months and years: totals, of the year so far, and since the first trip"
        case "area_hotspots": "Community areas by their pickups, of each month, quarter and year"
        case "location_hotspots": "Pickup points by their pickups, of each month, quarter and year"
        case "period_coverage": "On how many of its local days a month, quarter or year has trips, by query"
        case "runs": "Every run of a command or workflow"
        case "alerts": "Alerts that were raised"
        case "sources": "How far each partition of the source is read"
        case "workflow_runs": "Runs of workflows"
        case "workflow_steps": "Steps of runs of workflows"
        case "ml_results": "What models answered"
        case "vintages": "Earlier answers that were kept"
        case "sumfarewindow": "What was earned, every five seconds in which a trip began"
        case "tripstotal": "Trips and money of each local day"
        case "faredistribution": "Fares of each hour by buckets of about one percent"
        case "hotspotcommunitywindow": "Pickups by community area, a minute every thirty seconds"
        case "hotspotwindow": "Pickups by point, a minute every thirty seconds"
        default: ""
        }
    }

    /// A column of a view of taxi-cli's own that is no query's.
    ///
    /// - Parameter isMix: of an analysis such as `payment_mix`, or `taxis_out`.
    public static func column(_ name: String, of view: String, isAnalysis: Bool) -> PublishedColumn {
        let (type, about) = isAnalysis ? analysis(name) : other(name, of: view)
        return PublishedColumn(name, type, about)
    }

    private static func other(_ name: String, of view: String) -> (PublishedType?, String) {
        switch (view, name) {
        case (_, "started"), (_, "ended"): (.timestamptz, "")
        case (_, "interval_start"), (_, "interval_end"): (.timestamptz, "of the data interval, half-open")
        case ("alerts", "raised"): (.timestamptz, "the end of the window")
        case (_, "window_start"), (_, "made"), (_, "updated"): (.timestamptz, "")
        case ("sources", "watermark"): (.timestamptz, "no trip at or before it is still expected")
        case ("alerts", "value"): (.double, "of the condition's first comparison")
        case ("runs", "outcome"): (.text, "running, success, failed or interrupted")
        case ("runs", "summary"), ("ml_results", "result"): (.text, "JSON")
        case ("sources", "holds_back"): (.smallint, "1 where the watermark waits for this partition")
        case ("sources", "partition"), ("sources", "records"), ("sources", "lag_records"): (.bigint, "")
        case ("sources", "lag_seconds"), ("sources", "clear_seconds"): (.double, "seconds")
        case ("sources", "rate_in"), ("sources", "rate_processed"): (.double, "records a second")
        case ("workflow_steps", "attempt"), ("ml_results", "position"), ("vintages", "rows"): (.bigint, "")
        default: (.text, "")
        }
    }

    /// Units are those of `ResultView`.
    private static func analysis(_ name: String) -> (PublishedType?, String) {
        switch name {
        case "period_kind": (.text, "month, quarter or year")
        case "period": (.text, "2024-04, 2024-Q2 or 2024, local")
        case "rank": (.bigint, "1 has the most pickups")
        case "source": (.text, "the view of a query")
        case "pickup_community_area", "hour": (.bigint, "")
        case "partial": (.smallint, "1 where results do not cover the period to its end")
        case "persistent": (.smallint, "1 where it is among the ten busiest on three quarters of the days")
        case "share": (.double, "fraction of the period")
        case "coverage": (.double, "days with trips as a fraction of the days")
        case _ where name.contains("_change"): (.double, "change as a fraction")
        case _ where name.hasPrefix("share_") || name.hasSuffix("_share"): (.double, "fraction")
        case "trips_a_taxi": (.double, "")
        case _ where name.hasSuffix("_a_mile") || name.hasSuffix("_a_minute") || name.hasSuffix("_a_taxi"):
            (.double, "US dollars")
        case "top10_days": (.bigint, "days among the day's ten busiest")
        case "days": (.bigint, "local days")
        case "days_with_trips", "hours", "taxi_hours", "taxis_most", "taxis_ever", "pickups": (.bigint, "")
        case _ where name.hasPrefix("trips"): (.bigint, "")
        case "taxis": (.numeric(decimals: 2), "mean of the hours")
        case "miles": (.numeric(decimals: 6), "miles")
        case "minutes": (.numeric(decimals: 2), "minutes")
        case _ where ["fare", "tips", "total"].contains { name == $0 || name.hasPrefix($0 + "_") }:
            (.numeric(decimals: 2), "US dollars")
        default: (.text, "")
        }
    }
}
