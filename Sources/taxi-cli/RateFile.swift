import Foundation
import Glibc
import Problems
import Replay

/// How `produce --set-rate` reaches a running replay: the new pace stands in a file beside the replay's control file, and SIGUSR1 says so.
///
///     produce-<pid>.pace      the pace that was asked for last; only where one was
struct RateFile {
    private let path: String

    /// - Parameter control: of this process, a replay.
    init(_ control: ControlFile) {
        path = "\(control.path).pace"
        unlink(path)
    }

    func remove() { unlink(path) }

    /// The pace that was asked for last; nil where nobody asked or the text is none.
    func read() -> Pace? {
        ControlFile.lines(of: path).first.flatMap { try? Pace.parse($0) }
    }
}

extension RateFile {
    /// - Parameter process: which replay; nil for the only one.
    /// - Returns: the replay that was asked.
    /// - Throws: `Problem`: `.unavailable` where no replay of the tenant runs, or not this one; `.usage` where several do.
    static func send(_ pace: String, to process: Int32?, folder: String, tenant: String) throws(Problem) -> Int32 {
        let all = ControlFile.holders(in: folder).filter { $0.command == "produce" }
        let asked = all.filter { $0.process != nil && (process == nil || $0.process == process) }
        guard let replay = asked.first, let number = replay.process else {
            let others = all.compactMap(\.process).map { "\($0)" }.joined(separator: ", ")
            throw Problem(
                .unavailable,
                process.map { "process \($0) is no running replay of tenant \"\(tenant)\"" }
                    ?? "no replay of tenant \"\(tenant)\" is running",
                hint: others.isEmpty
                    ? "Start one with taxi-cli produce FILE --rate \(pace)." : "There runs \(others).")
        }
        guard asked.count == 1 else {
            let list = asked.map { "\n  \($0.process ?? 0), which replays \($0.about)" }.joined()
            throw Problem(
                .usage, "\(asked.count) replays of tenant \"\(tenant)\" are running:\(list)",
                hint: "Say which one: --set-rate \(pace) --process \(number).")
        }
        try Files.replace("\(replay.path).pace", with: Array("\(pace)\n".utf8), mode: 0o600)
        kill(number, SIGUSR1)
        return number
    }
}
