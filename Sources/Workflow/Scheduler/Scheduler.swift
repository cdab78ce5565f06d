import Time
internal import Database
internal import Foundation
public import Problems
internal import Trips

/// The scheduler of one tenant: enters the runs that are due, starts what is queued, and goes on with what was interrupted.
///
/// One thread does all of it, and sleeps until the next time something is due; half a second at most, or a second where nothing has happened for a
/// minute, to see what other processes have queued. Nothing that it must remember is in its memory alone: it may be killed at any instant.
public final class Scheduler {
    /// What it does, for whoever watches.
    public enum Event {
        case began(StoredRun)
        case ended(StoredRun, state: String)
        /// Something a person wrote, or a run that cannot go on; it has been told once.
        case problem(Problem)
        /// The clock was set, or what it had made of a schedule is taken back.
        case notice(String)
    }

    private let history: RunHistory
    private let surroundings: StepSurroundings
    private let logs: RunLogs
    private let driver: RunDriver
    private let tell: (Event) -> Void

    private var watch: FolderWatch
    private var specs: [String: WorkflowSpec] = [:]
    /// Of the workflows with a schedule, by name.
    private var schedules: [String: DueIntervals] = [:]
    /// Workflows of which more is due than was entered.
    private var backlog: Set<String> = []
    /// Since when each workflow has been looked at; what was due before was missed.
    private var seen: [String: EventTime] = [:]
    /// The one workflow to look after, where there is one; its file need not lie in the folder.
    private let only: WorkflowSpec?
    private var lookedFrom: EventTime
    private var lastLook: (time: EventTime, at: ContinuousClock.Instant)
    /// The jump of the clock that was told last and is not believed yet.
    private var heldJumpMs: Int64?
    private var nextFiles = ContinuousClock.now
    private var nextOrphans = ContinuousClock.now
    private var nextPruning = ContinuousClock.now
    private var version: Int64?
    private var hasNews = true
    private var lastNews = ContinuousClock.now
    private var told: Set<String> = []

    /// How often files and other processes' work are looked for.
    private static let poll = Duration.milliseconds(500)
    private static let restingPoll = Duration.seconds(1)
    private static let restingAfter = Duration.seconds(60)
    /// A longer time between two looks means that the machine slept, and what was due then was missed.
    private static let longestBreakMs: Int64 = 60_000

    /// - Parameters:
    ///   - only: the one workflow to look after, for `runDue`; nil for all of the folder.
    ///   - tell: told on the thread of `run`.
    public init(
        only: WorkflowSpec? = nil, folder: WorkflowFolder, history: RunHistory, surroundings: StepSurroundings,
        logs: RunLogs,
        tell: @escaping (Event) -> Void
    ) {
        (self.history, self.surroundings, self.logs, self.tell) = (history, surroundings, logs, tell)
        driver = RunDriver(history: history, surroundings: surroundings, logs: logs, workflows: folder)
        watch = FolderWatch(folder)
        self.only = only
        lastLook = (surroundings.now(), .now)
        lookedFrom = lastLook.time
    }

    /// Runs until somebody stops it: then steps get SIGTERM, and their runs are given back, for the next scheduler to go on with.
    ///
    /// - Throws: what the database refuses. No step is running then; a new scheduler goes on with the runs.
    public func run(keepLogsMs: Int64, until isStopped: () -> Bool) throws {
        try driver.conduct { [self] in
            report()
            if isStopped() {
                driver.stopAll()
                return driver.count > 0 ? .now + Self.poll : nil
            }
            try pruneLogs(keepLogsMs)
            try round()
            return wake()
        }
    }

    /// Does what is due now, and returns when all of it has run.
    ///
    /// - Parameters:
    ///   - sinceMs: what became due within this time was not missed.
    /// - Returns: whether all runs succeeded.
    public func runDue(sinceMs: Int64, until isStopped: () -> Bool) throws -> Bool {
        lookedFrom = surroundings.now() - sinceMs
        var hasSucceeded = true
        try driver.conduct { [self] in
            for end in report() where end != "success" { hasSucceeded = false }
            if isStopped() {
                driver.stopAll()
                hasSucceeded = false
            } else {
                hasNews = true
                try round()
            }
            return driver.count > 0 ? .now + Self.poll : nil
        }
        return hasSucceeded
    }

    private func round() throws {
        let now = surroundings.now()
        lookAtClock(now)
        if nextFiles.isDue(each: specs.count > 200 || isResting ? .seconds(2) : .seconds(1)) { try lookAtFiles(now) }
        try takeBackAhead(now)
        try enterDue(now)
        let present = try history.version()
        if present != version { (version, hasNews) = (present, true) }
        if nextOrphans.isDue(each: .seconds(5)) { try adopt() }
        if hasNews || driver.count > 0 { lastNews = .now }
        guard hasNews else { return }
        hasNews = false
        try queueAlerts(now)
        try startQueued(now)
    }

    private var isResting: Bool { ContinuousClock.now - lastNews > Self.restingAfter }

