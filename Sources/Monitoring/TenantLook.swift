public import Database
import Glibc
import Problems
import SQLite
import Serve
public import Stream
public import Telemetry
public import Topics
public import Time

/// What somebody who watches needs of a tenant.
public struct WatchedTenant: Sendable {
    public var home: TenantHome
    /// The time zone of its settings, which counts until there are results.
    public var zone: String
    /// The declared queries.
    public var plans: @Sendable () throws -> [QueryPlan]
    /// The tenant's topics; nil where there are none yet.
    public var openTopics: @Sendable () throws -> (any TopicStore)?

    public init(
        _ home: TenantHome, zone: String = ResultsDatabase.defaultZone,
        plans: @escaping @Sendable () throws -> [QueryPlan],
        openTopics: @escaping @Sendable () throws -> (any TopicStore)?
    ) {
        (self.home, self.zone) = (home, zone)
        (self.plans, self.openTopics) = (plans, openTopics)
    }
}

/// A tenant at one moment: its live numbers, what its databases say, and its health.
public struct TenantLook: Sendable {
    public var tenant: String
    public var nowMs: EventTime
    /// The tenant's time zone.
    public var zone: String
    public var numbers: TenantNumbers
    /// nil where the databases cannot be read: see `findings`.
    public var status: StreamStatus?
    public var topics: [TopicDescription] = []
    public var sources: [SourceStatus] = []
    public var workflows = WorkflowNumbers()
    /// By name.
    public var alerts: [(name: String, count: Int64)] = []
    /// The rules that do not hold.
    public var findings: [HealthFinding] = []
    /// For how long a stream that runs has said nothing while records wait, in seconds; nil where it works.
    public var hungSeconds: Double?

    /// Where a disk is full: less than this share, and less than this many bytes, are left.
    static let leastFreeShare = 0.02
    static let leastFreeBytes: UInt64 = 256 << 20
    /// How long a lag may grow, and the watermark stand while records come, in seconds.
    static let patienceSeconds = 8.0

    /// Looks at everything once; changes nothing. What cannot be read becomes a finding.
    public init(_ watched: WatchedTenant, nowMs: EventTime) {
        self.init(unread: watched, nowMs)
        do { try read(watched) } catch {
            let problem = error as? Problem
            findings.append(
                HealthFinding(.storage, problem?.message ?? "\(error)", remedy: problem?.hint ?? "See taxi-cli doctor.")
            )
        }
        judge(watched.home)
        noteSince(watched.home)
    }

    /// The same for somebody who wants to know why it cannot be read.
    ///
    /// - Throws: `Problem` where something stored is damaged or cannot be read; a broker that is away is a finding.
    public init(reading watched: WatchedTenant, nowMs: EventTime) throws {
        self.init(unread: watched, nowMs)
        try read(watched)
        judge(watched.home)
        noteSince(watched.home)
    }

    private init(unread watched: WatchedTenant, _ nowMs: EventTime) {
        (tenant, self.nowMs, zone) = (watched.home.tenant, nowMs, watched.zone)
        numbers = TenantNumbers(watched.home)
    }

    private mutating func read(_ watched: WatchedTenant) throws {
        var store: (any TopicStore)?
        var unreachable: Problem?
        do { store = try watched.openTopics() } catch let problem as Problem
            where problem.code == .unavailable || problem.code == .noPermission
        {
            // What the database says is worth knowing all the same.
            unreachable = problem
        }
        topics = try store?.topics() ?? []
        let database = try ResultsDatabase.openReadOnlyIfAny(path: watched.home.resultsDB)
        var (plans, mistake): ([QueryPlan], Problem?) = ([], nil)
        do { plans = try watched.plans() } catch let problem as Problem { mistake = problem }
        let status = try StreamStatus(
            tenant: tenant, database: database, store: store, plans: plans, unreachable: unreachable)
        self.status = status
        findings = status.findings
        if let mistake {
            // What is stored is worth knowing all the same.
            let place = mistake.location.map { "\($0): " } ?? ""
            add(
                .stream, "no stream can start, for a mistake in what is declared: \(place)\(mistake.message)",
                mistake.hint ?? "taxi-cli stream queries --check lists all of them.")
        }
        if let database { try read(database, store, watched.home) }
    }

