import Basics
import CommandLine
import Stream
import Time
import Trips

/// What `stream` says while it runs, and at its end.
extension StreamCommand {
    static func text(_ progress: StreamProgress, _ zone: ZoneClock) -> String {
        let summary = progress.summary
        var parts = ["\(grouped(summary.records)) trips", "lag \(grouped(progress.lag))"]
        // What is wrong stands where a narrow screen shows it.
        let late = summary.late.values.max() ?? 0
        if late > 0 { parts.append("\(grouped(late)) late") }
        for (reason, count) in summary.rejected.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            parts.append("rejected \(grouped(count)) \(reason.rawValue)")
        }
        if let newest = progress.newest, let watermark = summary.watermark {
            parts.append(
                "watermark \(roundedDurationText(ms: max(0, newest - watermark))) behind \(zone.iso(ms: newest))")
        }
        parts.append("\(grouped(Int64(progress.openWindows))) windows open")
        parts.append("\(grouped(summary.results.values.reduce(0, +))) results")
        return parts.joined(separator: "  ")
    }

    /// Why a query that takes every trip which has a value, whenever it comes, has counted none.
    private static func idleReason(_ plan: QueryPlan, isComplete: Bool) -> String {
        guard plan.window == .none || isComplete else { return "" }
        var names = plan.groups.compactMap { $0.field?.name }
        if case .isNotNull(.field(let field))? = plan.filter {
            names.append(field.name)
        } else if plan.filter != nil {
            return ""
        }
        if names.isEmpty { return "" }
        return ", since no trip has a \(names.joined(separator: " and a "))"
    }

    /// - Parameters:
    ///   - isComplete: whether the run has closed all windows.
    ///   - merges: whether late trips were merged wherever their windows are still there.
    ///   - counted: queries that have results, of this run or of earlier ones.
    static func text(
        _ summary: StreamSummary, _ plans: [QueryPlan], _ zone: ZoneClock, isComplete: Bool, counted: Set<String>,
        merges: Bool
    ) -> String {
        var lines = [
            "\(grouped(summary.records)) trips in \(fixed(summary.seconds, decimals: 2)) s, \(grouped(Int64(summary.rate)))/s, \(grouped(summary.epochs)) epochs"
        ]
        for plan in plans {
            let late = summary.late[plan.name] ?? 0
            let merged = summary.lateMerged[plan.name] ?? 0
            let results = summary.results[plan.name] ?? 0
            let restated = summary.restated[plan.name] ?? 0
            lines.append(
                "  \(plan.name): \(grouped(results)) results"
                    + (late > 0
                        ? ", \(grouped(late)) trips late"
                            + (merges ? " for windows that batch --retain-windows has removed" : "") : "")
                    + (merged > 0 ? ", \(grouped(merged)) late trips merged into closed windows" : "")
                    + (restated > 0 ? ", \(grouped(restated)) trips left out: newer files stand for their time" : "")
                    + (results == 0 && late + restated == 0 && summary.used > 0 && !counted.contains(plan.name)
                        ? idleReason(plan, isComplete: isComplete) : ""))
        }
        for (reason, count) in summary.rejected.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            lines.append("  rejected \(grouped(count)) \(reason.rawValue)")
        }
        if summary.lost > 0 {
            lines.append("  lost \(grouped(summary.lost)) records, which were removed before they were read")
        }
        if let watermark = summary.watermark { lines.append("  watermark \(zone.iso(ms: watermark))") }
        if let reason = summary.unsentReason {
            lines.append("  not sent: messages of the last epochs; \(reason). The next start sends them")
        }
        return lines.joined(separator: "\n")
    }
}
