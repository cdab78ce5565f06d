import CArguments
import CommandLine
import Glibc
import Problems
import SQLite
import Serve
import Shares
import Topics

/// The program: its tree of commands. To add one, see `Command`.
@main
enum TaxiCLI {
    static let version = "0.1.0"

    static let root = Command(
        name: "taxi-cli", summary: "replay Chicago taxi trips, query them as a stream, and analyse the results",
        examples: [
            Example(
                "taxi-cli demo", "one minute, nothing set up: replay the sample, watch the queries, see the report"),
            Example(
                "taxi-cli produce trips.csv --speed 60x & taxi-cli stream",
                "replay a file sixty times faster than life and query it while it comes in"),
        ],
        subcommands: [
            DemoCommand.command,
            ProduceCommand.command,
            StreamCommand.command,
            WorkerCommand.command,
            BatchCommand.command,
            ReportCommand.command,
            AuditCommand.command,
            ShowCommand.command,
            PublishCommand.command,
            WorkflowCommand.command,
            AlertCommand.command,
            MLCommand.command,
            StatusCommand.command,
            TopCommand.command,
            DashboardCommand.command,
            ServeCommand.command,
            TopicCommand.command,
            DeadLetterCommand.command,
            SchemaCommand.command,
            ConfigCommand.command,
            TenantCommand.command,
            DataCommand.command,
            DoctorCommand.command,
            SparkCommand.command,
            CompletionsCommand.command,
            ManCommand.command,
        ])

    static let program = Program(
        root: root, version: version, globals: GlobalOptions.options,
        explain: { error in
            if let away = error as? BrokerAway {
                return Problem(.unavailable, "stopped while it waited for a broker: \(away)")
            }
            // Whatever let SQLite's own words pass: a damaged or full disk is the user's to mend, not a mistake of ours to report.
            return (error as? SQLiteError).map { Problem($0, doing: "running the command") }
        },
        configurationPath: { arguments in
            // Without a home there are no settings; a command that needs one says so itself.
            arguments.text("home") == nil ? nil : try GlobalOptions(arguments).configurationPath
        })

    /// What stands behind the program's name, byte by byte: Swift's own array repairs what is no UTF-8, and a file's name may be that.
    private static var words: [String] {
        var words: [String] = []
        guard var place = taxi_arguments() else { return words }
        while let word = place.pointee {
            words.append(String(fileName: word))
            place += 1
        }
        return Array(words.dropFirst())
    }

    static func main() async {
        let words = words
        if words.first == Launcher.word { exit(Launcher.run(Array(words.dropFirst()))) }
        let surroundings = Program.Surroundings.process()
        do throws(Problem) { try Connection.checkEnvironment() } catch { exit(surroundings.report(error)) }
        WorkShare.ofProcess.take(from: surroundings.environment)
        WorkShare.ofProcess.attend { Interruption.isRequested }
        if WorkShare.ofProcess.isShared { Connection.pace { WorkShare.ofProcess.pace() } }
        Connection.tellOnce { try? TextWriter.standardError.writeLine("note: \($0)") }
        exit(await program.run(words, in: surroundings))
    }
}
