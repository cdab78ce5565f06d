import Basics
public import Database
import Problems
import SQLite
public import Topics
public import Time
import YAML

/// Where each query stands, and when its open windows will close: read from the stored checkpoints, whether a stream runs or not.
public struct StreamExplanation: Sendable {
    public struct Partition: Sendable, Equatable {
        public var id: Int
        /// Greatest event time that the query has seen in it.
        public var newest: EventTime?
        /// Next offset that the query reads.
        public var offset: Int64
        /// Records that it has not read; nil for a file.
        public var lag: Int64?
    }

    public struct Window: Sendable, Equatable {
        public var start: EventTime
        public var end: EventTime
        /// The window closes when the event time of every active partition has reached this: its end and the delay.
        public var closesAt: EventTime
    }

    public struct Query: Sendable {
        public var name: String
        /// Nil for a query that has results and is not declared any more.
        public var plan: QueryPlan?
        public var watermark: EventTime?
        /// The topic, or the files' identity; nil for a query that has not run yet.
        public var source: String?
        public var partitions: [Partition] = []
        /// The partition that holds the watermark back; nil where none does.
        public var holder: Int?
        public var openCount: Int64 = 0
        /// The first open windows, by their start.
        public var openWindows: [Window] = []
        public var results: Int64 = 0
        public var late: Int64 = 0
        /// What a person should know, a sentence each.
        public var remarks: [String] = []

        public var lag: Int64? {
            let lags = partitions.compactMap(\.lag)
            return lags.isEmpty ? nil : lags.reduce(0, +)
        }
    }

    public struct Options: Sendable {
        public var delayMs: Int64 = 10_000
        public var idleTimeoutMs: Int64 = 5_000
        /// How many open windows are listed for each query.
        public var windows = 5
        public init() {}
    }

    public var queries: [Query]
    public var isStreamRunning: Bool

    /// Looks at the queries of `plans` and at others that have a checkpoint, on one snapshot of the database.
    ///
    /// - Parameter options: of the stream that runs, or is to run: delay and idle timeout are not stored.
    /// - Throws: `Problem` where something stored is damaged or cannot be read.
    public init(
        database: ResultsDatabase, store: (any TopicStore)?, plans: [QueryPlan], options: Options = Options()
    ) throws {
        let topics = try store?.topics() ?? []
        (queries, isStreamRunning) = try explaining("reading the checkpoints") {
            try database.connection.snapshot {
                let isRunning = try RunLog(database).newestOfEachCommand()
                    .contains { $0.command == "stream" && $0.outcome == .running }
                let zone = try ZoneClock(identifier: database.zone)
                let stored = try CheckpointStore(connection: database.connection).all(plans)
                var queries: [Query] = []
                for (name, plan, checkpoint) in stored {
                    var query = Query(name: name, plan: plan, checkpoint, topics, options)
                    try query.readWindows(from: database.connection, zone, options)
                    query.remark(checkpoint, isRunning: isRunning, zone: zone, options)
                    if plan != nil, let reach = try HistoryReach(on: database.connection, query: name) {
                        query.remarks.append(
                            "It can go back to each of its last \(reach.epochs) epochs, since \(zone.iso(ms: reach.since)): taxi-cli stream rewind."
                        )
                    }
                    queries.append(query)
                }
                for plan in plans where !stored.contains(where: { $0.name == plan.name }) {
                    var query = Query(name: plan.name, plan: plan)
                    query.remarks = ["It has not run yet."]
                    queries.append(query)
                }
                return (queries, isRunning)
            }
        }
    }
}

extension StreamExplanation.Query {
    init(name: String, plan: QueryPlan?) { (self.name, self.plan) = (name, plan) }

    fileprivate init(
        name: String, plan: QueryPlan?, _ checkpoint: QueryCheckpoint, _ topics: [TopicDescription],
        _ options: StreamExplanation.Options
    ) {
        self.init(name: name, plan: plan)
        watermark = [checkpoint.watermark, checkpoint.closedUntil].compactMap(\.self).max()
        (results, late) = (checkpoint.counts.results, checkpoint.counts.late)
        // A query may have read files before it read the topic; the topic is what goes on.
        let topic = topics.first { checkpoint.positions[$0.name] != nil }
        source = topic?.name ?? checkpoint.positions.keys.min()
        guard let source, let position = checkpoint.positions[source] else { return }
        let count = max(position.offsets.count, topic?.partitions.count ?? 0)
        partitions = (0..<count).map { id in
            let end = topic?.partitions.first { $0.id == id }
            let offset = id < position.offsets.count ? position.offsets[id] : end?.startOffset ?? 0
            return StreamExplanation.Partition(
                id: id, newest: id < position.newest.count ? position.newest[id] : nil, offset: offset,
                lag: end.map { max(0, $0.endOffset - max(offset, $0.startOffset)) })
        }
        holder = Self.holder(of: partitions, watermark: watermark, delayMs: options.delayMs)
    }

