internal import Glibc
public import Problems
internal import Shares

/// Keeps the services of a serve.yaml running: one thread, which sleeps until a process, a signal or a time wants something.
public final class Supervisor {
    /// Reads the file anew.
    public typealias Load = () throws(Problem) -> ServeSpec

    let home: String
    var spec: ServeSpec
    let load: Load
    let environment: [String: String]
    let manager: ServiceManager
    let say: (String) -> Void
    let prepare: (inout ServeSpec) throws(Problem) -> Void

    /// In the order in which they start.
    var services: [Service] = []
    var turns: Turns
    var isStopping = false
    private var stopNs = Int64.max
    var hasTold = false
    var startedNs = monotonicNs()
    let startedMs = wallMs()
    var shown: ServeState?
    var pagesAddress: String?
    private var nextLimitsNs: Int64 = 0
    var nextWatchdogNs: Int64 = 0
    /// Tenants whose share of the disk is full, and what they have.
    private var full: [String: Int64] = [:]

    static let pagesName = "pages"
    private static let limitsEveryNs: Int64 = 2_000_000_000

    /// - Parameters:
    ///   - load: of the file, when a SIGHUP asks for it.
    ///   - prepare: makes what the tenants of a file need, before their services start; where that cannot be, notes why at the tenant's services.
    ///   - say: tells a person a line.
    public init(
        _ spec: ServeSpec, home: String, environment: [String: String], load: @escaping Load,
        prepare: @escaping (inout ServeSpec) throws(Problem) -> Void, say: @escaping (String) -> Void
    ) {
        (self.spec, self.home, self.load, self.prepare, self.say) = (spec, home, load, prepare, say)
        manager = ServiceManager(environment: environment)
        self.environment = environment.filter { !ServiceManager.variables.contains($0.key) && $0.key != "TAXI_TENANT" }
        turns = Turns(slots: spec.slots)
    }

    /// Runs until SIGTERM or SIGINT, and until all services have ended after it.
    ///
    /// - Throws: `Problem` where the tenants of the file cannot be made.
    public func run() throws(Problem) {
        let signals = try Signals.install()
        defer { close(signals) }
        try prepare(&spec)
        add(spec)
        while true {
            act(monotonicNs())
            if isStopping, !services.contains(where: \.isRunning) { break }
            wait(signals)
        }
        unlink(ServeState.path(home))
    }

    // MARK: what is to be done now

    private func act(_ now: Int64) {
        for service in services {
            let member = service.pid
            guard let code = service.reap() else { continue }
            turns.leave(member)
            ended(service, code, now)
        }
        services.removeAll { $0.isLeaving && !$0.isRunning }
        if !isStopping { enforceLimits(now) }
        for service in services {
            if service.isRunning {
                stopWhereAsked(service, now)
            } else if !isStopping {
                startIfDue(service, now)
            }
        }
        for granted in turns.grant(atNs: monotonicNs()) { services.first { $0.pid == granted.member }?.go() }
        tell(now)
    }

    private func startIfDue(_ service: Service, _ now: Int64) {
        guard [.waiting, .restarting, .full].contains(service.state), service.dueNs <= now else { return }
        if let fault = service.spec.fault {
            service.become(.failed, why: fault, nowMs: wallMs())
            return say("\(service.label) is not started: \(fault)")
        }
        if let bytes = full[service.spec.tenant], service.takesIn {
            let limit = service.spec.limits.diskBytes ?? 0
            service.become(
                .full, why: "the tenant has \(DiskUse.text(bytes)) of the \(DiskUse.text(limit)) that it may have",
                nowMs: wallMs())
            return
        }
        let others = services.filter { $0.spec.tenant == service.spec.tenant }
        let missing = service.spec.after.filter { name in
            !others.contains { $0.spec.name == name && [.ready, .done].contains($0.state) }
        }
        guard missing.isEmpty else {
            return service.become(.waiting, why: "for \(missing.joined(separator: ", "))", nowMs: wallMs())
        }
        do throws(Problem) {
            try service.start(environment: environment(of: service), nowNs: now)
            turns.join(service.pid, tenant: service.spec.tenant)
            service.become(.starting, nowMs: wallMs())
        } catch {
            service.dueNs = now + spec.restart.limitMs * 1_000_000
            service.become(.restarting, why: error.message, nowMs: wallMs())
        }
    }