    private mutating func read(
        _ database: ResultsDatabase, _ store: (any TopicStore)?, _ home: TenantHome
    ) throws {
        zone = try database.zone
        let connection = database.connection
        try judgeModels(on: connection, home)
        try connection.snapshot {
            sources = try SourceStatus.all(on: connection)
            if !numbers.processes.contains(where: { $0.command == "stream" }) {
                // What the last stream saw is over; how far it came is stored.
                sources = sources.map { $0.atRest(lag: status?.partitionLags[$0.partition]) }
            } else {
                try noteHanging(store)
            }
            workflows = try WorkflowNumbers(on: connection, nowMs: nowMs)
            alerts = try connection.rows(
                "SELECT name, count(*) AS count FROM stored_alerts GROUP BY name ORDER BY name"
            ) { row throws(SQLiteError) in
                (name: try row.storedText(0), count: try row.integer(1, in: .counts))
            }
        }
    }

    /// A process that lives and does nothing (a disk that does not answer, a lock, SIGSTOP) says nothing of it: its numbers stand still, and
    /// so does how far it has come, while its topic goes on.
    private mutating func noteHanging(_ store: (any TopicStore)?) throws {
        let topic = "\(tenant)_ingestData"
        guard let last = sources.map(\.updated).max(), sources.allSatisfy({ $0.source == topic }),
            // What another process has said is not this one's silence.
            numbers.processes.contains(where: { $0.command == "stream" && $0.startedMs <= last }),
            case let silent = Double(nowMs - last) / 1000, silent >= Self.patienceSeconds
        else { return }
        let waits = try sources.contains { source in
            guard let lag = status?.partitionLags[source.partition], lag > 0 else { return false }
            guard let store = store as? EmbeddedTopicStore else {
                // Ends of Kafka's topics count marks of transactions too.
                return source.lagRecords.map { $0 > 0 && lag >= $0 } ?? false
            }
            let reader = try store.makeReader(topic: topic)
            let oldest = try reader.appendTime(partition: Int(source.partition), of: source.records)
            return oldest.map { Double(nowMs - $0) / 1000 >= Self.patienceSeconds } ?? false
        }
        guard waits else { return }
        hungSeconds = silent
        sources = sources.map { $0.hanging(lag: status?.partitionLags[$0.partition], for: silent) }
    }

    /// The rules that live numbers and the machine decide.
    private mutating func judge(_ home: TenantHome) {
        let isStreaming = numbers.processes.contains { $0.command == "stream" }
        if let hungSeconds {
            let waiting = sources.compactMap(\.lagRecords).reduce(0, +)
            findings.append(
                HealthFinding(
                    .lag, "the stream has stood still for \(Int(hungSeconds)) s, and \(waiting) records wait",
                    remedy:
                        "See what it waits for (its log; taxi-cli doctor looks at the disk), or end it and start it again: nothing is lost or counted twice."
                ))
        } else if isStreaming {
            let growing = sources.filter { $0.trend == "growing" && ($0.lagSeconds ?? 0) >= Self.patienceSeconds }
            if let worst = growing.max(by: { ($0.lagRecords ?? 0) < ($1.lagRecords ?? 0) }) {
                findings.append(
                    HealthFinding(
                        .lag,
                        "the stream falls behind: \(worst.lagRecords ?? 0) records of partition \(worst.partition) wait, the oldest for \(Int(worst.lagSeconds ?? 0)) s, and more come in (\(Int(worst.rateIn ?? 0))/s) than go out (\(Int(worst.rateProcessed))/s)",
                        remedy: limit(home).map {
                            "The tenant's limit of \($0) holds the stream back: raise it in serve.yaml, or send more slowly: taxi-cli produce --set-rate."
                        }
                            ?? "Add partitions, so that --workers can share the work, or send more slowly: taxi-cli produce --set-rate."
                    ))
            }
            if let stalled = numbers.greatest(.streamWatermarkStalled), stalled >= Self.patienceSeconds {
                let holder = sources.first(where: \.holdsBack).map { "; partition \($0.partition) holds it back" } ?? ""
                findings.append(
                    HealthFinding(
                        .watermark,
                        "records come and the watermark has stood for \(Int(stalled)) s, so that no window closes\(holder)",
                        remedy:
                            "A partition without new event times holds all back until --idle-timeout; see taxi-cli stream explain --watch."
                    ))
            }
        }
        judgeRecent()
        judgeDisk(home)
        judgeServices(home)
    }

