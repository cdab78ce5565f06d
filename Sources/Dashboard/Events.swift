import Foundation
import HTTPServer
import Monitoring
import Synchronization
import Telemetry

/// Looks at the tenants about once a second while somebody watches or something runs, and tells: the clients of their event streams,
/// and their histories.
final class Events: Sendable {
    private struct Tenant: Sendable {
        let channel = EventChannel()
        let history: History?
    }
    private struct State {
        var tenants: [String: Tenant] = [:]
        /// What each tenant's processes had counted at the last look.
        var counted: [String: [Int64]] = [:]
        var isStopping = false
    }
    private let state = Mutex(State())
    private let home: any WatchedHome

    init(_ home: any WatchedHome) { self.home = home }

    private func tenant(_ name: String) -> Tenant {
        if let known = state.withLock({ $0.tenants[name] }) { return known }
        let made = Tenant(history: (try? home.tenant(name)).map { History($0.watched.home) })
        return state.withLock { state in
            if let known = state.tenants[name] { return known }
            state.tenants[name] = made
            return made
        }
    }

    func channel(_ name: String) -> EventChannel { tenant(name).channel }
    func history(_ name: String) -> History? { tenant(name).history }

    /// Begins to look, on a thread of its own.
    ///
    /// - Parameter report: what an event of a tenant says.
    func start(looks: Looks, report: @escaping @Sendable (String) throws -> String) {
        let thread = Thread { [weak self] in
            var turn = 0
            while let self, !state.withLock({ $0.isStopping }) {
                for name in (try? home.tenants()) ?? [] { look(at: name, looks, turn, report) }
                turn += 1
                Thread.sleep(forTimeInterval: 1)
            }
        }
        thread.name = "watch"
        thread.start()
    }

    private func look(at name: String, _ looks: Looks, _ turn: Int, _ report: (String) throws -> String) {
        let tenant = tenant(name)
        let hasClients = tenant.channel.clientCount > 0
        // A tenant at rest that nobody watches is left alone: its live folder tells when something begins. One whose processes wait for
        // something to do is looked at now and then, since nothing of it changes.
        let files = (try? home.tenant(name)).map { LiveFolder($0.watched.home).files().filter(\.isAlive) } ?? []
        let runs = !files.isEmpty
        let isDue = turn % 30 == 0 || runs && (hasCounted(files, of: name) || turn % 10 == 0)
        guard hasClients || isDue else { return }
        guard let (now, before) = try? looks.look(name) else { return }
        if runs { tenant.history?.record(now, before: before) }
        if hasClients, let text = try? report(name) { tenant.channel.publish(event: "now", data: text) }
    }

    /// Whether the processes have counted anything since this was last asked.
    private func hasCounted(_ files: [LiveFolder.File], of tenant: String) -> Bool {
        var counts: [Int64] = []
        for file in files {
            counts.append(Int64(file.snapshot.pid))
            for case .counter(let count) in file.snapshot.series.map(\.value) { counts.append(count) }
        }
        return state.withLock { state in
            defer { state.counted[tenant] = counts }
            return state.counted[tenant] != counts
        }
    }

    func stop() {
        state.withLock { state in
            state.isStopping = true
            for tenant in state.tenants.values { tenant.history?.flush() }
        }
    }
}
