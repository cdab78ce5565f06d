public import Database
import Problems
public import Telemetry

/// The folder `<home>/<tenant>/live`, in which each process of a tenant keeps its live numbers.
public struct LiveFolder: Sendable {
    public let path: String

    public init(_ home: TenantHome) { path = "\(home.path)/live" }

    /// One live file.
    public struct File: Sendable {
        public var path: String
        public var snapshot: LiveSnapshot
        /// Whether its process is at work.
        public var isAlive: Bool
        /// Tells the process from all others that ever were.
        var identity: String { "\(snapshot.command) \(snapshot.pid) \(snapshot.start)" }
    }

    /// All files that make sense, by name; what comes and goes meanwhile may be missing.
    public func files() -> [File] {
        let names = (Files.names(in: path) ?? []).filter { $0.hasSuffix(".metrics") }.sorted()
        return names.compactMap { name in
            let path = "\(path)/\(name)"
            guard let snapshot = try? LiveSnapshot(path: path) else { return nil }
            let process = RunningProcess(pid: snapshot.pid, start: snapshot.start)
            return File(path: path, snapshot: snapshot, isAlive: process.isAlive && !snapshot.hasEnded)
        }
    }
}

/// The live numbers of this process, in their file: from its first look to its end.
public final class LiveSession: Sendable {
    public let metrics: LiveMetrics
    private let home: TenantHome
    private let path: String?

    /// Puts away what dead processes have left, and begins a file for this one. Where that cannot be done the process goes on with numbers
    /// that nobody sees.
    ///
    /// - Parameters:
    ///   - command: as the user calls it.
    ///   - nowMs: ms UTC.
    public init(_ home: TenantHome, command: String, nowMs: Int64) {
        self.home = home
        let folder = LiveFolder(home)
        let log = Logger("metrics")
        var restarts: Int64 = 0
        do {
            if folder.files().contains(where: { !$0.isAlive }) {
                let database = try MetricsDatabase(home)
                try database.fold(folder.files(), nowMs: nowMs)
                if command == "stream" { restarts = try database.takeUnclean("stream") }
            }
        } catch {
            log.info("the numbers of earlier processes cannot be put away: \(error)")
        }
        do {
            let file = try LiveFile(
                folder: folder.path, command: command, start: RunningProcess.current.start, nowMs: nowMs)
            metrics = LiveMetrics(file)
            path = file.path
        } catch {
            log.info("there are no live numbers: \(error.message)")
            metrics = LiveMetrics()
            path = nil
        }
        if command == "stream" { metrics.counter(.streamRestarts).add(restarts) }
    }

    /// Notes that the process ends by itself, and puts its numbers away.
    public func end(nowMs: Int64) {
        metrics.end()
        guard let path, let snapshot = try? LiveSnapshot(path: path) else { return }
        do {
            try MetricsDatabase(home).fold([.init(path: path, snapshot: snapshot, isAlive: false)], nowMs: nowMs)
        } catch {
            // The next process does it.
            Logger("metrics").info("this process's numbers cannot be put away: \(error)")
        }
    }
}
