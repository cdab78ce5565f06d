import TestSupport
import Database
import Foundation
import Problems
import SQLite
import Synchronization
import Testing
import Time
import Trips

@testable import Workflow

/// The scheduler over a folder of workflows, by a clock that is moved by hand.
@Suite struct SchedulerTests {
    /// A tenant with some workflows. Each look at the clock sees `now`; a service ends when nothing is left to do.
    final class Tenant {
        let folder = try! TemporaryFolder()
        let database: ResultsDatabase
        let history: RunHistory
        let clock: HandClock

        /// A clock that stands still until somebody moves it.
        final class HandClock: Sendable {
            private let time: Mutex<EventTime>
            init(_ time: EventTime) { self.time = Mutex(time) }
            var now: EventTime { time.withLock { $0 } }
            func set(_ new: EventTime) { time.withLock { $0 = new } }
        }

        init(_ files: [String: String], at time: String) throws {
            for (name, text) in files { try text.write(toFile: folder(name), atomically: true, encoding: .utf8) }
            database = try ResultsDatabase(path: folder("results.db"))
            history = try RunHistory(database)
            clock = HandClock(try Self.time(time))
        }

        static func time(_ text: String) throws -> EventTime {
            let date = try Date(text, strategy: .iso8601)
            return EventTime(date.timeIntervalSince1970 * 1000)
        }

        func scheduler(_ tell: @escaping (Scheduler.Event) -> Void = { _ in }) -> Scheduler {
            let surroundings = StepSurroundings(
                resultsPath: folder("results.db"),
                environment: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"],
                now: { [clock] in clock.now }, batch: { _, _, _, _ in 0 })
            return Scheduler(
                folder: WorkflowFolder(path: folder.path, zone: "America/Chicago"), history: history,
                surroundings: surroundings, logs: RunLogs(folder: folder("logs")), tell: tell)
        }

        /// Serves, at each of these times in turn, until nothing is queued or runs.
        func serve(_ scheduler: Scheduler, _ times: String...) throws {
            var left = try times.map(Self.time)[...]
            try scheduler.run(keepLogsMs: .max) { [self] in
                let isBusy =
                    (try? database.connection.value(
                        "SELECT 1 FROM stored_workflow_runs WHERE state IN ('queued', 'running')")) != nil
                if isBusy { return false }
                guard let next = left.popFirst() else { return true }
                clock.set(next)
                return false
            }
        }

        /// `workflow interval trigger state` of each run, oldest first.
        func runs() throws -> [String] {
            try history.runs().sorted { ($0.interval?.start ?? 0, $0.id) < ($1.interval?.start ?? 0, $1.id) }.map {
                run in
                let spec = try WorkflowFolder(path: folder.path, zone: "America/Chicago").load(run.workflow)
                return "\(run.workflow) \(run.interval.map { spec.name(of: $0) } ?? "-") \(run.trigger) \(run.state)"
            }
        }
    }

    static func daily(_ more: String) -> String {
        "name: daily\nschedule: \"0 3 * * *\"\n\(more)\nsteps: {a: {sh: \"true\"}}\n"
    }

    @Test(arguments: [
        ("none", ["daily 2024-03-05 schedule success"]),
        ("false", ["daily 2024-03-05 schedule success"]),
        ("latest", ["daily 2024-03-04 catchup success", "daily 2024-03-05 schedule success"]),
        (
            "2d",
            [
                "daily 2024-03-03 catchup success", "daily 2024-03-04 catchup success",
                "daily 2024-03-05 schedule success",
            ]
        ),
        (
            "all",
            [
                "daily 2024-03-01 catchup success", "daily 2024-03-02 catchup success",
                "daily 2024-03-03 catchup success", "daily 2024-03-04 catchup success",
                "daily 2024-03-05 schedule success",
            ]
        ),
    ])
    func whatWasMissedIsRunAsTheFileSays(_ catchUp: String, _ expected: [String]) throws {
        let tenant = try Tenant(
            ["daily.yaml": Self.daily("start: 2024-03-01\ncatchup: \(catchUp)")], at: "2024-03-05T12:00:00Z")
        // The clock goes on minute by minute over the next due time, 09:00 UTC.
        try tenant.serve(
            tenant.scheduler(), "2024-03-05T12:00:00Z", "2024-03-06T08:59:30Z", "2024-03-06T09:00:00Z")
        // A second service, and a third one that finds it all done.
        try tenant.serve(tenant.scheduler(), "2024-03-06T09:00:10Z")
        let runs = try tenant.runs()
        // The break between noon and the next morning counts as sleep, but nothing was due in it.
        #expect(runs == expected)
    }