    private func wake() -> ContinuousClock.Instant {
        var wake = ContinuousClock.now + (isResting ? Self.restingPoll : Self.poll)
        if let due = schedules.values.compactMap(\.next?.end).min() {
            wake = min(wake, .now + .milliseconds(max(0, due - surroundings.now())))
        }
        return wake
    }

    /// - Returns: the states of the runs that have ended.
    @discardableResult
    private func report() -> [String] {
        let ended = driver.takeEnded()
        for end in ended { tell(.ended(end.run, state: end.state)) }
        // Each end makes room for another run.
        if !ended.isEmpty { hasNews = true }
        return ended.map(\.state)
    }

    private func tellOnce(_ problem: Problem) {
        if told.insert(problem.description).inserted { tell(.problem(problem)) }
    }

    // MARK: the clock

    private func lookAtClock(_ now: EventTime) {
        let jump = surroundings.heldJumpMs()
        if let jump, heldJumpMs == nil {
            let jump = Self.text(ofJump: jump)
            tell(.notice("the clock was set \(jump): time goes on as before until it has stood so for a minute"))
        } else if jump == nil, heldJumpMs != nil, abs(now - lastLook.time) <= SteadyTime.slackMs {
            tell(.notice("the clock is back where it was"))
        }
        heldJumpMs = jump
        let at = ContinuousClock.now
        let jumpedMs = now - lastLook.time - (at - lastLook.at).wholeMs
        if abs(jumpedMs) > SteadyTime.slackMs {
            tell(.notice("the clock was set \(Self.text(ofJump: jumpedMs)): schedules go by it from here on"))
        }
        if now - lastLook.time > Self.longestBreakMs { lookedFrom = now }
        if now < lastLook.time {
            // What was looked at by a clock that ran ahead has been looked at since now at the latest.
            lookedFrom = min(lookedFrom, now)
            seen = seen.mapValues { min($0, now) }
        }
        lastLook = (now, at)
    }

    private static func text(ofJump ms: Int64) -> String {
        // Two days less a millisecond would be 47 hours.
        let rounded = (abs(ms) + 5_000) / 10_000 * 10_000
        return "\(MaxAhead.text(rounded)) \(ms < 0 ? "back" : "forward")"
    }

    /// Takes back what was noted and entered by a clock that ran ahead: nothing would be due until that time comes.
    private func takeBackAhead(_ now: EventTime) throws {
        for (name, due) in schedules {
            guard let spec = specs[name], let latest = spec.latestEntered(now), due.until > latest + SteadyTime.slackMs
            else { continue }
            let taken = try history.takeBack(name, after: latest)
            schedules[name] = DueIntervals(due.schedule, start: spec.start, catchUp: spec.catchUp, until: taken.until)
            backlog.remove(name)
            hasNews = true
            var text = "\(name) was looked at by a clock that ran ahead, until \(spec.zone.iso(ms: due.until)): "
            text += "it is due again from \(spec.zone.iso(ms: taken.until)) on"
            if taken.removed > 0 { text += "; queued runs of intervals to come that are taken back: \(taken.removed)" }
            if taken.early > 0 { text += "; runs that began too early, whose intervals will run again: \(taken.early)" }
            tell(.notice(text))
        }
    }

    // MARK: files

    private func lookAtFiles(_ now: EventTime) throws {
        if let only {
            guard specs.isEmpty else { return }
            try only.requireOurs()
            specs = [only.name: only]
        } else {
            guard let problems = watch.look() else { return }
            for problem in problems { tell(.problem(problem)) }
            specs = watch.workflows
        }
        hasNews = true
        try history.group("looking at the schedules") {
            var kept: [String: DueIntervals] = [:]
            for (name, spec) in specs {
                guard let schedule = spec.schedule else { continue }
                seen[name] = seen[name] ?? (only == nil ? now : lookedFrom)
                kept[name] = DueIntervals(
                    schedule, start: spec.start, catchUp: spec.catchUp, until: try enteredUntil(spec, now))
            }
            schedules = kept
        }
    }

    /// A workflow that was never looked at begins with its `start`, or else now: nothing before was asked for. One whose start was moved
    /// back is looked at from there again: intervals that have a run keep it, and the others are caught up as the file says.
    private func enteredUntil(_ spec: WorkflowSpec, _ now: EventTime) throws -> EventTime {
        let first = spec.start ?? (only == nil ? now : lookedFrom)
        guard let (until, start) = try history.entered(spec.name) else {
            try history.setEntered(spec.name, until: first - 1, start: first)
            return first - 1
        }
        // A version that noted no start has looked from the one of that time on.
        guard let earlier = start ?? spec.start else { return until }
        guard let wanted = spec.start, wanted < earlier, wanted <= until else {
            if start == nil { try history.setEntered(spec.name, until: until, start: earlier) }
            return until
        }
        try history.setEntered(spec.name, until: wanted - 1, start: wanted)
        return wanted - 1
    }

