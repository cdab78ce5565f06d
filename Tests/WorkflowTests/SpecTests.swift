import TestSupport
import Foundation
import Problems
import Testing
import Time
import Trips

@testable import Workflow

@Suite struct SpecTests {
    @Test func readsAWholeWorkflow() throws {
        let folder = try TemporaryFolder()
        try "SELECT 1".write(toFile: folder("publish.sql"), atomically: true, encoding: .utf8)
        let spec = try load(
            """
            name: monthly
            description: What the month brought
            schedule: "0 3 1 * *"
            timezone: Europe/Berlin
            start: 2013-01-01
            catchup: 6h
            parallel: 2
            timeout: 30m
            params: {top: 10}
            steps:
              notify:
                shell: [echo, "{{ params.top }} {{ steps.store.rows }} {{ interval.end }}"]
                needs: [store]
                if: "{{ steps.store.rows }} > 0"
                when: all_done
                allow_failure: true
                env: {MONTH: "{{ interval }}"}
              store: {sql: publish.sql, needs: [trend, ready], retries: 3, backoff: 10s..5m, timeout: 1h}
              trend: {batch: fare-trend, by: month, period: "{{ interval }}"}
              ready: {wait: {file: "/tmp/{{ run.id }}"}}
            """, in: folder)
        #expect(spec.name == "monthly")
        #expect(spec.zone.identifier == "Europe/Berlin")
        #expect(spec.start.map { spec.zone.iso(ms: $0) } == "2013-01-01T00:00:00.000+01:00")
        #expect(spec.catchUp == .within(ms: 21_600_000))
        #expect(spec.timeoutMs == 1_800_000)
        #expect(spec.params == ["top": "10"])
        #expect(spec.steps.map(\.name) == ["trend", "ready", "store", "notify"])
        let store = try #require(spec.step("store"))
        #expect(store.backoff == Backoff(firstMs: 10_000, limitMs: 300_000))
        #expect(store.retries == 3)
        #expect(spec.step("notify")?.when == .allDone)
        #expect(spec.step("notify")?.allowFailure == true)
    }

    @Test func tellsEveryMistakeWithItsPlace() throws {
        let folder = try TemporaryFolder()
        let problem = #expect(throws: Problem.self) {
            try load(
                """
                name: my flow
                schedule: "0 25 1 * *"
                timezone: Amerika/Chicago
                start: 2024-02-30
                catchup: sometimes
                paramz: {}
                params: {top: 10}
                steps:
                  a: {sh: "echo {{ params.topp }}", needs: [bb]}
                  b: {batch: fare-tend, needs: [c]}
                  c: {shell: [], needs: [b]}
                  d: {sql: nowhere.sql, by: month}
                  e: {needs: [a]}
                  f: {sh: "echo {{ steps.a.state }}", retries: many}
                  g: {sh: "{{ steps.a.rows }}", needs: [a], if: "{{ steps.a.exit }}"}
                  h: {sh: "{{ interval", backoff: 5m..10s}
                """, in: folder)
        }
        let found = [try #require(problem)] + (problem?.others ?? [])
        let lines = found.map { "\($0.location?.line ?? 0):\($0.location?.column ?? 0) \($0.message)" }
        #expect(found.allSatisfy { $0.code == .configuration })
        #expect(
            lines == [
                "1:7 \"my flow\" cannot name a workflow",
                "3:11 unknown time zone \"Amerika/Chicago\"",
                "5:10 expected none, latest, all or a length of time, found \"sometimes\"",
                "6:1 unknown key \"paramz\" of a workflow",
                "9:20 there is no parameter \"topp\"",
                "9:45 there is no step \"bb\"",
                "10:14 unknown analysis \"fare-tend\"",
                "10:32 steps wait for each other in a circle: b needs c needs b",
                "11:14 expected a program and its arguments, found a list",
                "12:12 cannot read file \"\(folder("nowhere.sql"))\"",
                "12:25 \"by\" belongs to a step with batch or report",
                "13:3 step \"e\" does nothing",
                "14:20 step \"a\" may not have ended here",
                "14:48 expected a whole number, found \"many\"",
                "15:15 step \"a\" has no \"rows\"",
                "15:50 expected a comparison, found \"{{ steps.a.exit }}\"",
                "16:12 \"{{\" without \"}}\"",
                "16:35 expected a wait between attempts, found \"5m..10s\"",
            ])
        #expect(found.first { $0.message.contains("topp") }?.hint == "Did you mean \"top\"?")
    }

    /// The schedule and the start are only read in a zone that there is.
    @Test func pointsIntoTheSchedule() throws {
        let folder = try TemporaryFolder()
        let problem = #expect(throws: Problem.self) {
            try load("name: a\nschedule: \"0 25 1 * *\"\nstart: 2024-02-30\nsteps: {a: {sh: ls}}\n", in: folder)
        }
        #expect(problem?.location?.line == 2)
        #expect(problem?.location?.column == 14)
        #expect(problem?.message == "25 is no hour")
        #expect(problem?.others.map(\.message) == ["expected a day, found \"2024-02-30\""])
    }

    @Test func withoutAScheduleThereIsNoInterval() throws {
        let folder = try TemporaryFolder()
        let problem = #expect(throws: Problem.self) {
            try load("name: a\nsteps:\n  a: {sh: \"echo {{ interval }}\"}\n", in: folder)
        }
        #expect(problem?.message == "a workflow without a schedule has no interval")
    }

    @Test func aCommentAloneIsNoWorkflow() throws {
        let folder = try TemporaryFolder()
        let problem = #expect(throws: Problem.self) { try load("# nothing\n", in: folder) }
        #expect(problem?.code == .configuration)
    }
}

