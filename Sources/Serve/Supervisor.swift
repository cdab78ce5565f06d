internal import Glibc
public import Problems
internal import Shares

/// Keeps the services of a serve.yaml running: one thread, which sleeps until a process, a signal or a time wants something.
public final class Supervisor {
    /// Reads the file anew.
    public typealias Load = () throws(Problem) -> ServeSpec

    let home: String
    private(set) var spec: ServeSpec
    private let load: Load
    private let environment: [String: String]
    private let manager: ServiceManager
    private let say: (String) -> Void
    private let prepare: (ServeSpec) throws(Problem) -> Void

    /// In the order in which they start.
    private var services: [Service] = []
    private var turns: Turns
    private var isStopping = false
    private var stopNs = Int64.max
    private var hasTold = false
    private var startedNs = monotonicNs()
    private let startedMs = wallMs()
    private var shown: ServeState?
    private var pagesAddress: String?
    private var nextLimitsNs: Int64 = 0
    private var nextWatchdogNs: Int64 = 0
    /// Tenants whose share of the disk is full, and what they have.
    private var full: [String: Int64] = [:]

    static let pagesName = "pages"
    private static let limitsEveryNs: Int64 = 2_000_000_000
    /// A kind of service that says nothing is taken as ready when it has lived for so long.
    private static let silentNs: Int64 = 3_000_000_000

    /// - Parameters:
    ///   - load: of the file, when a SIGHUP asks for it.
    ///   - prepare: makes what the tenants of a file need, before their services start.
    ///   - say: tells a person a line.
    public init(
        _ spec: ServeSpec, home: String, environment: [String: String], load: @escaping Load,
        prepare: @escaping (ServeSpec) throws(Problem) -> Void, say: @escaping (String) -> Void
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
        try prepare(spec)
        add(spec)
        while true {
            act(monotonicNs())
            if isStopping, !services.contains(where: \.isRunning) { break }
            wait(signals)
        }
        unlink(ServeState.path(home))
    }

    // MARK: what is to run

    /// All services of a file, the pages with them.
    private func specs(_ spec: ServeSpec) -> [ServiceSpec] { (pages(spec).map { [$0] } ?? []) + spec.services }

    private func pages(_ spec: ServeSpec) -> ServiceSpec? {
        guard let listen = spec.pages.listen else { return nil }
        var words = ["dashboard", "--home=\(home)", "--listen=\(listen)"]
        if let file = spec.pages.tokenFile { words.append("--token-file=\(file)") }
        if let file = spec.pages.tlsCertificate { words.append("--tls-cert=\(file)") }
        if let file = spec.pages.tlsKey { words.append("--tls-key=\(file)") }
        if spec.pages.isReadOnly { words.append("--read-only") }
        return ServiceSpec(
            tenant: "", name: Self.pagesName, kind: .stream, words: words, after: [], user: nil, limits: LimitsSpec(),
            folder: spec.folder)
    }

    private func add(_ spec: ServeSpec) {
        turns.slots = spec.slots
        for tenant in spec.tenants { turns.set(weight: tenant.weight, of: tenant.name) }
        for wanted in specs(spec) where !services.contains(where: { $0.id == wanted.id }) {
            services.append(make(wanted))
        }
        let order = specs(spec).map(\.id)
        services.sort { (order.firstIndex(of: $0.id) ?? .max) < (order.firstIndex(of: $1.id) ?? .max) }
    }

    private func make(_ wanted: ServiceSpec) -> Service {
        let name = wanted.tenant.isEmpty ? wanted.name : "\(wanted.tenant)-\(wanted.name)"
        let log = ServiceLog(path: "\(HomeLock.folder(home))/logs/\(name).log", spec: spec.logs)
        return Service(completed(wanted), log: log, restart: spec.restart, nowMs: wallMs())
    }

    /// A tenant's command line with what serve knows and the file need not say.
    private func completed(_ wanted: ServiceSpec) -> ServiceSpec {
        guard !wanted.tenant.isEmpty else { return wanted }
        var completed = wanted
        completed.words += ["--home=\(home)", "--tenant=\(wanted.tenant)"]
        return completed
    }

