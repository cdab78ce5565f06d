/// What Spark's many lines come to.
enum SparkSayings {
    static func lastLine(_ text: String) -> String? {
        text.split(separator: "\n").last { $0.contains { !$0.isWhitespace } }.map(String.init)
    }

    /// What Spark says again and again while nobody takes its tasks; nil where it says nothing of the kind.
    static func waiting(_ log: String) -> String? {
        log.split(separator: "\n").last { $0.contains("has not accepted any resources") }.map { String($0.prefix(300)) }
    }

    /// Of each executor that a standalone master gave out and that has ended: where it was, and why.
    ///
    ///     Granted executor ID app-20261130172109-0003/7 on hostPort 10.0.0.5:38179 with 1 core(s), 1024.0 MiB RAM
    ///     Executor updated: app-20261130172109-0003/7 is now EXITED (Command exited with code 1)
    static func endedExecutors(_ log: String) -> [String] {
        var places: [Substring: Substring] = [:]
        var ended: [String] = []
        for line in log.split(separator: "\n") {
            if let granted = line.firstRange(of: "Granted executor ID ") {
                let words = line[granted.upperBound...].split(separator: " ")
                if words.count > 3 { places[words[0]] = words[3] }
            } else if let updated = line.firstRange(of: "Executor updated: ") {
                let words = line[updated.upperBound...].split(separator: " ", maxSplits: 4)
                guard words.count == 5, words[3] == "EXITED" || words[3] == "FAILED" else { continue }
                let reason = words[4].drop { $0 == "(" }
                ended.append("\(places[words[0]] ?? words[0]): \(reason.hasSuffix(")") ? reason.dropLast() : reason)")
            }
        }
        return ended
    }

    private static let ofPython = ["Cannot run program \"", "[PYTHON_VERSION_MISMATCH]"]

    static func isOfPython(_ reason: String?) -> Bool { reason.map { ofPython.contains(where: $0.hasPrefix) } ?? false }

    /// The line of Spark's many that says what went wrong.
    static func reason(_ log: String) -> String? {
        let lines = log.split(separator: "\n").map(String.init)
        // Behind it Java says once more that something failed, and no longer what.
        for mark in ofPython {
            guard let line = lines.first(where: { $0.contains(mark) }), let start = line.firstRange(of: mark) else {
                continue
            }
            return String(line[start.lowerBound...].prefix(300))
        }
        let cause =
            lines.last { $0.hasPrefix("Caused by:") } ?? lines.first {
                $0.contains("Exception: ") || $0.contains("Error: ")
            }
            ?? lines.last { $0.contains(" ERROR ") }
        return (cause ?? lastLine(log)).map { String($0.prefix(300)) }
    }
}