    @Test func withoutAStartNothingBeforeTheFirstLookIsMissed() throws {
        let tenant = try Tenant(["daily.yaml": Self.daily("catchup: all")], at: "2024-03-05T12:00:00Z")
        try tenant.serve(tenant.scheduler(), "2024-03-05T12:00:01Z")
        #expect(try tenant.runs().isEmpty)
        // Nobody looks for two days.
        tenant.clock.set(try Tenant.time("2024-03-07T12:00:00Z"))
        try tenant.serve(tenant.scheduler(), "2024-03-07T12:00:01Z")
        #expect(try tenant.runs() == ["daily 2024-03-05 catchup success", "daily 2024-03-06 catchup success"])
    }

    @Test func aLongPastIsRunToItsEnd() throws {
        let tenant = try Tenant(
            [
                "h.yaml":
                    "name: h\nschedule: \"0 * * * *\"\nstart: 2024-03-01\ncatchup: all\nconcurrency: 50\nsteps: {a: {shell: [\"true\"]}}"
            ],
            at: "2024-03-11T05:30:00Z")
        try tenant.serve(tenant.scheduler(), "2024-03-11T05:30:01Z")
        // Ten days, of which one has 23 hours.
        #expect(try tenant.history.runs().filter { $0.state == "success" }.count == 239)
    }

    @Test func filesComeChangeAndGo() throws {
        let tenant = try Tenant([:], at: "2024-03-05T12:00:00Z")
        var problems: [String] = []
        let scheduler = tenant.scheduler { event in
            if case .problem(let problem) = event { problems.append("\(problem)") }
        }
        var step = 0
        try scheduler.run(keepLogsMs: .max) {
            step += 1
            switch step {
            case 1: try? "name: b".write(toFile: tenant.folder("b.yaml"), atomically: true, encoding: .utf8)
            case 2 where problems.isEmpty: step = 1
            case 2:
                try? Self.daily("start: 2024-03-04").write(
                    toFile: tenant.folder("b.yaml"), atomically: true, encoding: .utf8)
            case 3 where (try? tenant.runs()) != ["daily 2024-03-04 catchup success"]: step = 2
            default: return step >= 3
            }
            return false
        }
        #expect(problems.count == 1 && problems[0].contains("key \"steps\" is missing"))
        #expect(try tenant.runs() == ["daily 2024-03-04 catchup success"])
    }

