import Foundation
import Glibc

/// What this process has taken from the machine so far.
public struct ProcessStats: Sendable {
    /// Memory that belongs to the process alone, in bytes: `RssAnon`, without the files it has mapped. 0 where Linux does not say.
    public var anonymousBytes: Int64
    /// Time on a core, user and system, all threads.
    public var cpuSeconds: Double

    public static func current() -> ProcessStats {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let seconds = [usage.ru_utime, usage.ru_stime].reduce(0.0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
        return ProcessStats(anonymousBytes: anonymousBytes(inStatus: status), cpuSeconds: seconds)
    }

    /// Finds `RssAnon:      1234 kB`.
    static func anonymousBytes(inStatus status: String) -> Int64 {
        for line in status.split(separator: "\n") where line.hasPrefix("RssAnon:") {
            let words = line.split(whereSeparator: \.isWhitespace)
            return words.count > 1 ? (Int64(words[1]) ?? 0) * 1024 : 0
        }
        return 0
    }
}
