internal import Database
internal import Foundation
internal import Glibc
internal import Problems

/// Processes of a run's steps that live on though the process that ran the run is gone.
///
/// They are known by a variable of their environment, which every process of a step inherits, so it does not matter whether there was
/// time to note their numbers, or whether they have left their group.
enum LeftProcesses {
    /// Holds the run's id in the environment of each step.
    static let variable = "TAXI_RUN"
    /// Holds the step's name.
    static let stepVariable = "TAXI_STEP"

    /// Ends them all, and waits until they are gone.
    ///
    /// - Parameters:
    ///   - step: only those of this step; nil for all.
    ///   - noted: leaders of process groups that the history knows.
    /// - Throws: `.tryAgain` where one does not end, such as one that waits for a disk that does not answer.
    static func end(of runID: String, step: String? = nil, noted: [RunningProcess] = []) throws(Problem) {
        for process in noted where process.isAlive { kill(-process.pid, SIGKILL) }
        let entries = (["\(variable)=\(runID)"] + (step.map { ["\(stepVariable)=\($0)"] } ?? [])).map {
            Array($0.utf8) + [0]
        }
        // One that forks while we look shows up in the next round.
        let deadline = ContinuousClock.now + .seconds(10)
        while case let left = found(with: entries), !left.isEmpty {
            guard ContinuousClock.now < deadline else {
                throw Problem(
                    .tryAgain, "process \(left[0]) of run \(runID) does not end",
                    hint: "Find out what it waits for; the run goes on when it has ended.")
            }
            for pid in left { kill(pid, SIGKILL) }
            usleep(2_000)
        }
    }

    private static func found(with entries: [[UInt8]]) -> [Int32] {
        (Files.names(in: "/proc") ?? []).compactMap(Int32.init).filter { pid in
            pid != getpid() && entries.allSatisfy { holds($0, pid) }
        }
    }

    /// Whether a process began with the entry in its environment; not for a process of somebody else, nor for one that has ended.
    private static func holds(_ entry: [UInt8], _ pid: Int32) -> Bool {
        guard let bytes = FileManager.default.contents(atPath: "/proc/\(pid)/environ") else { return false }
        var rest = bytes[...]
        while let found = rest.range(of: Data(entry)) {
            if found.lowerBound == bytes.startIndex || bytes[found.lowerBound - 1] == 0 { return true }
            rest = rest[found.upperBound...]
        }
        return false
    }
}
