internal import Glibc
internal import Problems
internal import Shares

// What a serve.yaml asks for becomes services, at the start and when the file is read again.

extension Supervisor {
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

    func add(_ spec: ServeSpec) {
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
        return Service(wanted, log: log, restart: spec.restart, nowMs: wallMs())
    }

    /// Takes over a changed file: what is as it was goes on without a pause.
    func reload() {
        manager.tell("RELOADING=1", "MONOTONIC_USEC=\(monotonicNs() / 1000)")
        defer { manager.tell("READY=1", status) }
        var new: ServeSpec
        do throws(Problem) {
            new = try load()
            try prepare(&new)
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
            guard let next = wanted.first(where: { $0.id == service.id }) else {
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
    func again(_ service: Service, _ next: ServiceSpec, _ spec: ServeSpec) {
        (service.spec, service.next, service.rule) = (next, nil, RestartRule(spec.restart))
        service.dueNs = 0
        service.become(.waiting, nowMs: wallMs())
    }
}