    // MARK: runs

    private func enterDue(_ now: EventTime) throws {
        let due = schedules.filter { name, schedule in
            !backlog.contains(name) && (schedule.next?.end).map { $0 <= now } == true
        }
        guard !due.isEmpty else { return }
        try history.group("queueing what is due") {
            for (name, schedule) in due {
                guard let spec = specs[name] else { continue }
                var schedule = schedule
                for run in schedule.take(now: now, lookedFrom: max(lookedFrom, seen[name] ?? now)) {
                    try history.enqueue(
                        name, run.interval, trigger: run.trigger, params: spec.params, file: spec.absoluteFile, at: now)
                }
                try history.setEntered(name, until: schedule.until)
                schedules[name] = schedule
                if let next = schedule.next, next.end <= now { backlog.insert(name) }
            }
        }
        hasNews = true
    }

    private func queueAlerts(_ now: EventTime) throws {
        if only != nil { return }
        // Looked for outside of a transaction first: mostly there are none.
        guard try !history.waitingAlerts().isEmpty else { return }
        try history.group("queueing what alerts ask for") {
            for alert in try history.waitingAlerts() {
                guard let spec = specs[alert.workflow] else {
                    tellOnce(
                        Problem(
                            .noInput, "an alert asks for workflow \"\(alert.workflow)\", which there is not",
                            hint: "Put it into \"\(watch.folder.path)\"; the alert waits for it."))
                    continue
                }
                let params = try spec.filled(params: alert.params.filter { spec.params[$0.key] != nil })
                try history.enqueue(alert, params: params, file: spec.absoluteFile, at: now)
            }
        }
    }

    /// Goes on with runs whose process is gone.
    private func adopt() throws {
        // What a step began its step goes on with.
        for run in try history.open() where run.parent == nil && !RunDriver.isDriven(run.id) && isMine(run) {
            let isLost = run.process == .current
            guard isLost || !run.process.isAlive, let spec = spec(of: run) else { continue }
            do {
                _ = try driver.resume(spec, run, isLost: isLost)
                tell(.began(run))
            } catch let problem as Problem where problem.code == .tryAgain {
                // Another process was faster, or what was left does not end: the next look tells.
                tellOnce(problem)
            }
        }
    }

    private func startQueued(_ now: EventTime) throws {
        let queued = try history.queued().filter { isMine($0) }
        for name in backlog where !queued.contains(where: { $0.workflow == name }) { backlog.remove(name) }
        guard !queued.isEmpty else { return }
        var began: [StoredRun] = []
        try history.group("beginning the queued runs") {
            let open = try history.open().filter { RunDriver.isDriven($0.id) || $0.process.isAlive }
            let running = Dictionary(grouping: open, by: \.workflow).mapValues(\.count)
            for (name, runs) in Dictionary(grouping: queued, by: \.workflow).sorted(by: { $0.key < $1.key }) {
                guard let spec = spec(of: runs[0]) else { continue }
                let limit = spec.concurrency ?? 1
                let free = limit - running[name, default: 0]
                for run in try withoutOutdated(runs, spec, now).prefix(max(0, free)) {
                    // Counted above, in this transaction.
                    try driver.claim(specs[name] ?? spec, run, limit: .max)
                    began.append(run)
                }
            }
        }
        for run in began { tell(.began(run)) }
    }

    /// Where only the latest missed interval is to run, those that others have overtaken while they waited are left out.
    private func withoutOutdated(_ runs: [StoredRun], _ spec: WorkflowSpec, _ now: EventTime) throws -> [StoredRun] {
        guard spec.catchUp == .latest else { return runs }
        let waiting = runs.filter { run in
            run.started == nil && run.interval != nil
                && [RunTrigger.schedule.rawValue, RunTrigger.catchup.rawValue].contains(run.trigger)
        }
        let outdated = Set(waiting.dropLast().map(\.id))
        for id in outdated { try history.end(id, state: "skipped", at: now) }
        return runs.filter { !outdated.contains($0.id) }
    }

    private func isMine(_ run: StoredRun) -> Bool { only.map { $0.name == run.workflow } ?? true }

    private func spec(of run: StoredRun) -> WorkflowSpec? {
        if let spec = specs[run.workflow] { return spec }
        do throws(Problem) {
            let spec = try watch.folder.load(run.file.isEmpty ? run.workflow : run.file)
            try spec.requireOurs()
            if spec.name == run.workflow { return spec }
            throw Problem(.noInput, "\"\(run.file)\" does not hold workflow \"\(run.workflow)\" any more")
        } catch {
            var problem = error
            problem.message = "run \(run.id) of \"\(run.workflow)\" waits: \(error.message)"
            tellOnce(problem)
            return nil
        }
    }

    // MARK: logs

    private func pruneLogs(_ keepMs: Int64) throws {
        guard nextPruning.isDue(each: .seconds(3600)) else { return }
        try logs.prune(history, keepMs: keepMs, now: surroundings.now())
    }
}
