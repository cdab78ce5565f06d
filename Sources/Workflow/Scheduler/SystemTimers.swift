import Time
internal import Foundation
public import Problems

/// What cron or systemd have to be told, so that they run a workflow when `workflow serve` would.
///
/// They only have to call `workflow run NAME --due` at or right after each due time, and may call it more often: which intervals run is
/// decided there. So where their own calendar could miss a time, they are told to look each hour.
public struct SystemTimers {
    private let spec: WorkflowSpec
    private let schedule: Schedule
    /// Words of the command line.
    private let command: [String]

    /// - Throws: `.usage` where the workflow has no schedule.
    public init(_ spec: WorkflowSpec, command: [String]) throws(Problem) {
        guard let schedule = spec.schedule else {
            throw Problem(
                .usage, "workflow \"\(spec.name)\" has no schedule",
                hint: "Only what has a schedule can be in a crontab.")
        }
        (self.spec, self.schedule, self.command) = (spec, schedule, command)
    }

    /// One line of a crontab.
    ///
    /// - Parameter systemZone: the zone by which cron goes.
    public func crontabLine(systemZone: String) -> String {
        // cron runs a skipped time right after, and a doubled one once, as we do.
        let isSame = systemZone == spec.zone.identifier
        let time =
            isSame
            ? schedule.cron.fields.joined(separator: " ") : "\(hourlyMinutes(with: systemZone)) * * * *"
        return "\(time) \(crontabCommand)"
    }

    /// What the line runs, as it stands in the line.
    public var crontabCommand: String {
        // "%" means a new line there.
        command.map(shellWord).joined(separator: " ").replacingOccurrences(of: "%", with: "\\%")
    }

    /// A service and a timer, each below a comment with the name of its file.
    public var systemdUnits: String {
        let name = "taxi-cli-\(spec.name)"
        let line = command.map(Self.systemdWord).joined(separator: " ")
        let calendars = calendarLines.map { "OnCalendar=\($0)" }.joined(separator: "\n")
        return """
            # \(name).service
            [Unit]
            Description=Workflow \(spec.name) of taxi-cli

            [Service]
            Type=oneshot
            ExecStart=\(line)

            # \(name).timer
            [Unit]
            Description=When workflow \(spec.name) is due

            [Timer]
            \(calendars)
            AccuracySec=1s
            Persistent=true

            [Install]
            WantedBy=timers.target

            """
    }

    /// The times of the schedule as systemd writes them. Where either day is meant, each has a line.
    var calendarLines: [String] {
        let zone = spec.zone.identifier
        // systemd passes over what the clock skips.
        if isEverSkipped { return ["*-*-* *:\(hourlyMinutes(with: zone)):00 \(zone)"] }
        let sets = schedule.cron.sets
        func list(_ values: [Int], _ all: Int, _ text: (Int) -> String) -> String {
            values.count == all ? "*" : values.map(text).joined(separator: ",")
        }
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let time = "\(list(sets.hours, 24, two)):\(list(sets.minutes, 60, two)):00 \(zone)"
        let months = list(sets.months, 12, two)
        let days = list(sets.days, 31, two)
        let weekdays =
            sets.weekdays.count == 7
            ? ""
            : sets.weekdays.map { ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][$0] }.joined(separator: ",") + " "
        if schedule.cron.meansEitherDay {
            return ["*-\(months)-\(days) \(time)", "\(weekdays)*-\(months)-* \(time)"]
        }
        return ["\(weekdays)*-\(months)-\(days) \(time)"]
    }

    /// The minutes at which something may be due, whatever whole hours lie between two clocks.
    private func hourlyMinutes(with other: String) -> String {
        let offsets = [spec.zone.identifier, other].compactMap { try? ZoneClocks.clock($0) }.flatMap(\.stretches)
        guard offsets.allSatisfy({ $0.offsetSeconds % 3600 == 0 }) else { return "*" }
        // What the clock skips is due when it has, at a full hour.
        let minutes = Set(schedule.cron.sets.minutes).union(isEverSkipped ? [0] : []).sorted()
        return minutes.count == 60 ? "*" : minutes.map(String.init).joined(separator: ",")
    }

    /// Whether the clock may skip a time of the schedule.
    private var isEverSkipped: Bool {
        if schedule.cron.goesByRealTime { return false }
        return zip(spec.zone.stretches, spec.zone.stretches.dropFirst()).contains { before, after in
            guard after.offsetSeconds > before.offsetSeconds else { return false }
            let (from, to) = (
                after.fromMs / 60_000 + Int64(before.offsetSeconds / 60),
                after.fromMs / 60_000 + Int64(after.offsetSeconds / 60)
            )
            return schedule.cron.wallMinute(after: from - 1).map { $0 < to } ?? false
        }
    }

    /// As systemd reads it: in double quotes, with "%" and "$" doubled.
    private static func systemdWord(_ word: String) -> String {
        var text = word
        for (mark, escaped) in [("\\", "\\\\"), ("\"", "\\\""), ("%", "%%"), ("$", "$$")] {
            text = text.replacingOccurrences(of: mark, with: escaped)
        }
        return text.contains(" ") ? "\"\(text)\"" : text
    }
}