    /// The partition whose event time is furthest behind among those that the watermark has not passed: one that it has passed was
    /// silent, or read to its end. Before the first watermark a partition without any record holds back those that have some.
    static func holder(
        of partitions: [StreamExplanation.Partition], watermark: EventTime?, delayMs: Int64
    ) -> Int? {
        guard let watermark else {
            return partitions.contains { $0.newest != nil } ? partitions.first { $0.newest == nil }?.id : nil
        }
        let active = partitions.filter { ($0.newest ?? .min) >= watermark + delayMs }
        return active.min { ($0.newest ?? .min) < ($1.newest ?? .min) }?.id
    }

    fileprivate mutating func readWindows(
        from connection: Connection, _ zone: ZoneClock, _ options: StreamExplanation.Options
    ) throws {
        guard let plan, plan.window.isWindowed else { return }
        guard try connection.hasTable(plan.storageTable) else { return }
        openCount =
            try connection.integer("SELECT count(*) FROM \(plan.storageTable) WHERE closed = 0", in: .counts) ?? 0
        let starts = try connection.rows(
            "SELECT window_start_ms FROM \(plan.storageTable) WHERE closed = 0 ORDER BY window_start_ms LIMIT ?",
            .integer(Int64(options.windows))
        ) { row throws(SQLiteError) in try row.integer(0, in: .times) }
        openWindows = starts.map { start in
            let end = plan.window.end(ofWindowFrom: start, zone: zone)
            return StreamExplanation.Window(start: start, end: end, closesAt: end + options.delayMs)
        }
    }

    fileprivate mutating func remark(
        _ checkpoint: QueryCheckpoint, isRunning: Bool, zone: ZoneClock, _ options: StreamExplanation.Options
    ) {
        guard let plan else {
            remarks.append("It is not declared any more; its results stay.")
            return
        }
        let counts = checkpoint.counts
        if let lag, lag > 0, !isRunning {
            remarks.append("\(lag) records wait and no stream runs: start taxi-cli stream.")
        }
        if partitions.allSatisfy({ $0.newest == nil }) {
            remarks.append("It has seen no record yet.")
        } else if counts.aggregated == 0, counts.late == 0 {
            remarks.append(
                "None of its records counts: \(counts.skipped) have no value to group by, \(counts.filtered) do not meet its condition."
            )
        }
        if let holder, partitions.count > 1 { remarks.append(holding(holder, zone, options)) }
        switch plan.emit {
        case .append: break
        case .update:
            remarks.append("Each commit emits the windows that changed; a window takes trips until it closes.")
        case .complete: remarks.append("Each commit emits the result; there is no window to wait for.")
        }
        if plan.window.isWindowed, openCount == 0, counts.aggregated > 0 { remarks.append("No window is open.") }
        if let first = openWindows.first, let least = holder.flatMap({ partitions[$0].newest }) ?? newest {
            let missingMs = first.closesAt - least
            remarks.append(
                missingMs > 0
                    ? "Its first open window closes when event time reaches \(zone.iso(ms: first.closesAt)), \(durationText(ms: missingMs)) from here."
                    : "Its first open window closes with the next records.")
        }
    }

    private var newest: EventTime? { partitions.compactMap(\.newest).max() }

    private func holding(_ holder: Int, _ zone: ZoneClock, _ options: StreamExplanation.Options) -> String {
        let release =
            "until it goes on, or is silent for \(durationText(ms: options.idleTimeoutMs)) while others go on"
        guard let own = partitions[holder].newest else {
            return "Partition \(holder) has no record yet and holds the watermark back \(release)."
        }
        let behindMs = (newest ?? own) - own
        return behindMs == 0
            ? "All partitions are equally far."
            : "Partition \(holder) is \(durationText(ms: behindMs)) of event time behind the furthest one and holds the watermark back \(release)."
    }
}
