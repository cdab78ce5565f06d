/// What a metric is: its name, type and help as Prometheus shows them.
///
/// Names follow Prometheus' rules: base units, counters end with `_total`. Source: "Metric and label naming", prometheus.io.
public struct Metric: Sendable {
    public enum Kind: String, Sendable {
        /// Only grows; a process begins at 0.
        case counter
        case gauge
        /// Observations in buckets, counted and summed up.
        case histogram
    }

    public let name: String
    public let kind: Kind
    public let help: String

    init(_ name: String, _ kind: Kind, _ help: String) { (self.name, self.kind, self.help) = (name, kind, help) }
}

extension Metric {
    // MARK: Replay

    public static let replayRecords = Metric(
        "taxi_replay_records_total", .counter, "Trips that produce has sent, by topic.")
    public static let replayBytes = Metric(
        "taxi_replay_bytes_total", .counter, "Bytes of batches that produce has handed to topics.")
    public static let replayRejected = Metric(
        "taxi_replay_rejected_total", .counter, "Rows that produce has rejected, by reason.")
    public static let replayAskedRate = Metric(
        "taxi_replay_asked_rate", .gauge, "Trips a second that the pace of the replay asks for now.")
    public static let replayBehind = Metric(
        "taxi_replay_behind_seconds", .gauge, "How late the last trips were stored, measured from when they were due.")
    public static let replayRecent = Metric(
        "taxi_replay_recent_ratio", .gauge,
        "Share of the rows of the last seconds that became something else than a record.")
    public static let replayFaults = Metric(
        "taxi_replay_fault_total", .counter,
        "Records that were changed, doubled, dropped or delayed on purpose, by kind.")

    // MARK: Stream

    public static let streamRecords = Metric(
        "taxi_stream_records_total", .counter, "Records that were committed, rejected ones aside, by query.")
    public static let streamInputBytes = Metric(
        "taxi_stream_input_bytes_total", .counter, "Bytes of batches that the stream has read and committed.")
    public static let streamResults = Metric(
        "taxi_stream_results_total", .counter, "Windows and groups that went out as results, by query.")
    public static let streamLate = Metric(
        "taxi_stream_late_total", .counter, "Records that came too late for their windows and were dropped, by query.")
    public static let streamSkipped = Metric(
        "taxi_stream_skipped_total", .counter, "Records without a value to group by, by query.")
    public static let streamRejected = Metric(
        "taxi_stream_rejected_total", .counter, "Records that the stream has rejected, by reason.")
    public static let streamDeadLetters = Metric(
        "taxi_stream_dead_letters_total", .counter,
        "Records that the stream has put into the dead-letter topic, by reason.")
    public static let streamLagRecords = Metric(
        "taxi_stream_lag_records", .gauge, "Records of a partition that are not committed yet.")
    public static let streamLagSeconds = Metric(
        "taxi_stream_lag_seconds", .gauge, "How long the oldest record that is not committed has been in its partition."
    )
    public static let streamLagClear = Metric(
        "taxi_stream_lag_clear_seconds", .gauge, "Time until the lag is gone at the present rates; +Inf where it grows."
    )
    public static let streamWatermarkLag = Metric(
        "taxi_stream_watermark_lag_seconds", .gauge, "How far the watermark trails the newest event time, by query.")
    public static let streamWatermarkStalled = Metric(
        "taxi_stream_watermark_stalled_seconds", .gauge,
        "How long records have come and a partition has held the watermark back; 0 while it moves.")
    public static let streamRecent = Metric(
        "taxi_stream_recent_ratio", .gauge, "Share of the records of the last seconds, by what became of them.")
    public static let streamOpenWindows = Metric(
        "taxi_stream_open_windows", .gauge, "Windows that are open, by query.")
    public static let streamStateBytes = Metric(
        "taxi_stream_state_bytes", .gauge, "Memory of the open windows' states, by query.")
    public static let streamEpoch = Metric(
        "taxi_stream_epoch_seconds", .histogram, "From the first read of an epoch to its commit.")
    public static let streamStage = Metric(
        "taxi_stream_stage_seconds", .histogram, "Time that a stage of an epoch took, all threads together.")
    public static let streamLatency = Metric(
        "taxi_stream_latency_seconds", .histogram, "From the append of a record to its commit.")
    public static let streamRestarts = Metric(
        "taxi_stream_restarts_total", .counter, "Streams that began where an earlier one had not ended by itself.")

    // MARK: What the databases tell

    public static let topicRecords = Metric(
        "taxi_topic_records_total", .counter, "Records that were appended to a topic.")
    public static let topicBytes = Metric(
        "taxi_topic_bytes", .gauge, "Bytes of a topic's records, where the backend tells.")
    public static let workflowRuns = Metric(
        "taxi_workflow_runs_total", .counter, "Runs of workflows that are on record, by state.")
    public static let workflowRunSeconds = Metric(
        "taxi_workflow_run_seconds", .histogram, "How long runs of workflows took.")
    public static let workflowQueue = Metric(
        "taxi_workflow_queue_seconds", .gauge, "How long the oldest run that waits has waited.")
    public static let alerts = Metric("taxi_alerts_total", .counter, "Alerts that were raised, by name.")
    public static let mlRequests = Metric(
        "taxi_ml_requests_total", .counter, "Requests to models, by their outcome.")

    // MARK: Processes and health

    public static let processCPU = Metric(
        "taxi_process_cpu_seconds_total", .counter, "Time on a core, user and system, by command.")
    public static let processResident = Metric(
        "taxi_process_resident_bytes", .gauge, "Memory in use, files that are mapped included, by command.")
    public static let health = Metric("taxi_health", .gauge, "1 where a rule of health holds, 0 where it does not.")
    public static let buildInfo = Metric("taxi_build_info", .gauge, "1; its labels tell the build.")

    /// In the order in which they are exposed.
    public static let all: [Metric] = [
        replayRecords, replayBytes, replayRejected, replayAskedRate, replayBehind, replayRecent, replayFaults,
        streamRecords, streamInputBytes,
        streamResults, streamLate, streamSkipped, streamRejected, streamDeadLetters, streamLagRecords, streamLagSeconds,
        streamLagClear, streamWatermarkLag, streamWatermarkStalled, streamRecent, streamOpenWindows, streamStateBytes,
        streamEpoch, streamStage, streamLatency,
        streamRestarts, topicRecords, topicBytes, workflowRuns, workflowRunSeconds, workflowQueue, alerts, mlRequests,
        processCPU,
        processResident, health, buildInfo,
    ]

    /// Upper bounds of a histogram's buckets in seconds: 1, 2 and 5 of each power of ten.
    public static let bounds: [Double] = [
        0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200,
        500, 1000,
        2000, 5000, 10000, 20000, 50000,
    ]
}
