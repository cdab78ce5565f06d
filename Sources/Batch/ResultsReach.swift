import SQLite
import Time

/// How far in event time the stored results reach: what makes a period complete.
///
/// A period is complete once the results reach its end. For figures from windows that is known from the newest closed
/// window (or a given watermark): windows close together when the watermark passes them, so all that end before are in.
/// Day totals have no windows to close; for them a trip on a later day says the same.
struct ResultsReach {
    /// The largest end of a closed window, or the watermark; nil where no window has closed.
    var windowsMs: EventTime?
    /// Start of the newest day with trips.
    var totalsMs: EventTime?

    /// - Parameter watermarkMs: the stream's watermark, if known. A bounded run ends with one beyond all time, which says
    ///   that no more will come, not that the period's rest was seen: such a value counts for nothing here.
    init(
        on connection: Connection, totals: DayTotals, windows: [StoredWindows], watermarkMs: EventTime?, zone: ZoneClock
    )
        throws
    {
        let end = zone.startMs(ofLocalDay: Period.supportedDays.upperBound)
        if let watermarkMs, watermarkMs < end { windowsMs = watermarkMs }
        for window in windows {
            guard let closed = try Self.newestClosed(in: window.source.table, before: end, on: connection) else {
                continue
            }
            windowsMs = max(windowsMs ?? .min, closed + window.sizeMs)
        }
        totalsMs = totals.last.map { zone.startMs(ofLocalDay: $0) }
    }

    /// The start of the newest closed window; only a few newer ones are open.
    private static func newestClosed(in table: String, before end: EventTime, on connection: Connection) throws
        -> EventTime?
    {
        try connection.integer(
            "SELECT window_start_ms FROM \(table) WHERE closed > 0 AND window_start_ms < ? ORDER BY window_start_ms DESC LIMIT 1",
            .integer(end), in: .times)
    }

    /// Whether figures of the period may still change in the ordinary course of things.
    func isPartial(_ period: Period, of analysis: Analysis, zone: ZoneClock) -> Bool {
        guard let reached = analysis.usesRollups ? windowsMs ?? totalsMs : latestMs else { return true }
        return reached < zone.startMs(ofLocalDay: period.days.upperBound)
    }

    /// The later of the two.
    var latestMs: EventTime? { [windowsMs, totalsMs].compactMap { $0 }.max() }
}
