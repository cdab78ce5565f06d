public import Time
public import Trips

/// What a stream has done so far in this run.
public struct StreamSummary: Sendable, Equatable {
    /// Records read, whether used or rejected.
    public var records: Int64 = 0
    public var rejected: [RejectReason: Int64] = [:]
    /// By query.
    public var late: [String: Int64] = [:]
    /// By query: records that were merged into windows which they were late for.
    public var lateMerged: [String: Int64] = [:]
    /// By query: records of a time that newer files stand for, which are in no result.
    public var restated: [String: Int64] = [:]
    public var results: [String: Int64] = [:]
    /// Records, or offsets of a topic at least, that were removed before they were read.
    public var lost: Int64 = 0
    public var epochs: Int64 = 0
    public var watermark: EventTime?
    public var seconds = 0.0
    /// Why results are stored and not in their topics, where a broker was away when the stream was stopped; the next start sends them.
    public var unsentReason: String?

    /// Records that were not rejected.
    public var used: Int64 { records - rejected.values.reduce(0, +) }
    public var rate: Double { seconds > 0 ? Double(records) / seconds : 0 }
    public init() {}

    /// Adds what was done over the next source of the same run.
    public mutating func add(_ other: StreamSummary) {
        records += other.records
        lost += other.lost
        epochs += other.epochs
        seconds += other.seconds
        rejected.merge(other.rejected, uniquingKeysWith: +)
        for counts in [\StreamSummary.late, \.lateMerged, \.restated, \.results] {
            self[keyPath: counts].merge(other[keyPath: counts], uniquingKeysWith: +)
        }
        (watermark, unsentReason) = (other.watermark ?? watermark, other.unsentReason ?? unsentReason)
    }
}

/// What a stream shows while it runs.
public struct StreamProgress: Sendable {
    public var summary: StreamSummary
    public var newest: EventTime?
    public var openWindows: Int
    /// Records in the source that are not read yet.
    public var lag: Int64
}

extension StreamSummary {
    /// One JSON object on one line, with the keys of `--summary-json`.
    public func json(zone: ZoneClock) -> String {
        func object(_ counts: [String: Int64]) -> String {
            "{" + counts.sorted { $0.key < $1.key }.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
        }
        func number(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
        let reasons = Dictionary(uniqueKeysWithValues: rejected.map { ($0.key.rawValue, $0.value) })
        let merged = lateMerged.values.contains { $0 > 0 } ? ",\"late_merged\":\(object(lateMerged))" : ""
        let left = restated.values.contains { $0 > 0 } ? ",\"restated\":\(object(restated))" : ""
        return """
            {"records":\(records),"rejected":\(object(reasons)),"late":\(object(late)),"results":\(object(results)),\
            "epochs":\(epochs),"watermark":\(watermark.map { "\"\(zone.iso(ms: $0))\"" } ?? "null"),\
            "seconds":\(number(seconds)),"rate":\(number(rate))\(merged)\(left)\(lost > 0 ? ",\"lost\":\(lost)" : "")}
            """
    }
}
