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
        /// What each tenant's processes had counted at the last look, and how often in a row that was the same.
        var counted: [String: (counts: [Int64], same: Int)] = [:]
        /// Of tenants that are at rest.
        var lastLook: [String: TenantLook] = [:]
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
        // something to do is looked at now and then, since nothing of it changes; after a minute of that its files as well.
        let isResting = !hasClients && state.withLock { $0.counted[name]?.same ?? 0 } >= Self.restingLooks
        if isResting, turn % Self.restingEvery != 0 { return }
        let files = (try? home.tenant(name)).map { LiveFolder($0.watched.home).files().filter(\.isAlive) } ?? []
        let runs = !files.isEmpty
        let isDue = turn % 30 == 0 || runs && (hasCounted(files, of: name) || !isResting && turn % 10 == 0)
        guard hasClients || isDue else {
            if isResting, runs, turn % 10 == 0 { recordAgain(tenant, name, looks) }
            return
        }
        guard let (now, before) = try? looks.look(name) else { return }
        if runs { tenant.history?.record(now, before: before) }
        state.withLock { $0.lastLook[name] = runs ? now : nil }
        if hasClients, let text = try? report(name) { tenant.channel.publish(event: "now", data: text) }
    }

    /// So many looks in a row that find nothing counted make a tenant one at rest, whose files are looked at every so many seconds.
    private static let restingLooks = 60
    private static let restingEvery = 5

    /// What stands as it stood is the same a few seconds later: the history has no gap, and no database is asked.
    private func recordAgain(_ tenant: Tenant, _ name: String, _ looks: Looks) {
        guard var look = state.withLock({ $0.lastLook[name] }) else { return }
        let before = look
        look.nowMs = looks.nowMs
        tenant.history?.record(look, before: before)
        state.withLock { $0.lastLook[name] = look }
    }

    /// Whether the processes have counted anything since this was last asked.
    private func hasCounted(_ files: [LiveFolder.File], of tenant: String) -> Bool {
        var counts: [Int64] = []
        for file in files {
            counts.append(Int64(file.snapshot.pid))
            for case .counter(let count) in file.snapshot.series.map(\.value) { counts.append(count) }
        }
        return state.withLock { state in
            let known = state.counted[tenant]
            let isSame = known?.counts == counts
            state.counted[tenant] = (counts, isSame ? (known?.same ?? 0) + 1 : 0)
            return !isSame
        }
    }

    func stop() {
        state.withLock { state in
            state.isStopping = true
            for tenant in state.tenants.values { tenant.history?.flush() }
        }
    }
}