    /// Takes over a changed file: what is as it was goes on without a pause.
    private func reload() {
        manager.tell("RELOADING=1", "MONOTONIC_USEC=\(monotonicNs() / 1000)")
        defer { manager.tell("READY=1", status) }
        let new: ServeSpec
        do throws(Problem) {
            new = try load()
            try prepare(new)
        } catch {
            say("\(error)")
            say("serve.yaml is not taken over; everything goes on as it was")
            return
        }
        spec = new
        var (kept, changed, ended) = (0, 0, 0)
        let wanted = specs(new)
        for service in services {
            service.log.change(new.logs)
            guard let next = wanted.first(where: { $0.id == service.id }).map(completed) else {
                ended += 1
                service.isLeaving = true
                continue
            }
            service.isLeaving = false
            guard next.needsAnother(than: service.spec) else {
                // What it waits for and the memory that it may have are looked at here.
                (service.spec, service.next) = (next, nil)
                kept += 1
                if service.state == .failed { again(service, next, new) }
                continue
            }
            changed += 1
            if service.isRunning { service.next = next } else { again(service, next, new) }
        }
        let before = services.count
        add(new)
        say("serve.yaml is read: \(kept) as before, \(changed) changed, \(services.count - before) new, \(ended) gone")
    }

    /// Begins anew with a service that does not run.
    private func again(_ service: Service, _ next: ServiceSpec, _ spec: ServeSpec) {
        (service.spec, service.next, service.rule) = (next, nil, RestartRule(spec.restart))
        service.dueNs = 0
        service.become(.waiting, nowMs: wallMs())
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
                if service.state == .starting, !service.speaks, now - service.startedNs >= Self.silentNs {
                    service.become(.ready, nowMs: wallMs())
                }
            } else if !isStopping {
                startIfDue(service, now)
            }
        }
        for granted in turns.grant() { services.first { $0.pid == granted.member }?.go() }
        tell(now)
    }

    private func startIfDue(_ service: Service, _ now: Int64) {
        guard [.waiting, .restarting, .full].contains(service.state), service.dueNs <= now else { return }
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
        // Asked to end by serve itself, for its memory: with the pause of a failure, so that it does not do that all the time.
        let verdict = service.rule.ended(
            code: wasStopping && code == 0 ? 130 : code, ranMs: (now - service.startedNs) / 1_000_000)
        let said = words.isEmpty ? "" : ": \(words)"
        switch verdict {
        case .done:
            service.become(.done, nowMs: wallMs())
            say("\(service.label) has done its work")
        case .failed(let why):
            service.become(.failed, why: why + said, nowMs: wallMs())
            say("\(service.label) has failed, and is not started again: \(why)\(said)")
        case .again(let pauseMs):
            service.restarts += 1
            service.dueNs = now + pauseMs * 1_000_000
            let why = service.why.map { wasStopping ? $0 : "" } ?? ""
            let reason = why.isEmpty ? "\(RestartRule.text(code))\(said)" : why
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
                if service.state == .starting, !service.speaks { next = min(next, service.startedNs + Self.silentNs) }
            } else if service.state == .restarting {
                next = min(next, service.dueNs)
            }
        }
        if isStopping { next = min(next, stopNs) }
        if hasLimits, !isStopping { next = min(next, nextLimitsNs) }
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
        let member = service.pid
        while let words = service.receive() {
            let number = words.last.flatMap { Int64($0) } ?? 0
            switch words.first {
            case "ready" where service.state == .starting: service.become(.ready, nowMs: wallMs())
            case "ask": turns.ask(member, slots: words.count > 2 ? Int(words[1]) ?? 1 : 1, usedNs: number)
            case "rest": turns.giveBack(member, usedNs: number)
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

    // MARK: telling

    private static let readyWithinNs: Int64 = 10_000_000_000

    private var status: String {
        let ready = services.filter { [.ready, .done].contains($0.state) }.count
        let failed = services.filter { $0.state == .failed }.count
        let tenants = spec.tenants.count
        return "STATUS=\(tenants) tenants, \(ready) of \(services.count) services ready"
            + (failed > 0 ? ", \(failed) failed" : "")
    }

    private func tell(_ now: Int64) {
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

    /// Whether it tells when it is ready.
    var speaks: Bool { spec.kind != .ml }

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
