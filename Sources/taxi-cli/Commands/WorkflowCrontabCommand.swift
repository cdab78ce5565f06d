import CommandLine
import Foundation
import Problems
import Workflow

/// `workflow crontab`: for those who would rather use the system's own scheduler.
enum WorkflowCrontabCommand {
    static let command = Command(
        name: "crontab", summary: "print crontab lines or systemd timers that give the same runs as serve",
        discussion: """
            They call taxi-cli workflow run NAME --due, which runs what is due and was not run, as the workflow's catchup says; so they may \
            call it more often than something is due, and do where cron's zone or the change of clocks would make them miss a time.
            """,
        examples: [
            Example("taxi-cli workflow crontab monthly --install", "put its line into one's crontab"),
            Example("taxi-cli workflow crontab monthly --systemd", "a service and a timer instead"),
        ],
        arguments: [
            Argument(
                "NAME|FILE", .oneOrMore, help: "workflows of the tenant, or FILEs", names: CompletedNames.workflows,
                endings: FileEndings.declarations)
        ],
        options: [
            Option("systemd", help: "print a systemd service and timer for each"),
            Option(
                "install",
                help: "put the lines into this user's crontab, in place of earlier ones of the same workflows"),
        ], exclusive: [["systemd", "install"]], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let session = try WorkflowSession(arguments)
        let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "taxi-cli"
        let home = session.globals.home
        var lines: [(command: String, line: String)] = []
        for name in arguments.positionals {
            let spec = try session.folder.load(name)
            let isFile = name != spec.name
            let command = [
                program, "workflow", "run", isFile ? spec.absoluteFile : name, "--due", "--quiet", "--home", home,
                "--tenant", session.globals.tenant,
            ]
            let timers = try SystemTimers(spec, command: command)
            if arguments.isOn("install") {
                let line = timers.crontabLine(systemZone: TimeZone.current.identifier)
                lines.append((timers.crontabCommand, line))
                continue
            }
            try arguments.output.writeLine(
                arguments.isOn("systemd")
                    ? timers.systemdUnits : timers.crontabLine(systemZone: TimeZone.current.identifier))
        }
        if !lines.isEmpty {
            try Crontab.install(lines)
            for (_, line) in lines { try arguments.say("installed: \(line)") }
        }
        return .success
    }
}