    @Test func onlyTheNewestOfWaitingIntervalsRunsWhereTheLatestIsWanted() throws {
        let tenant = try Tenant(["daily.yaml": Self.daily("catchup: latest")], at: "2024-03-08T12:00:00Z")
        for day in 4...6 {
            let start = try Tenant.time("2024-03-0\(day)T09:00:00Z")
            try tenant.history.enqueue(
                "daily", DataInterval(start: start, end: start + 86_400_000), trigger: .schedule, params: [:],
                file: tenant.folder("daily.yaml"), at: start)
        }
        try tenant.serve(tenant.scheduler())
        #expect(
            try tenant.runs() == [
                "daily 2024-03-04 schedule skipped", "daily 2024-03-05 schedule skipped",
                "daily 2024-03-06 schedule success",
            ])
    }

    @Test func anAlertStartsItsWorkflowOnce() throws {
        let tenant = try Tenant(
            ["spike.yaml": "name: spike\nparams: {value: 0}\nsteps: {a: {sh: \"echo {{ params.value }} >> out\"}}"],
            at: "2024-03-05T12:00:00Z")
        try tenant.database.connection.execute(
            """
            CREATE TABLE IF NOT EXISTS stored_alerts (alert_id INTEGER PRIMARY KEY, raised_ms, name, query, window_start_ms, value,
                params TEXT, workflow TEXT, run_id TEXT)
            """)
        try tenant.database.connection.execute(
            """
            INSERT INTO stored_alerts (raised_ms, name, query, window_start_ms, value, params, workflow)
            VALUES (1, 'a', 'q', 0, 7, '{"value":"7","other":"x"}', 'spike'), (1, 'b', 'q', 0, 8, '{}', NULL)
            """)
        try tenant.serve(tenant.scheduler(), "2024-03-05T12:00:01Z")
        try tenant.serve(tenant.scheduler(), "2024-03-05T12:00:02Z")
        #expect(try tenant.runs() == ["spike - alert success"])
        let run = try #require(try tenant.history.runs().first)
        #expect(run.params == ["value": "7"])
        let ids = try tenant.database.connection.rows("SELECT run_id FROM stored_alerts ORDER BY alert_id") {
            row throws(SQLiteError) in row.value(0)
        }
        #expect(ids == [.text(run.id), .null])
        #expect(try String(contentsOfFile: tenant.folder("out"), encoding: .utf8) == "7\n")
    }

    /// As kill -9 leaves them: a run that its process had, and a queued one that nobody began.
    @Test func goesOnWithWhatAnotherSchedulerLeft() throws {
        let tenant = try Tenant(
            ["w.yaml": "name: w\nsteps:\n  a: {sh: \"echo a >> out\"}\n  b: {sh: \"echo b >> out\", needs: [a]}"],
            at: "2024-03-05T12:00:00Z")
        let gone = RunningProcess(pid: 1, start: "an earlier boot")
        let run = try tenant.history.begin(
            "w", nil, trigger: .manual, params: [:], file: tenant.folder("w.yaml"), process: gone, at: 1)
        try tenant.history.begin(run.id, "a", attempt: 1, at: 1)
        try tenant.history.end(run.id, "a", attempt: 1, .success, error: nil, outputs: [:], at: 2)
        try tenant.history.begin(run.id, "b", attempt: 1, at: 2)
        try tenant.history.enqueue("w", nil, trigger: .manual, params: [:], file: tenant.folder("w.yaml"), at: 3)
        try tenant.serve(tenant.scheduler())
        #expect(try tenant.runs() == ["w - manual success", "w - manual success"])
        #expect(try String(contentsOfFile: tenant.folder("out"), encoding: .utf8) == "b\na\nb\n")
    }

    @Test func aStoppedSchedulerGivesItsRunsBack() throws {
        let tenant = try Tenant(
            ["w.yaml": "name: w\nsteps: {a: {sh: \"test -e go || sleep 600\"}}"], at: "2024-03-05T12:00:00Z")
        try tenant.history.enqueue("w", nil, trigger: .manual, params: [:], file: tenant.folder("w.yaml"), at: 3)
        var hasBegun = false
        try tenant.scheduler().run(keepLogsMs: .max) {
            let running = "SELECT 1 FROM stored_workflow_steps WHERE state = 'running'"
            if (try? tenant.database.connection.value(running)) != nil { hasBegun = true }
            return hasBegun
        }
        #expect(try tenant.runs() == ["w - manual queued"])
        try "".write(toFile: tenant.folder("go"), atomically: true, encoding: .utf8)
        try tenant.serve(tenant.scheduler())
        #expect(try tenant.runs() == ["w - manual success"])
        let id = try tenant.history.runs()[0].id
        #expect(try tenant.history.attempts(of: id).map(\.state) == [.interrupted, .success])
    }

    @Test func logsOfOldRunsGo() throws {
        let tenant = try Tenant(["w.yaml": "name: w\nsteps: {a: {sh: \"echo\"}}"], at: "2024-03-05T12:00:00Z")
        try tenant.history.enqueue("w", nil, trigger: .manual, params: [:], file: tenant.folder("w.yaml"), at: 3)
        try tenant.serve(tenant.scheduler())
        let logs = RunLogs(folder: tenant.folder("logs"))
        let ended = try Tenant.time("2024-03-05T12:00:00Z")
        try logs.prune(tenant.history, endedBefore: ended)
        #expect(try FileManager.default.contentsOfDirectory(atPath: logs.folder).count == 1)
        try logs.prune(tenant.history, endedBefore: ended + 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: logs.folder).isEmpty)
    }

    @Test(arguments: [
        ("all", ["2024-03-01 catchup", "2024-03-02 catchup", "2024-03-03 catchup", "2024-03-04 catchup"]),
        ("2d", ["2024-03-03 catchup", "2024-03-04 catchup"]),
        ("latest", ["2024-03-04 catchup"]),
        ("none", []),
    ])
    func aStartThatWasMovedBackIsCaughtUp(_ catchUp: String, _ expected: [String]) throws {
        // At first only the last day is asked for, of which nobody has missed anything.
        let tenant = try Tenant(
            ["daily.yaml": Self.daily("start: 2024-03-04\ncatchup: \(catchUp)")], at: "2024-03-05T12:00:00Z")
        try tenant.serve(tenant.scheduler(), "2024-03-05T12:00:01Z")
        try Self.daily("start: 2024-03-01\ncatchup: \(catchUp)").write(
            toFile: tenant.folder("daily.yaml"), atomically: true, encoding: .utf8)
        for second in 2...3 { try tenant.serve(tenant.scheduler(), "2024-03-05T12:00:0\(second)Z") }
        #expect(try tenant.runs() == expected.map { "daily \($0) success" })
        // And forward again, which asks for nothing.
        try Self.daily("start: 2024-03-03\ncatchup: \(catchUp)").write(
            toFile: tenant.folder("daily.yaml"), atomically: true, encoding: .utf8)
        try tenant.serve(tenant.scheduler(), "2024-03-05T12:00:04Z")
        #expect(try tenant.runs().count == expected.count)
    }

    @Test func aStartThatIsAddedIsCaughtUpToo() throws {
        let tenant = try Tenant(["daily.yaml": Self.daily("catchup: all")], at: "2024-03-05T12:00:00Z")
        try tenant.serve(tenant.scheduler(), "2024-03-05T12:00:01Z")
        #expect(try tenant.runs().isEmpty)
        try Self.daily("start: 2024-03-03\ncatchup: all").write(
            toFile: tenant.folder("daily.yaml"), atomically: true, encoding: .utf8)
        try tenant.serve(tenant.scheduler(), "2024-03-05T12:00:02Z")
        #expect(try tenant.runs() == ["daily 2024-03-03 catchup success", "daily 2024-03-04 catchup success"])
    }

    // MARK: - a clock that runs ahead

    /// Hourly from midnight; the clock is 400 days ahead until some runs of that time have ended, and then right again.
    @Test(arguments: ["all", "latest", "none"])
    func aClockThatRanAheadHoldsNothingUpAndUsesNothingUp(_ catchUp: String) throws {
        let file =
            "name: h\nschedule: \"0 * * * *\"\nstart: 2024-03-05\ncatchup: \(catchUp)\nsteps: {a: {sh: \"true\"}}\n"
        let tenant = try Tenant(["h.yaml": file], at: "2024-03-05T12:00:01Z")
        var notices: [String] = []
        let scheduler = tenant.scheduler { event in
            if case .notice(let text) = event { notices.append(text) }
        }
        try tenant.serve(scheduler, "2024-03-05T12:00:02Z")
        let before = try tenant.runs()
        tenant.clock.set(try Tenant.time("2025-04-09T12:00:02Z"))
        // What comes of that time is not the point, but that something does where everything is caught up.
        let ahead = "SELECT count(*) FROM stored_workflow_runs WHERE interval_end_ms > 1709647200000"
        try scheduler.run(keepLogsMs: .max) {
            let until = "SELECT 1 FROM workflow_schedules WHERE until_ms > 1709650800000"
            let hasRun = (try? tenant.database.connection.value(ahead + " AND state = 'success'"))?.integer ?? 0
            return (try? tenant.database.connection.value(until)) != nil && (catchUp == "none" || hasRun > 0)
        }
        tenant.clock.set(try Tenant.time("2024-03-05T12:30:00Z"))
        try tenant.serve(
            scheduler, "2024-03-05T12:30:01Z", "2024-03-05T12:59:30Z", "2024-03-05T13:00:00Z", "2024-03-05T13:59:30Z",
            "2024-03-05T14:00:00Z")
        let names = ["2024-03-05T06:00-06:00", "2024-03-05T07:00-06:00"]
        let after = try tenant.runs().filter { !$0.hasPrefix("h - ") }
        #expect(after == before + names.map { "h \($0) schedule success" })
        for way in ["forward", "back"] {
            #expect(notices.contains { $0.hasSuffix(" days \(way): schedules go by it from here on") }, "\(notices)")
        }
        #expect(notices.contains { $0.hasPrefix("h was looked at by a clock that ran ahead, until ") })
        // Nothing is left to be taken back.
        let spec = try WorkflowFolder(path: tenant.folder.path, zone: "America/Chicago").load("h")
        #expect(try tenant.history.enteredAhead(spec, now: tenant.clock.now) == nil)
    }

    @Test func aStartThatIsToComeIsNotAhead() throws {
        let tenant = try Tenant(
            ["daily.yaml": Self.daily("start: 2024-06-01\ncatchup: all")], at: "2024-03-05T12:00:00Z")
        var notices: [String] = []
        let scheduler = tenant.scheduler { event in
            if case .notice(let text) = event { notices.append(text) }
        }
        try tenant.serve(scheduler, "2024-03-05T12:00:01Z", "2024-03-05T12:00:02Z")
        #expect(notices.isEmpty)
        try tenant.serve(tenant.scheduler(), "2024-06-03T12:00:00Z")
        #expect(try tenant.runs() == ["daily 2024-06-01 catchup success", "daily 2024-06-02 catchup success"])
    }

    @Test func aClockThatRunsAheadMakesNoLogOld() throws {
        let tenant = try Tenant(["w.yaml": "name: w\nsteps: {a: {sh: \"echo\"}}"], at: "2024-03-05T12:00:00Z")
        try tenant.history.enqueue("w", nil, trigger: .manual, params: [:], file: tenant.folder("w.yaml"), at: 3)
        try tenant.serve(tenant.scheduler())
        let logs = RunLogs(folder: tenant.folder("logs"))
        try logs.prune(tenant.history, keepMs: 86_400_000, now: tenant.clock.now + 400 * 86_400_000)
        #expect(try FileManager.default.contentsOfDirectory(atPath: logs.folder).count == 1)
    }
}
