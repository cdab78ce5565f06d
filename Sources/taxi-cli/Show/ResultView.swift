import Batch
import CommandLine
import Database
import SQLite
import Stream

/// A public view of the results, or the columns that a query of a person's own gives.
struct ResultView: Sendable, Equatable {
    var name: String
    var columns: [String]

    /// Rows of analytics: `fare_trend` and its like.
    var isPeriodic: Bool { columns.starts(with: ["period_kind", "period"]) }
    /// Rows of analytics with a rank: hot spots.
    var isRanked: Bool { isPeriodic && columns.contains("rank") }
    /// Rows of analytics that share out a period's trips, such as `payment_mix`: those with the most come first.
    var isMix: Bool { isPeriodic && !isRanked && columns.contains("share") && columns.contains("trips") }
    /// Rows of the hours of the day.
    var isHourly: Bool { name == "taxis_out" }
    /// Whether a period has a row for each place, kind or hour: then the newest period is what people look at.
    var hasPlaces: Bool { isRanked || isMix || isHourly }
    /// What a bar shows; nil where there are none.
    var barColumn: String? { isRanked ? "pickups" : isMix ? "trips" : isHourly ? "taxis" : nil }
}

extension ResultView {
    /// What the values of a column are.
    enum Unit: Sendable { case count, money, share, flag, json, other }

    /// Of a column of taxi-cli's own views; of any other view nothing is known but the values themselves.
    func unit(ofColumn index: Int) -> Unit {
        let column = columns[index]
        // Each row of an analysis has it, whoever declared that.
        if isPeriodic, column == "partial" { return .flag }
        guard Self.own.contains(name) else { return .other }
        switch column {
        case "persistent": return .flag
        // Summaries of runs are JSON.
        case "summary" where name == "runs": return .json
        case "count", "pickups": return .count
        case _ where column.hasPrefix("trips") && !column.contains("_change") && column != "trips_a_taxi": return .count
        case "taxi_hours", "taxis_most", "taxis_ever": return .count
        case "taxis" where name == "taxisout": return .count
        case "share", "coverage": return .share
        case _ where column.hasPrefix("share_") || column.hasSuffix("_share") || column.contains("_change"):
            return .share
        // Dollars; their cents are exact in a double.
        case _ where ["fare", "tips", "total", "trip_total"].contains { column.hasPrefix($0) }: return .money
        default: return .other
        }
    }

    /// A cell for programs.
    func plain(_ value: SQLValue, column: Int) -> Table.Value {
        if case .text(let text) = value, unit(ofColumn: column) == .json { return .json(text) }
        return ResultPicture.plain(value)
    }

    /// The views that come with taxi-cli; nobody else's can have these names.
    private static let own: Set<String> = {
        let queries = (try? QueryCatalog.load(analytics: true).map(\.table)) ?? []
        return Set(
            queries + AnalysisCatalog.names(folder: "").keys + [
                Coverage.view, "runs", "alerts", "workflow_runs", "workflow_steps",
            ])
    }()
}