    private func environment(of service: Service) -> [String: String] {
        var environment = environment
        if service.spec.name != Self.pagesName || !service.spec.tenant.isEmpty { environment["TAXI_TOKEN"] = nil }
        environment["TAXI_HOME"] = nil
        if let user = service.spec.user {
            (environment["USER"], environment["LOGNAME"], environment["HOME"]) = (user.name, user.name, user.home)
        }
        return environment
    }

    /// A process has ended.
    private func ended(_ service: Service, _ code: Int32, _ now: Int64) {
        let wasStopping = service.state == .stopping
        let words = service.log.lastWords
        service.log.note("it has ended with \(RestartRule.text(code))")
        service.limited = nil
        if isStopping || service.isLeaving { return }
        if let next = service.next { return again(service, next, spec) }
        // Asked to end for its memory: with the pause of a failure, so that it does not do that all the time. Some never end by themselves.
        let verdict = service.rule.ended(
            code: code == 0 && (wasStopping || !service.mayEnd) ? 130 : code,
            ranMs: (now - service.startedNs) / 1_000_000)
        let said = words.isEmpty ? "" : ": \(words)"
        let own = wasStopping ? service.why : nil
        switch verdict {
        case .done:
            service.become(.done, nowMs: wallMs())
            say("\(service.label) has done its work")
        case .failed(let why):
            let reason = own ?? why + said
            service.become(.failed, why: reason, nowMs: wallMs())
            say("\(service.label) has failed, and is not started again: \(reason)")
        case .again(let pauseMs):
            service.restarts += 1
            service.dueNs = now + pauseMs * 1_000_000
            let reason = own ?? RestartRule.text(code) + said
            service.become(.restarting, why: reason, nowMs: wallMs())
            say("\(service.label) has ended, and starts again in \(pauseMs) ms: \(reason)")
        }
    }

    // MARK: stopping

    private func stop() {
        guard !isStopping else {
            // Asked twice.
            for service in services { service.killAll() }
            return
        }
        isStopping = true
        stopNs = monotonicNs() + spec.stopMs * 1_000_000
        manager.tell("STOPPING=1")
        say("stopping \(services.filter(\.isRunning).count) services")
    }

    /// Services end in the reverse order: one that others wait for goes on until those have ended.
    private func stopWhereAsked(_ service: Service, _ now: Int64) {
        guard isStopping || service.isLeaving || service.next != nil || service.state == .stopping else { return }
        if service.state != .stopping {
            let isNeeded = services.contains { other in
                other.isRunning && other.spec.tenant == service.spec.tenant
                    && other.spec.after.contains(service.spec.name)
                    && (isStopping || other.isLeaving)
            }
            if isNeeded, now < stopNs { return }
            end(service, now)
        }
        guard now >= min(service.killNs, stopNs) else { return }
        say("\(service.label) has not ended within \(spec.stopMs) ms, and is killed")
        service.log.note("it has not ended within \(spec.stopMs) ms, and is killed")
        service.killNs = .max
        service.killAll()
    }

    private func end(_ service: Service, _ now: Int64, why: String? = nil) {
        service.become(.stopping, why: why, nowMs: wallMs())
        service.killNs = now + spec.stopMs * 1_000_000
        service.signal(SIGTERM)
    }

    // MARK: limits

