internal import Glibc
internal import Problems

// What others learn of the services: systemd, whoever reads the state, and a person.

extension Supervisor {
    static let readyWithinNs: Int64 = 10_000_000_000

    var status: String {
        let ready = services.filter { [.ready, .done].contains($0.state) }.count
        let failed = services.filter { $0.state == .failed }.count
        let tenants = spec.tenants.count
        return "STATUS=\(tenants) tenant\(tenants == 1 ? "" : "s"), \(ready) of \(services.count) services ready"
            + (failed > 0 ? ", \(failed) failed" : "")
    }

    func tell(_ now: Int64) {
        let state = ServeState(
            pid: getpid(), startedMs: startedMs, pages: pagesAddress, services: services.map(\.shown))
        if state != shown {
            state.write(home: home)
            shown = state
            if hasTold, !isStopping { manager.tell(status) }
        }
        if !hasTold, !isStopping {
            // One that cannot become ready must not keep systemd from seeing that serve is at work.
            let isReady = !services.contains { [.waiting, .starting].contains($0.state) }
            if isReady || now - startedNs >= Self.readyWithinNs {
                hasTold = true
                manager.tell("READY=1", status)
                say("\(status.dropFirst("STATUS=".count))")
            }
        }
        if let every = manager.watchdogNs, now >= nextWatchdogNs {
            manager.tell("WATCHDOG=1")
            nextWatchdogNs = now + every
        }
    }
}

extension Service {
    /// For a line to a person.
    var label: String { spec.tenant.isEmpty ? spec.name : "\(spec.tenant): \(spec.name)" }

    /// Whether it can have done all that it was for.
    var mayEnd: Bool { takesIn }

    /// Whether it makes the tenant's folder larger with what comes in.
    var takesIn: Bool { !spec.tenant.isEmpty && [.replay, .stream].contains(spec.kind) }
}

extension ServiceSpec {
    /// Whether a process of the other has to make room for one of this.
    func needsAnother(than other: ServiceSpec) -> Bool {
        words != other.words || user != other.user || folder != other.folder
            || limits.recordsPerSecond != other.limits.recordsPerSecond || limits.diskBytes != other.limits.diskBytes
    }
}

extension ServeSpec {
    /// How many workers compute at once.
    var slots: Int { workers ?? Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))) }
}

func monotonicNs() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

func wallMs() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
}