@Suite struct DAGTests {
    @Test func ordersAndKeepsTheOrderOfTheFileOtherwise() {
        let graph = DAG(["d", "c", "b", "a"], needs: ["d": ["a"], "c": ["a"], "b": ["d"]])
        #expect(graph.order == ["a", "d", "c", "b"])
        #expect(graph.cycle == nil)
        #expect(graph.ancestors(of: "b") == ["d", "a"])
    }

    @Test func namesACycle() {
        let graph = DAG(["a", "b", "c", "d"], needs: ["a": ["b"], "b": ["c"], "c": ["d"], "d": ["b"]])
        #expect(graph.order == nil)
        #expect(graph.cycle == ["b", "c", "d", "b"])
        #expect(DAG(["a"], needs: ["a": ["a"]]).cycle == ["a", "a"])
    }
}

@Suite struct ComparisonTests {
    @Test(arguments: [
        ("{{ run.id }} > 0", "10", "0", true), ("{{ run.id }} > 9", "10", "9", true), ("a <= b", "3", "3.0", true),
        ("a == b", "x", "x", true), ("a != b", "x", "y", true), ("a == b", "1.0", "1", true), ("a<b", "2", "1", false),
    ])
    func compares(_ text: String, _ left: String, _ right: String, _ expected: Bool) throws {
        let holds = try Comparison(text).holds(left, right)
        #expect(holds == expected)
    }

    @Test func textHasNoOrder() throws {
        let comparison = try Comparison("a < b")
        #expect(throws: Incomparable.self) { try comparison.holds("x", "y") }
    }

    /// By its square this would take minutes.
    @Test func aLongChainIsPutInOrder() {
        let names = (0..<20_000).map { "s\($0)" }
        let needs = Dictionary(uniqueKeysWithValues: zip(names, names.dropFirst().map { [$0] }))
        #expect(DAG(names, needs: needs).order == names.reversed())
        #expect(DAG(names, needs: needs).cycle == nil)
        let circle = needs.merging(["s19999": ["s0"]]) { $1 }
        #expect(DAG(names, needs: circle).order == nil)
        #expect(DAG(names, needs: circle).cycle?.count == 20_001)
    }

    @Test func moreThan2000StepsAreRefused() throws {
        let folder = try TemporaryFolder()
        let steps = (0...2_000).map { "  s\($0): {sh: ls}\n" }.joined()
        let problem = #expect(throws: Problem.self) { try load("name: w\nsteps:\n\(steps)", in: folder) }
        #expect(problem?.message == "a workflow has at most 2000 steps, this one 2001")
    }

    @Test func backoffDoublesUpToItsLimit() {
        let backoff = Backoff(firstMs: 10, limitMs: 70)
        #expect([1, 2, 3, 4, 100].map { backoff.waitMs(afterAttempt: $0) } == [10, 20, 40, 70, 70])
    }
}

func load(_ text: String, in folder: TemporaryFolder) throws -> WorkflowSpec {
    let path = folder("workflow.yaml")
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    let shared = try WorkflowFolder(path: folder.path, zone: "America/Chicago").shared()
    return try WorkflowSpec.load(path: path, zone: "America/Chicago", shared: shared)
}
