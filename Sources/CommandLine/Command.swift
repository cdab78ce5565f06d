/// One command of the program, declared as a table; parsing, help, errors, completions, the manual and the reference all
/// come from it.
///
/// To add a command, write one file `Sources/taxi-cli/Commands/<Name>Command.swift` with a `static let command` and list it
/// in `TaxiCLI.root`:
///
/// ```swift
/// enum TopicListCommand {
///     static let command = Command(
///         name: "list", summary: "list the tenant's topics",
///         examples: [
///             Example("taxi-cli topic list", "every topic with its records and bytes"),
///             Example("taxi-cli topic list --format json | jq -r '.[].name'", "only the names, for scripts"),
///         ],
///         options: [
///             Option("all", short: "a", help: "also the topics that taxi-cli keeps for itself"),
///             Option(
///                 "timeout", value: .value("TIME"), kind: .duration, default: "5s",
///                 environment: "TAXI_TOPIC_TIMEOUT", configKey: "topic.timeout", help: "how long to wait for the broker"),
///         ],
///         run: run)
///
///     static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
///         let timeoutMs = arguments.durationMs("timeout")  // read and checked before `run` is called
///         var table = Table(columns: [Column("name"), Column("records", .right)])
///         …
///         try arguments.write(table)  // in the format of --format
///         return .success
///     }
/// }
/// ```
///
/// A value comes from the flag, else the environment, else taxi.yaml, else the default; `run` need not care. What can
/// only be checked with several values at hand is checked in `run`, which throws `Problem(.usage)`.
///
/// `run` is called on the main thread and may block it. A command that awaits gives `runAsync` instead, which must not block.
public struct Command: Sendable {
    public typealias Run = @Sendable (ParsedArguments) throws -> ExitStatus
    public typealias RunAsync = @Sendable (ParsedArguments) async throws -> ExitStatus

    /// What running a command means.
    public enum Action: Sendable {
        /// It only holds others.
        case none
        case blocking(Run)
        case awaiting(RunAsync)
    }

    public var name: String
    /// What it does, in lower case and without a final period.
    public var summary: String
    /// Sentences below the examples of its help; empty where the summary says it all.
    public var discussion: String
    public var examples: [Example]
    public var arguments: [Argument]
    public var options: [Option]
    /// Long names of options of which one excludes the others, such as rate, speed and max. A flag wins over a variable, and a
    /// variable over taxi.yaml, so only two of the same source are an error.
    public var exclusive: [[String]]
    public var subcommands: [Command]
    /// The heading above it in its parent's help.
    public var group: String
    /// False for commands that must work while taxi.yaml is broken or has no tenant yet.
    public var readsConfiguration: Bool
    public var action: Action

    public init(
        name: String, summary: String, discussion: String = "", examples: [Example], arguments: [Argument] = [],
        options: [Option] = [], exclusive: [[String]] = [], subcommands: [Command] = [], group: String = "Commands",
        readsConfiguration: Bool = true, run: Run? = nil, runAsync: RunAsync? = nil
    ) {
        (self.name, self.summary, self.discussion, self.examples) = (name, summary, discussion, examples)
        (self.arguments, self.options, self.exclusive) = (arguments, options, exclusive)
        (self.subcommands, self.group, self.readsConfiguration) = (subcommands, group, readsConfiguration)
        action = run.map { .blocking($0) } ?? runAsync.map { .awaiting($0) } ?? .none
    }
}

/// A command line that works as it stands, with a line on what it does.
public struct Example: Sendable {
    public var line: String
    public var explanation: String
    public init(_ line: String, _ explanation: String) { (self.line, self.explanation) = (line, explanation) }
}

/// How a run ended; everything but success is also told by a `Problem`, except where the code itself is the answer (`status`).
public struct ExitStatus: Sendable, Hashable {
    public var code: Int32
    public init(code: Int32) { self.code = code }
    public static let success = ExitStatus(code: 0)
    /// After Ctrl-C or SIGTERM, when the command has stopped cleanly before its end.
    public static let interrupted = ExitStatus(code: 130)
}

extension Command {
    /// Options that may follow this command: its own first, and those of the program whose names it does not take over.
    func accepted(withGlobals globals: [Option]) -> [Option] {
        options + globals.filter { global in !options.contains { $0.long == global.long } }
    }

    /// Whether it does something itself, and does not only hold other commands.
    var canRun: Bool { if case .none = action { false } else { true } }

    /// This command and all below it, depth first, each with the names that lead to it.
    public func flattened(path: [String] = []) -> [(path: [String], command: Command)] {
        let path = path + [name]
        return [(path, self)] + subcommands.flatMap { $0.flattened(path: path) }
    }
}
