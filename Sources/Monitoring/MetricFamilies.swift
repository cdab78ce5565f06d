import Database
import Glibc
import Problems
import Telemetry
import Topics

extension MetricFamily {
    /// All metrics of some tenants; each sample has its tenant.
    ///
    /// - Parameter version: of the program.
    public static func all(_ looks: [TenantLook], version: String) -> [MetricFamily] {
        var families = Metric.all.map { MetricFamily($0) }
        let places = Dictionary(uniqueKeysWithValues: Metric.all.enumerated().map { ($1.name, $0) })
        for look in looks {
            for series in look.series {
                guard let place = places[series.name] else { continue }
                var series = series
                series.labels.insert(.init("tenant", look.tenant), at: 0)
                families[place].series.append(series)
            }
        }
        let swift = LiveSeries(Metric.buildInfo.name, [.init("version", version)], .gauge(1))
        families[families.count - 1].series = [swift]
        for index in families.indices { families[index].series.sort { $0.key < $1.key } }
        return families
    }
}

extension TenantLook {
    /// The tenant's numbers: live ones, and those of the databases.
    var series: [LiveSeries] {
        var series = Array(numbers.series.values)
        // The stream's lag as long as it runs is its own; at rest the database and the topics tell.
        if !numbers.processes.contains(where: { $0.command == "stream" }) { series += lagAtRest }
        if hungSeconds != nil {
            let names = [Metric.streamLagRecords, .streamLagSeconds, .streamLagClear].map(\.name)
            series = series.filter { !names.contains($0.name) } + lagOfHanging
        }
        for topic in topics {
            let appended = topic.partitions.reduce(0) { $0 + $1.endOffset }
            series.append(LiveSeries(Metric.topicRecords.name, [.init("topic", topic.name)], .counter(appended)))
            series.append(LiveSeries(Metric.topicBytes.name, [.init("topic", topic.name)], .gauge(Double(topic.bytes))))
        }
        for run in workflows.runs {
            series.append(
                LiveSeries(
                    Metric.workflowRuns.name, [.init("workflow", run.workflow), .init("state", run.state)],
                    .counter(run.count)))
        }
        for (workflow, counts) in workflows.durations {
            series.append(
                LiveSeries(Metric.workflowRunSeconds.name, [.init("workflow", workflow)], .histogram(counts)))
        }
        series.append(LiveSeries(Metric.workflowQueue.name, [], .gauge(workflows.queueSeconds ?? 0)))
        for alert in alerts {
            series.append(LiveSeries(Metric.alerts.name, [.init("alert", alert.name)], .counter(alert.count)))
        }
        for (rule, holds) in health {
            series.append(LiveSeries(Metric.health.name, [.init("rule", rule.rawValue)], .gauge(holds ? 1 : 0)))
        }
        return series + processSeries
    }

    private var lagOfHanging: [LiveSeries] {
        sources.flatMap { source in
            let labels = [LiveSeries.Label("partition", "\(source.partition)")]
            return [
                LiveSeries(Metric.streamLagRecords.name, labels, .gauge(Double(source.lagRecords ?? 0))),
                LiveSeries(Metric.streamLagSeconds.name, labels, .gauge(source.lagSeconds ?? 0)),
            ]
        } + [LiveSeries(Metric.streamLagClear.name, [], .gauge(.infinity))]
    }

    private var lagAtRest: [LiveSeries] {
        let ends = topics.first { $0.name == "\(tenant)_ingestData" }?.partitions ?? []
        return sources.compactMap { source in
            guard let end = ends.first(where: { $0.id == Int(source.partition) })?.endOffset else { return nil }
            return LiveSeries(
                Metric.streamLagRecords.name, [.init("partition", "\(source.partition)")],
                .gauge(Double(max(0, end - source.records))))
        }
    }

    /// What the processes that run take from the machine, by command.
    private var processSeries: [LiveSeries] {
        var cpu: [String: Double] = [:]
        var resident: [String: Double] = [:]
        for process in numbers.processes {
            guard let use = ProcessUse(pid: process.pid) else { continue }
            cpu[process.command, default: 0] += use.cpuSeconds
            resident[process.command, default: 0] += Double(use.residentBytes)
        }
        return cpu.map { LiveSeries(Metric.processCPU.name, [.init("command", $0.key)], .gauge($0.value)) }
            + resident.map { LiveSeries(Metric.processResident.name, [.init("command", $0.key)], .gauge($0.value)) }
    }
}

/// What a process has taken from the machine so far, as `/proc` tells.
struct ProcessUse {
    var cpuSeconds: Double
    var residentBytes: Int64

    /// nil where there is no such process any more.
    init?(pid: Int32) {
        guard let stat = try? String(decoding: Files.contents(of: "/proc/\(pid)/stat"), as: UTF8.self),
            let bracket = stat.lastIndex(of: ")")
        else { return nil }
        // Fields 14 and 15, in clock ticks, and 24, in pages; the first behind the bracket is the third.
        let fields = stat[stat.index(after: bracket)...].split(separator: " ")
        guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]),
            let pages = Int64(fields[21])
        else { return nil }
        cpuSeconds = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
        residentBytes = pages * Int64(sysconf(Int32(_SC_PAGESIZE)))
    }
}