    /// What became of the records of the last seconds: a run that was right for hours may have gone wrong just now.
    private mutating func judgeRecent() {
        for (metric, command) in [(Metric.streamRecent, "stream"), (.replayRecent, "produce")] {
            guard numbers.processes.contains(where: { $0.command == command }) else { continue }
            for series in numbers.all(metric) {
                guard case .gauge(let share) = series.value, share > 0.5 else { continue }
                let percent = "\(Int((share * 100).rounded())) %"
                let query = series.label("query").map { " for query \"\($0)\"" } ?? ""
                switch series.label("outcome") {
                case "rejected":
                    add(
                        .rejects, "\(command) rejects \(percent) of the records that come now",
                        "taxi-cli dead-letter show has them, with the reason and the place of each.")
                case "late":
                    add(
                        .late, "\(percent) of the records that come now are too late\(query)",
                        "--late update merges them; a record far ahead has moved the watermark, or older files follow newer ones."
                    )
                case "skipped" where share > 0.95:
                    add(
                        .results, "\(percent) of the records that come now have no value to group by\(query)",
                        "taxi-cli data profile says which columns of a file have values.")
                default: break
                }
            }
        }
    }

    private mutating func add(_ rule: HealthRule, _ what: String, _ remedy: String) {
        guard !findings.contains(where: { $0.rule == rule }) else { return }
        findings.append(HealthFinding(rule, what, remedy: remedy))
    }

    /// What serve could not keep running; where no serve runs nothing is known.
    private mutating func judgeServices(_ home: TenantHome) {
        guard let serve = ServeState.read(home: home.home) else { return }
        let own = serve.services.filter { $0.tenant == tenant }
        if let failed = own.first(where: { $0.state == .failed }) {
            findings.append(
                HealthFinding(
                    .services,
                    "service \(failed.service) has failed, and is not started again: \(failed.why ?? "no reason is known")",
                    remedy: "Mend it, and have serve try again: kill -HUP \(serve.pid).", sinceMs: failed.sinceMs))
        } else if let full = own.first(where: { $0.state == .full }) {
            findings.append(
                HealthFinding(
                    .services,
                    "service \(full.service) is full: \(full.why ?? "the tenant's share of the disk is used")",
                    remedy: "Make room, or raise limits: {disk: …} in serve.yaml.", sinceMs: full.sinceMs))
        }
    }

    /// The limit of serve.yaml that holds the tenant's stream back; nil for none.
    private func limit(_ home: TenantHome) -> String? {
        ServeState.read(home: home.home)?.services.first { $0.tenant == tenant && $0.limited != nil }?.limited
    }

    private mutating func judgeDisk(_ home: TenantHome) {
        var disk = statvfs()
        guard statvfs(home.path, &disk) == 0, disk.f_blocks > 0 else { return }
        let free = UInt64(disk.f_bavail) * UInt64(disk.f_frsize)
        guard Double(disk.f_bavail) < Double(disk.f_blocks) * Self.leastFreeShare, free < Self.leastFreeBytes else {
            return
        }
        findings.append(
            HealthFinding(
                .disk, "the disk of \"\(home.path)\" is full: \(free >> 20) MiB are left",
                remedy:
                    "Make room: topics keep trips for ever unless made with --retention; stream --retain-windows removes old windows."
            ))
    }

