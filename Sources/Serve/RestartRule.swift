/// What becomes of a service that has ended by itself.
///
/// A value: it is told what happened and when.
struct RestartRule {
    enum Verdict: Equatable {
        /// It has done what it was for.
        case done
        /// Starting it again would end the same way.
        case failed(String)
        case again(afterMs: Int64)
    }

    let spec: RestartSpec
    /// In a row.
    private(set) var failures = 0

    init(_ spec: RestartSpec) { self.spec = spec }

    /// - Parameters:
    ///   - code: its exit code, or 128 and the number of the signal that ended it.
    ///   - ranMs: how long it has run.
    mutating func ended(code: Int32, ranMs: Int64) -> Verdict {
        switch code {
        case 0: return .done
        // EX_USAGE, EX_CONFIG: it asks for what there is not.
        case 64, 78: return .failed("it was refused with exit code \(code)")
        default: break
        }
        if ranMs > max(spec.limitMs, 10_000) { failures = 0 }
        failures += 1
        // EX_TEMPFAIL is no failure of its own: what it waits for may come at any time.
        if code != 75, failures > spec.attempts {
            return .failed("it has ended \(failures) times in a row, the last time with \(Self.text(code))")
        }
        return .again(afterMs: pauseMs)
    }

    private var pauseMs: Int64 {
        var pause = spec.firstMs
        for _ in 1..<max(2, min(failures, 64)) where failures > 1 && pause < spec.limitMs { pause *= 2 }
        return min(pause, spec.limitMs)
    }

    /// How a process ended, in words.
    static func text(_ code: Int32) -> String {
        // Our own commands say 130 themselves after a signal.
        code > 128 && code != 130 ? "signal \(code - 128)" : "exit code \(code)"
    }
}
