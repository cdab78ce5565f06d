import CommandLine
import Database
import Glibc
import Monitoring
import Problems
import Serve
import Shares
import Telemetry

/// What a tenant uses of the machine now, and how its services are.
struct TenantUse {
    /// Share of one processor.
    var cpu: Double?
    var memoryBytes: Int64?
    /// Records that it sends and reads.
    var recordsPerSecond: Double?
    /// One word for all of it, and what holds it back.
    var state: String

    /// How long is looked at what runs.
    private static let lookUs: UInt32 = 300_000

    /// Of each tenant, looked at at the same time; nothing is waited for where no process runs.
    static func all(of tenants: [TenantHome]) -> [TenantUse] {
        let serve = tenants.first.flatMap { ServeState.read(home: $0.home) }
        let before = tenants.map { Look($0, serve) }
        if before.contains(where: { !$0.processes.isEmpty }) { usleep(lookUs) }
        return zip(tenants, before).map { tenant, before in
            use(from: before, to: before.processes.isEmpty ? before : Look(tenant, serve), serve, tenant.tenant)
        }
    }

    private static func use(from before: Look, to after: Look, _ serve: ServeState?, _ tenant: String) -> TenantUse {
        let services = serve?.services.filter { $0.tenant == tenant } ?? []
        var use = TenantUse(state: state(services, isRunning: !after.processes.isEmpty))
        let seconds = Double(after.ns - before.ns) / 1e9
        guard seconds > 0 else { return use }
        // One that has begun meanwhile has used all that it has used since.
        let cpu = after.processes.reduce(0.0) {
            $0 + max(0, $1.value.cpuSeconds - (before.processes[$1.key]?.cpuSeconds ?? 0))
        }
        use.cpu = cpu / seconds
        use.memoryBytes = after.processes.values.reduce(0) { $0 + $1.memoryBytes }
        use.recordsPerSecond = max(0, Double(after.records - before.records)) / seconds
        return use
    }

    /// The state of a tenant's services that somebody has to know first.
    private static func state(_ services: [ServeState.Service], isRunning: Bool) -> String {
        for state in [ServeState.Service.State.failed, .full, .restarting, .stopping, .starting, .waiting]
        where services.contains(where: { $0.state == state }) {
            return state.rawValue
        }
        let limits = Set(services.compactMap(\.limited)).sorted()
        if !limits.isEmpty { return "limited: \(limits.joined(separator: ", "))" }
        return isRunning ? "running" : "idle"
    }

    /// What is there at one moment.
    private struct Look {
        struct Process {
            var cpuSeconds: Double
            var memoryBytes: Int64
        }
        var ns: Int64
        var processes: [Int32: Process] = [:]
        var records: Int64 = 0

        init(_ home: TenantHome, _ serve: ServeState?) {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            ns = Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
            let files = LiveFolder(home).files().filter(\.isAlive).map(\.snapshot)
            let services = serve?.services.filter { $0.tenant == home.tenant }.compactMap(\.pid) ?? []
            for pid in Set(files.map(\.pid) + services) { processes[pid] = Self.process(pid) }
            for file in files {
                // Each query of a stream has its own count of the same records.
                var most: [String: Int64] = [:]
                for series in file.series {
                    guard case .counter(let count) = series.value,
                        [Metric.replayRecords.name, Metric.streamRecords.name].contains(series.name)
                    else { continue }
                    most[series.name] = max(most[series.name] ?? 0, count)
                }
                records += most.values.reduce(0, +)
            }
        }

        private static func process(_ pid: Int32) -> Process? {
            guard let bytes = try? Files.contents(of: "/proc/\(pid)/stat") else { return nil }
            let stat = String(decoding: bytes, as: UTF8.self)
            // `pid (command) state …`, where the command may hold blanks and brackets; times are fields 14 and 15, pages field 24.
            guard let bracket = stat.lastIndex(of: ")") else { return nil }
            let fields = stat[stat.index(after: bracket)...].split(separator: " ")
            guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]),
                let pages = Int64(fields[21])
            else { return nil }
            return Process(
                cpuSeconds: (user + system) / Double(sysconf(Int32(_SC_CLK_TCK))),
                memoryBytes: pages * Int64(sysconf(Int32(_SC_PAGESIZE))))
        }
    }
}