    private mutating func noteSince(_ home: TenantHome) {
        guard let known = (try? MetricsDatabase.openIfAny(home)?.failingSince()) ?? nil else { return }
        for index in findings.indices where findings[index].sinceMs == nil {
            findings[index].sinceMs = known[findings[index].rule]
        }
    }

    /// How much a counter has grown a second since an earlier look; nil where the two are no 0.2 s apart.
    public func rate(_ metric: Metric, since before: TenantLook?) -> Double? {
        guard let before, nowMs - before.nowMs > 200 else { return nil }
        return max(0, Double(numbers.total(metric) - before.numbers.total(metric))) * 1000
            / Double(nowMs - before.nowMs)
    }

    /// Latencies since an earlier look; all of them where there were none since.
    public func latency(since before: TenantLook?) -> HistogramCounts? {
        let all = numbers.histogram(.streamLatency)
        let recent = before?.numbers.histogram(.streamLatency).flatMap { all?.since($0) }
        return recent.flatMap { $0.count > 0 ? $0 : nil } ?? all
    }

    /// Whether the lag grows or shrinks: growing where that of any partition does.
    public var trend: String? {
        let trends = sources.compactMap(\.trend)
        return ["growing", "draining", "steady"].first(where: trends.contains)
    }

    /// 1 for each rule that holds, 0 for others.
    public var health: [(rule: HealthRule, holds: Bool)] {
        let failing = Set(findings.map(\.rule))
        return HealthRule.allCases.map { ($0, !failing.contains($0)) }
    }
}

/// A row of the view `sources`.
public struct SourceStatus: Sendable, Equatable {
    /// A topic, or a file's identity.
    public var source: String
    public var partition: Int64
    public var records: Int64
    public var lagRecords: Int64?
    public var lagSeconds: Double?
    public var rateIn: Double?
    public var rateProcessed: Double
    /// nil where the lag does not shrink, or is not known.
    public var clearSeconds: Double?
    public var trend: String?
    public var watermark: EventTime?
    public var holdsBack: Bool
    public var updated: EventTime

    /// While nobody reads it.
    func atRest(lag: Int64?) -> SourceStatus {
        var rest = self
        (rest.lagRecords, rest.lagSeconds, rest.rateIn, rest.rateProcessed) = (lag, nil, nil, 0)
        (rest.clearSeconds, rest.trend) = (nil, nil)
        return rest
    }

    /// While whoever reads it hangs.
    func hanging(lag: Int64?, for seconds: Double) -> SourceStatus {
        var hanging = self
        (hanging.lagRecords, hanging.lagSeconds) = (lag, (lagSeconds ?? 0) + seconds)
        (hanging.rateIn, hanging.rateProcessed, hanging.clearSeconds, hanging.trend) = (nil, 0, nil, "growing")
        return hanging
    }

    static func all(on connection: Connection) throws -> [SourceStatus] {
        let rows = try connection.prepare(
            """
            SELECT partition, records, lag_records, updated_ms, watermark_ms, holds_back, trend, lag_seconds, rate_in, rate_processed,
            clear_seconds, source FROM stored_sources ORDER BY partition
            """)
        var found: [SourceStatus] = []
        while try rows.step() {
            func number(_ column: Int) -> Double? {
                switch rows.value(column) {
                case .real(let value): value
                case .integer(let value): Double(value)
                default: nil
                }
            }
            found.append(
                SourceStatus(
                    source: try rows.storedText(11), partition: try rows.integer(0, in: .counts),
                    records: try rows.integer(1, in: .counts),
                    lagRecords: try rows.optionalInteger(2, in: .counts), lagSeconds: number(7), rateIn: number(8),
                    rateProcessed: number(9) ?? 0, clearSeconds: number(10), trend: try rows.optionalText(6),
                    watermark: try rows.optionalInteger(4, in: .times), holdsBack: try rows.integer(5, in: 0...1) == 1,
                    updated: try rows.integer(3, in: .times)))
        }
        return found
    }
}
