import Foundation
import Monitoring
import Problems
import SQLite
import Stream
import Telemetry
import Time

/// What the page *Now* shows, as JSON and as an event: all numbers are those of committed epochs.
struct NowReport: Encodable {
    struct Day: Encodable {
        var day: String
        var trips: Int64
        var fares: Double?
        var tips: Double?
        /// Trips and fares of each 15 minutes of the day, from its first one on.
        var curve: [CurvePoint]
    }
    struct CurvePoint: Encodable {
        /// ms UTC.
        var startMs: Int64
        var trips: Int64
        var fares: Double
        var tips: Double
    }
    struct Lag: Encodable {
        var records: Int64?
        var seconds: Double?
        var clearSeconds: Double?
        var trend: String?
    }
    struct Process: Encodable {
        var command: String
        var pid: Int32
        var started: String
    }
    struct Query: Encodable {
        var name: String
        var state: String
        var records, results, late, skipped: Int64
        var watermark: String?
        var watermarkLagSeconds: Double?
        var openWindows: Double?
        var stateBytes: Double?
    }
    struct Source: Encodable {
        var partition, records: Int64
        var lagRecords: Int64?
        var lagSeconds, rateIn, rateProcessed, clearSeconds: Double?
        var trend: String?
        var watermark: String?
        var holdsBack: Bool
    }

    var tenant: String
    var time: String
    var zone: String
    /// ok, idle, empty, failing.
    var state: String
    var findings: [HealthReport.Finding]
    var warnings: [String]
    var processes: [Process]
    var day: Day?
    /// Records a second: sent by replays, read by the stream, results that went out.
    var rateSent, rateIn, rateProcessed, rateResults: Double?
    var askedRate: Double?
    var lag: Lag
    var watermark: String?
    var newestEvent: String?
    /// Of the records of the last looks, else of all.
    var latencyP50, latencyP99: Double?
    var queries: [Query]
    var sources: [Source]
    var rejected: [String: Int64]

    init(_ look: TenantLook, before: TenantLook?, day: Day?) {
        (tenant, zone) = (look.tenant, look.zone)
        let clock = try? ZoneClock(identifier: look.zone)
        func text(_ ms: EventTime?) -> String? { ms.map { clock?.iso(ms: $0) ?? RFC3339.string($0) } }
        time = text(look.nowMs) ?? ""
        state = look.findings.isEmpty ? look.status?.state.rawValue ?? "empty" : "failing"
        findings = look.findings.map { HealthReport.Finding($0, of: look) }
        warnings = look.status?.warnings ?? []
        processes = look.numbers.processes.map {
            Process(command: $0.command, pid: $0.pid, started: text($0.startedMs) ?? "")
        }
        self.day = day
        rateSent = look.rate(.replayRecords, since: before)
        rateResults = look.rate(.streamResults, since: before)
        askedRate = look.numbers.greatest(.replayAskedRate)
        let isStreaming = look.numbers.processes.contains { $0.command == "stream" }
        rateIn = isStreaming ? look.sources.compactMap(\.rateIn).reduce(0, +) : nil
        rateProcessed = isStreaming ? look.sources.map(\.rateProcessed).reduce(0, +) : nil
        let records = look.sources.compactMap(\.lagRecords)
        lag = Lag(
            records: records.isEmpty ? look.status?.queries.compactMap(\.lag).max() : records.reduce(0, +),
            seconds: look.sources.compactMap(\.lagSeconds).max(),
            clearSeconds: isStreaming && look.hungSeconds == nil ? look.numbers.greatest(.streamLagClear) : nil,
            trend: isStreaming ? look.trend : nil)
        watermark = text(look.status?.queries.compactMap(\.watermark).min())
        newestEvent = text(look.status?.ingest?.lastEvent)
        let latency = look.latency(since: before)
        (latencyP50, latencyP99) = (latency?.quantile(0.5), latency?.quantile(0.99))
        queries = (look.status?.queries ?? []).map { query in
            Query(
                name: query.name, state: query.state.rawValue, records: query.consumed, results: query.results,
                late: query.late, skipped: query.skipped, watermark: text(query.watermark),
                watermarkLagSeconds: look.numbers.gauge(.streamWatermarkLag, query: query.name),
                openWindows: look.numbers.gauge(.streamOpenWindows, query: query.name),
                stateBytes: look.numbers.gauge(.streamStateBytes, query: query.name))
        }
        sources = look.sources.map {
            Source(
                partition: $0.partition, records: $0.records, lagRecords: $0.lagRecords, lagSeconds: $0.lagSeconds,
                rateIn: $0.rateIn, rateProcessed: $0.rateProcessed, clearSeconds: $0.clearSeconds, trend: $0.trend,
                watermark: text($0.watermark), holdsBack: $0.holdsBack)
        }
        rejected = look.status?.rejected ?? [:]
    }
}

extension NowReport.Day {
    /// The newest local day that has trips, from the windows of `sumFareWindow`.
    ///
    /// - Parameter connection: on results.db; nil where a view of the default queries is not there.
    init?(on connection: Connection, _ clock: ZoneClock) throws {
        guard try connection.hasTable("stored_sumfarewindow"),
            let newest = try connection.integer(
                "SELECT max(window_start_ms) AS window_start_ms FROM stored_sumfarewindow", in: .times)
        else { return nil }
        let number = clock.localDay(ofMs: newest)
        let (start, end) = (clock.startMs(ofLocalDay: number), clock.startMs(ofLocalDay: number + 1))
        day = Calendar.text(ofDay: number)
        curve = try connection.rows(
            """
            SELECT (window_start_ms - ?1) / 900000 AS quarter, sum(trips) AS trips, sum(total_fare_sum) AS fares,
            sum(tips_fare_sum) AS tips FROM stored_sumfarewindow WHERE window_start_ms >= ?1 AND window_start_ms < ?2 GROUP BY 1
            """, .integer(start), .integer(end)
        ) { row throws(SQLiteError) in
            let quarter = try row.integer(0, in: .counts)
            return NowReport.CurvePoint(
                startMs: start + quarter * 900_000, trips: try row.integer(1, in: .counts),
                fares: Double(try row.integer(2, in: .anything)) / 100,
                tips: Double(try row.integer(3, in: .anything)) / 100)
        }
        // Quarters without a trip are part of the picture.
        let known = Dictionary(curve.map { ($0.startMs, $0) }, uniquingKeysWith: { first, _ in first })
        curve = stride(from: start, through: newest, by: 900_000).map {
            known[$0] ?? NowReport.CurvePoint(startMs: $0, trips: 0, fares: 0, tips: 0)
        }
        trips = curve.reduce(0) { $0 + $1.trips }
        (fares, tips) = (curve.reduce(0) { $0 + $1.fares }, curve.reduce(0) { $0 + $1.tips })
    }
}
