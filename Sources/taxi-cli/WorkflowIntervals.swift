import CommandLine
import Problems
import Topics
import Time
import Workflow

// Intervals by the names that `workflow runs` prints: every command that takes one reads it here.

extension WorkflowSpec {
    /// The interval that a text means.
    ///
    ///     last    2024  2024-Q1  2024-01  2024-01-22    2024-01-22T13:00-06:00    2024-01-22T13:00    A--B, both bounds
    ///
    /// - Throws: `.usage` where there is none, or more than one.
    func interval(named text: String) throws(Problem) -> DataInterval {
        if let bounds = try bounds(text) { return bounds }
        guard text.contains("T") else { return try interval(text, now: systemTime()) }
        let time = try TimeText(text)
        if time.offsetSeconds == nil {
            return try interval(startingAtWallMs: time.wallSeconds * 1000 + time.milliseconds)
        }
        return try interval(startingAt: time.utcMs { $0 * 1000 })
    }

    /// As `interval(named:)`; a year, quarter, month or day means all that begin in it.
    func intervals(named text: String) throws(Problem) -> [DataInterval] {
        if text == "last" || text.contains("T") || text.contains("--") { return [try interval(named: text)] }
        let found = try intervals(in: text)
        return found.isEmpty ? [try interval(named: text)] : found
    }

    /// From the beginning of the first of those intervals to behind that of the last.
    func begins(ofIntervals text: String) throws(Problem) -> Range<EventTime> {
        let intervals = try intervals(named: text)
        guard let first = intervals.first, let last = intervals.last else {
            throw Problem(.usage, "no interval is \"\(text)\"")
        }
        return first.start..<last.start + 1
    }

    private func bounds(_ text: String) throws(Problem) -> DataInterval? {
        guard let middle = text.firstRange(of: "--") else { return nil }
        var ends: [EventTime] = []
        for part in [text[..<middle.lowerBound], text[middle.upperBound...]] {
            ends.append(try TimeText(String(part)).utcMs { zone.utcMs(localSeconds: $0) })
        }
        guard ends[0] < ends[1] else {
            throw Problem(
                .usage, "the interval \"\(text)\" ends before it begins", hint: "Write the earlier time first.")
        }
        return DataInterval(start: ends[0], end: ends[1])
    }
}

extension WorkflowSession {
    /// The run that RUN means, or with `--interval` the run of that interval of the workflow that it names.
    func run(_ arguments: ParsedArguments, in history: RunHistory) throws -> StoredRun {
        let name = arguments.positionals[0]
        guard let text = arguments.text("interval") else { return try history.run(name) }
        let spec = try folder.load(name)
        let interval = try spec.interval(named: text)
        if let run = try history.run(of: spec.name, interval) { return run }
        let shown = spec.name(of: interval)
        throw Problem(
            .noInput, "interval \(shown) of workflow \"\(spec.name)\" has no run",
            hint: "taxi-cli workflow run \(spec.name) --interval \(shown) runs it.")
    }

    /// The names of the intervals of runs, as their workflows have them now.
    func intervalNames() -> IntervalNames { IntervalNames(session: self) }
}

/// Looks up each workflow once.
final class IntervalNames {
    private let session: WorkflowSession
    /// By file and name; nil for one that is not there any more.
    private var specs: [[String]: WorkflowSpec?] = [:]

    init(session: WorkflowSession) { self.session = session }

    func callAsFunction(_ run: StoredRun) -> String? {
        guard let interval = run.interval else { return nil }
        let key = [run.file, run.workflow]
        let spec = specs[key] ?? (try? session.spec(of: run))
        specs[key] = .some(spec)
        return spec?.name(of: interval) ?? interval.name(in: session.zone)
    }
}
