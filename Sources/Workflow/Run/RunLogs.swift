internal import Foundation
internal import Glibc
internal import Problems
public import Time

/// Where the logs of steps are: `<folder>/<run>/<step>.<attempt>.log`.
public struct RunLogs: Sendable {
    public let folder: String

    public init(folder: String) { self.folder = folder }

    public func path(_ runID: String, _ step: String, attempt: Int) -> String {
        "\(folder)/\(runID)/\(step).\(attempt).log"
    }

    /// The last lines of a log; none where it is not there.
    public func lastLines(_ count: Int, of runID: String, _ step: String, attempt: Int) -> [String] {
        guard let bytes = try? Files.contents(of: path(runID, step, attempt: attempt)) else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").suffix(count).map(String.init)
    }

    /// Takes away the logs of runs that ended longer ago than `keepMs`. No log grows old by the clock alone, which may run ahead: "ago" is
    /// seen from now, or from the newest run's end where that is earlier.
    public func prune(_ history: RunHistory, keepMs: Int64, now: EventTime) throws {
        guard let newest = try history.newestEnd() else { return }
        try prune(history, endedBefore: min(now, newest) - keepMs)
    }

    /// Takes away the logs of runs that ended before a time; what became of the runs stays in the history.
    func prune(_ history: RunHistory, endedBefore time: EventTime) throws {
        let kept = Files.names(in: folder) ?? []
        for id in try history.ended(before: time, among: kept) {
            // Somebody may read it, or have removed it: the next time will do.
            try? Files.remove("\(folder)/\(id)")
        }
    }

    func create(_ runID: String) throws(Problem) {
        try Files.makeFolders(
            "\(folder)/\(runID)", hint: "Change the permissions, or choose another home with --home.",
            // Logs need not outlive the power of the machine, and a sync a run would show.
            sync: { (_) throws(Problem) in })
    }

    /// Room on the disk that a run keeps while it goes on.
    func reserve(of runID: String) -> DiskReserve { DiskReserve(path: "\(folder)/\(runID)/.reserve") }

    func open(
        _ runID: String, _ step: String, attempt: Int, secrets: [String], zone: ZoneClock,
        now: @escaping @Sendable () -> EventTime
    ) throws(Problem) -> StepLog {
        try StepLog(path: path(runID, step, attempt: attempt), secrets: secrets) { zone.iso(ms: now()) }
    }
}
