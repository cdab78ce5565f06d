internal import Database
internal import Problems
internal import SQLite
public import Time

/// How runs begin and end.
extension RunHistory {
    /// Begins the run of an interval, or of none.
    ///
    /// - Parameter limit: how many runs of the workflow may be under way, this one included.
    /// - Throws: `.usage` where the interval has a run that has ended; `.tryAgain` where it has one that is under way, and where
    ///   too many others are.
    func begin(
        _ workflow: String, _ interval: DataInterval?, trigger: RunTrigger, params: [String: String], file: String,
        parent: String? = nil, limit: Int = .max, process: RunningProcess, at now: EventTime
    ) throws -> StoredRun {
        try group("beginning a run") {
            if let interval, let there = try run(of: workflow, interval) {
                if there.state == "queued" { return try claim(there, limit: limit, process: process, at: now) }
                try refuseIfRunning(there)
                throw Problem(
                    .usage, "this interval of \"\(workflow)\" has a run already: \(there.id), \(there.shownState)",
                    hint: there.state == "success"
                        ? "taxi-cli workflow retry \(there.id) --all runs it again."
                        : "taxi-cli workflow retry \(there.id) goes on with it.")
            }
            let run = try enter(
                workflow, interval, trigger: trigger, params: params, file: file, parent: parent, at: now)
            return try claim(run, limit: limit, process: process, at: now)
        }
    }

    /// Writes a run down as queued, whether or not its interval has one.
    private func enter(
        _ workflow: String, _ interval: DataInterval?, trigger: RunTrigger, params: [String: String], file: String,
        parent: String? = nil, at now: EventTime
    ) throws -> StoredRun {
        let id = RunLog.makeID(at: now)
        try connection.execute(
            """
            INSERT INTO stored_workflow_runs (run_id, workflow, interval_start_ms, interval_end_ms, trigger, state, queued_ms,
                params, file, parent, pid, process_start)
            VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, 0, '')
            """, .text(id), .text(workflow), (interval?.start).map(SQLValue.integer) ?? .null,
            (interval?.end).map(SQLValue.integer) ?? .null, .text(trigger.rawValue), .integer(now),
            .text(Self.json(params)), .text(file), parent.map(SQLValue.text) ?? .null)
        return StoredRun(
            id: id, workflow: workflow, interval: interval, trigger: trigger.rawValue, state: "queued", queued: now,
            started: nil, ended: nil, params: params, file: file, parent: parent,
            process: RunningProcess(pid: 0, start: ""))
    }

    /// Queues a run for the scheduler; nil where its interval has one already.
    @discardableResult
    public func enqueue(
        _ workflow: String, _ interval: DataInterval?, trigger: RunTrigger, params: [String: String], file: String,
        at now: EventTime
    ) throws -> StoredRun? {
        try group("queueing a run") {
            if let interval, try run(of: workflow, interval) != nil { return nil }
            return try enter(workflow, interval, trigger: trigger, params: params, file: file, at: now)
        }
    }

    /// Makes a queued run one of this process.
    ///
    /// - Throws: `.tryAgain` where too many others of its workflow are under way.
    func claim(_ run: StoredRun, limit: Int, process: RunningProcess, at now: EventTime) throws -> StoredRun {
        try group("beginning a run") {
            if limit < .max, case let others = try running(of: run.workflow), others.count >= limit {
                throw Problem(
                    .tryAgain,
                    "\(others.count) \(others.count == 1 ? "run" : "runs") of \"\(run.workflow)\" "
                        + "\(others.count == 1 ? "is" : "are") under way (\(others.map(\.id).joined(separator: ", "))), "
                        + "and its concurrency is \(limit)",
                    hint: "Wait for the end, or let taxi-cli workflow trigger queue it.")
            }
            try connection.execute(
                """
                UPDATE stored_workflow_runs SET state = 'running', started_ms = coalesce(started_ms, ?), pid = ?, process_start = ?
                WHERE run_id = ?
                """, .integer(now), .integer(Int64(process.pid)), .text(process.start), .text(run.id))
            var claimed = run
            (claimed.state, claimed.process) = ("running", process)
            claimed.started = run.started ?? now
            return claimed
        }
    }