    /// Looks what tenants with limits of disk and memory have; without such limits nothing is looked at.
    private func enforceLimits(_ now: Int64) {
        guard now >= nextLimitsNs else { return }
        nextLimitsNs = now + Self.limitsEveryNs
        for tenant in spec.tenants {
            if let limit = tenant.limits.diskBytes {
                let bytes = DiskUse.bytes(in: "\(home)/\(tenant.name)")
                full[tenant.name] = bytes > limit ? bytes : nil
            } else {
                full[tenant.name] = nil
            }
            guard let limit = tenant.limits.memoryBytes else { continue }
            let own = services.filter { $0.spec.tenant == tenant.name && $0.isRunning }
            let uses = own.map { ($0, $0.memoryBytes) }
            let sum = uses.reduce(0) { $0 + $1.1 }
            guard sum > limit, let (largest, bytes) = uses.max(by: { $0.1 < $1.1 }), largest.state != .stopping else {
                continue
            }
            let why =
                "\(DiskUse.text(sum)) of memory, and the tenant may have \(DiskUse.text(limit)); it has \(DiskUse.text(bytes))"
            say("\(largest.label) is ended: \(why)")
            largest.log.note("it is ended: \(why)")
            end(largest, now, why: why)
        }
    }

    private var hasLimits: Bool {
        spec.tenants.contains { $0.limits.diskBytes != nil || $0.limits.memoryBytes != nil }
    }

    // MARK: waiting

    private func wait(_ signals: Int32) {
        var files = [pollfd(fd: signals, events: Int16(POLLIN), revents: 0)]
        var owners: [Service?] = [nil]
        for service in services {
            for file in [service.output, service.channel] where file >= 0 {
                files.append(pollfd(fd: file, events: Int16(POLLIN), revents: 0))
                owners.append(service)
            }
        }
        guard poll(&files, nfds_t(files.count), timeoutMs(monotonicNs())) > 0 else { return }
        if files[0].revents != 0 { answer(signals) }
        for (file, owner) in zip(files, owners) where file.revents != 0 {
            guard let owner else { continue }
            if file.fd == owner.output { owner.readOutput() } else if file.fd == owner.channel { hear(owner) }
        }
    }

    private func timeoutMs(_ now: Int64) -> Int32 {
        var next = Int64.max
        for service in services {
            if service.isRunning {
                if service.state == .stopping { next = min(next, service.killNs) }
            } else if service.state == .restarting {
                next = min(next, service.dueNs)
            }
        }
        if isStopping { next = min(next, stopNs) }
        if hasLimits, !isStopping { next = min(next, nextLimitsNs) }
        if let end = turns.nextEndNs { next = min(next, end) }
        if manager.watchdogNs != nil { next = min(next, nextWatchdogNs) }
        if !hasTold { next = min(next, startedNs + Self.readyWithinNs) }
        return next == .max ? -1 : Int32(clamping: max(0, (next - now + 999_999) / 1_000_000))
    }

    private func answer(_ signals: Int32) {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = read(signals, &bytes, bytes.count)
        for byte in bytes.prefix(max(0, count)) {
            switch Int32(byte) {
            case SIGTERM, SIGINT: stop()
            case SIGHUP where !isStopping: reload()
            default: break
            }
        }
    }

    /// What a service says.
    private func hear(_ service: Service) {
        let (member, now) = (service.pid, monotonicNs())
        while let words = service.receive() {
            let number = words.last.flatMap { Int64($0) } ?? 0
            switch words.first {
            case "ready" where service.state == .starting: service.become(.ready, nowMs: wallMs())
            case "ask", "short":
                turns.ask(
                    member, slots: words.count > 2 ? Int(words[1]) ?? 1 : 1, usedNs: number,
                    longestNs: words.first == "ask" ? Turns.longestNs : Turns.shortNs, atNs: now)
            case "rest": turns.giveBack(member, usedNs: number, atNs: now)
            case "used": turns.charge(member, usedNs: number)
            case "limited": service.limited = words.dropFirst().joined(separator: " ")
            case "free": service.limited = nil
            case "at" where service.spec.name == Self.pagesName:
                pagesAddress = words.dropFirst().joined(separator: " ")
                say("the pages are at \(pagesAddress ?? "")")
            default: break
            }
        }
        // It is gone, or has closed its side: nobody waits for its turn.
        if service.channel < 0 { turns.leave(member) }
    }
}
