import TestSupport
import Foundation
import Testing

@testable import Workflow

/// Crontab lines, systemd timers and pictures.
@Suite struct SystemTimersTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var schedule: String
        var zone = "America/Chicago"
        var crontab: String
        var timer: [String]
        var testDescription: String { "\(schedule) in \(zone)" }
    }

    @Test(arguments: [
        Case(schedule: "0 3 1 * *", crontab: "0 3 1 * *", timer: ["*-*-01 03:00:00 America/Chicago"]),
        // The clock skips 02:30 once a year, and systemd passes over it.
        Case(schedule: "30 2 * * *", crontab: "30 2 * * *", timer: ["*-*-* *:0,30:00 America/Chicago"]),
        Case(
            schedule: "30 2 * * *", zone: "Asia/Tokyo", crontab: "30 * * * *", timer: ["*-*-* 02:30:00 Asia/Tokyo"]),
        // Half an hour lies between these clocks and those of others.
        Case(
            schedule: "5 4 * * *", zone: "Asia/Kolkata", crontab: "* * * * *", timer: ["*-*-* 04:05:00 Asia/Kolkata"]),
        Case(
            schedule: "*/15 * * * *", crontab: "*/15 * * * *", timer: ["*-*-* *:00,15,30,45:00 America/Chicago"]),
        // Either day is meant.
        Case(
            schedule: "0 6 1,15 jan-mar mon", crontab: "0 6 1,15 jan-mar mon",
            timer: ["*-01,02,03-01,15 06:00:00 America/Chicago", "Mon *-01,02,03-* 06:00:00 America/Chicago"]),
        Case(
            schedule: "0 6 */2 * 1-5", crontab: "0 6 */2 * 1-5",
            timer: [
                "Mon,Tue,Wed,Thu,Fri *-*-01,03,05,07,09,11,13,15,17,19,21,23,25,27,29,31 06:00:00 America/Chicago"
            ]),
        Case(schedule: "@weekly", crontab: "0 0 * * 0", timer: ["Sun *-*-* 00:00:00 America/Chicago"]),
    ])
    func tellsCronAndSystemdWhen(_ c: Case) throws {
        let spec = try load(
            "name: w\nschedule: \"\(c.schedule)\"\ntimezone: \(c.zone)\nsteps: {a: {sh: ls}}", in: TemporaryFolder())
        let timers = try SystemTimers(spec, command: ["/opt/a b/taxi-cli", "run", "100%"])
        #expect(
            timers.crontabLine(systemZone: "America/Chicago") == "\(c.crontab) '/opt/a b/taxi-cli' run 100\\%")
        #expect(timers.calendarLines == c.timer)
        #expect(timers.systemdUnits.contains("ExecStart=\"/opt/a b/taxi-cli\" run 100%%\n"))
    }

    @Test func drawsLanesFromEachStepToThoseThatNeedIt() throws {
        let spec = try load(
            """
            name: w
            steps:
              extract: {sh: ls}
              clean: {sh: ls, needs: [extract]}
              side: {sh: ls, needs: [extract]}
              trend: {sh: ls, needs: [clean]}
              spots: {sh: ls, needs: [clean]}
              store: {sh: ls, needs: [trend, spots, side]}
              alone: {sh: ls}
            """, in: TemporaryFolder())
        #expect(
            WorkflowGraph(spec).text == """
                ●      extract  (sh)
                │ ●    alone    (sh)
                ├─●    clean    (sh)
                ● │    side     (sh)
                │ ├─●  trend    (sh)
                │ ● │  spots    (sh)
                ●─┴─┘  store    (sh)

                """)
        let svg = WorkflowGraph(spec).svg
        #expect(svg.components(separatedBy: "<path d=\"M").count == 1 + 1 + 7)
        #expect(svg.components(separatedBy: "<g>").count == 1 + 7)
    }
}