    /// Takes over a run that has ended, is queued, or whose process is gone; steps that ran become `interrupted`.
    ///
    /// - Parameter isLost: the run is this process's own, which does not drive it any more.
    /// - Returns: processes of its steps that were noted and may still be there; they have to end before the steps may run again.
    /// - Throws: `.tryAgain` where it is under way.
    func takeOver(
        _ run: StoredRun, trigger: RunTrigger? = nil, isLost: Bool = false, process: RunningProcess
    ) throws -> [RunningProcess] {
        try group("taking over a run") {
            let present = try self.run(run.id)
            if !isLost || present.process != process { try refuseIfRunning(present) }
            let left = try attempts(of: run.id).filter { $0.state == .running }.compactMap(\.process)
            try connection.execute(
                """
                UPDATE stored_workflow_steps SET state = 'interrupted', error = 'the process that ran it was gone'
                WHERE run_id = ? AND state = 'running'
                """, .text(run.id))
            try connection.execute(
                """
                UPDATE stored_workflow_runs SET state = 'running', ended_ms = NULL, cancel = 0,
                    trigger = coalesce(?, trigger), pid = ?, process_start = ?
                WHERE run_id = ?
                """, trigger.map { .text($0.rawValue) } ?? .null, .integer(Int64(process.pid)), .text(process.start),
                .text(run.id))
            return left.filter(\.isAlive)
        }
    }

    private func refuseIfRunning(_ run: StoredRun) throws {
        guard run.shownState == "running" else { return }
        throw Problem(
            .tryAgain, "run \(run.id) of \"\(run.workflow)\" is under way, in process \(run.process.pid)",
            hint: "Wait for its end, or taxi-cli workflow cancel \(run.id).")
    }

    func end(_ runID: String, state: String, at now: EventTime) throws {
        try group("noting the end of a run") {
            try connection.execute(
                "UPDATE stored_workflow_runs SET state = ?, ended_ms = ? WHERE run_id = ?", .text(state), .integer(now),
                .text(runID))
        }
    }

    /// Gives a run back, so that the next scheduler goes on with it.
    func requeue(_ runID: String) throws {
        try group("giving a run back") {
            try connection.execute(
                "UPDATE stored_workflow_runs SET state = 'queued', pid = 0, process_start = '' WHERE run_id = ?",
                .text(runID))
        }
    }

    /// Asks the process of a run to stop it; a run without a process is cancelled at once, and what its steps left is ended. So are the
    /// runs that its steps have begun, and theirs.
    ///
    /// - Throws: `.usage` where it has ended; `.tryAgain` where a process that was left does not end.
    public func cancel(_ run: StoredRun, at now: EventTime) throws {
        let left = try group("cancelling a run") {
            let present = try self.run(run.id)
            guard ["running", "queued", "interrupted"].contains(present.shownState) else {
                throw Problem(.usage, "run \(run.id) is not under way: \(present.shownState)")
            }
            return try cancelAll(from: present, at: now)
        }
        for (id, processes) in left { try LeftProcesses.end(of: id, noted: processes) }
    }

    /// - Returns: the runs whose process is gone, with those of their steps that were noted.
    private func cancelAll(
        from run: StoredRun, at now: EventTime
    ) throws -> [(id: String, processes: [RunningProcess])] {
        var left: [(id: String, processes: [RunningProcess])] = []
        switch run.shownState {
        case "running":
            try connection.execute("UPDATE stored_workflow_runs SET cancel = 1 WHERE run_id = ?", .text(run.id))
        case "queued": try end(run.id, state: "cancelled", at: now)
        case "interrupted":
            left.append((run.id, try attempts(of: run.id).filter { $0.state == .running }.compactMap(\.process)))
            try connection.execute(
                """
                UPDATE stored_workflow_steps SET state = 'cancelled', ended_ms = ?, error = 'the process that ran it was gone'
                WHERE run_id = ? AND state = 'running'
                """, .integer(now), .text(run.id))
            try end(run.id, state: "cancelled", at: now)
        default: break
        }
        for child in try children(of: run.id) { left += try cancelAll(from: child, at: now) }
        return left
    }

    /// The runs that steps of a run have begun.
    private func children(of runID: String) throws -> [StoredRun] {
        // "0" is what follows "/".
        try select("WHERE parent > ? AND parent < ?", .text("\(runID)/"), .text("\(runID)0"))
    }

    /// Runs under way whose end somebody asked for.
    func cancelRequests() throws -> [String] {
        try explaining("looking for cancelled runs") {
            try connection.rows("SELECT run_id FROM stored_workflow_runs WHERE state = 'running' AND cancel = 1") {
                row throws(SQLiteError) in try row.storedText(0)
            }
        }
    }

    /// The runs that a step began, the newest first as far as their ids tell: a clock may have been set between two of them.
    func runs(begunBy parent: String) throws -> [StoredRun] {
        try select("WHERE parent = ? ORDER BY run_id DESC", .text(parent))
    }

    /// Runs of a workflow that a living process has.
    func running(of workflow: String) throws -> [StoredRun] {
        try select("WHERE state = 'running' AND workflow = ?", .text(workflow)).filter(\.process.isAlive)
    }
}
