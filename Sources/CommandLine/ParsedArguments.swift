public import Problems

/// A command line after everything in it was read and checked; what `Command.run` gets.
///
/// Options are asked for by their long names. Asking for one that the command has not declared, or as another kind than it
/// was declared with, is a mistake in the program and stops it.
public struct ParsedArguments: Sendable {
    /// The program that runs the command: its tree of commands, for completions, manual and `config`.
    public let program: Program
    /// From the program's name to the command's.
    public let path: [String]
    /// Words that belong to no option, checked against the command's arguments.
    public let positionals: [String]
    /// Every option of the command and of the program, with its value and where it came from.
    public let options: [String: ResolvedOption]
    let occurrences: [ParsedLine.Occurrence]
    /// The options that the command accepts, its own first, in the order of declaration.
    public let declared: [Option]
    /// What the tenant's taxi.yaml says; nil where there is none or the command does not read it.
    public let configuration: Configuration?
    public let environment: [String: String]
    public let terminal: Terminal
    /// Where results go; flushed by `Program` at the end.
    public let output: TextWriter
    /// Where talk goes: progress, warnings, summaries.
    public let errors: TextWriter

    /// Whether a flag is on.
    public func isOn(_ long: String) -> Bool {
        guard let value = value(long) else { return false }
        guard case .bool(let isOn) = value else { mismatch(long, "a flag") }
        return isOn
    }

    public func text(_ long: String) -> String? {
        guard let value = value(long) else { return nil }
        guard case .text(let text) = value else { mismatch(long, "text") }
        return text
    }

    /// All values of an option that may be repeated, as they were written.
    public func texts(_ long: String) -> [String] { resolved(long).texts }

    /// A whole number, or the bytes of a size.
    public func integer(_ long: String) -> Int64? {
        guard let value = value(long) else { return nil }
        guard case .integer(let number) = value else { mismatch(long, "a whole number") }
        return number
    }

    /// A duration in milliseconds.
    public func durationMs(_ long: String) -> Int64? { integer(long) }

    /// A number, a rate in records a second, a speed, or a share from 0 to 1.
    public func number(_ long: String) -> Double? {
        guard let value = value(long) else { return nil }
        guard case .number(let number) = value else { mismatch(long, "a number") }
        return number
    }

    public func time(_ long: String) -> TimeText? {
        guard let value = value(long) else { return nil }
        guard case .time(let time) = value else { mismatch(long, "a time") }
        return time
    }

    /// The same with the values of a taxi.yaml, for a command that reads it by itself (`Command.readsConfiguration` is false).
    public func applying(_ configuration: Configuration?) throws(Problem) -> ParsedArguments {
        let options = try Resolver(environment: environment, configuration: configuration)
            .resolve(declared, given: occurrences)
        return ParsedArguments(
            program: program, path: path, positionals: positionals, options: options, occurrences: occurrences,
            declared: declared, configuration: configuration, environment: environment, terminal: terminal,
            output: output, errors: errors)
    }

    /// Whether the command has such an option.
    public func isDeclared(_ long: String) -> Bool { options[long] != nil }

    /// Where an option's value came from.
    public func origin(_ long: String) -> Origin { resolved(long).origin }

    /// A problem with an option that only shows when its value is used; says where the value came from.
    public func problem(_ long: String, _ message: String, hint: String? = nil) -> Problem {
        switch origin(long) {
        case .configuration(let location):
            Problem(
                .configuration, "\"\(resolved(long).option.configKey ?? long)\": \(message)", at: location, hint: hint)
        case .environment(let name): Problem(.usage, "environment variable \(name): \(message)", hint: hint)
        case .flag, .defaultValue: Problem(.usage, "option \"--\(long)\": \(message)", hint: hint)
        }
    }

    private func value(_ long: String) -> ReadValue? { resolved(long).values.last }

    private func resolved(_ long: String) -> ResolvedOption {
        guard let option = options[long] else {
            preconditionFailure("\(path.joined(separator: " ")) declares no option --\(long)")
        }
        return option
    }

    private func mismatch(_ long: String, _ kind: String) -> Never {
        preconditionFailure("option --\(long) is not declared as \(kind)")
    }
}

extension ParsedArguments {
    /// The format of `--format`; unsaid, a table on a terminal and JSON lines in a pipe.
    public var format: OutputFormat {
        texts("format").last.flatMap { OutputFormat(rawValue: $0) } ?? (terminal.outputIsTerminal ? .table : .jsonl)
    }

    /// Writes rows to stdout in the format that was asked for, fitted to the terminal where there is one; says which columns had no room.
    public func write(_ table: Table) throws {
        let (fitted, leftOut) = format == .table ? tableWidth.map(table.fitted) ?? (table, []) : (table, [])
        try fitted.write(as: format, to: output, width: tableWidth, style: terminal.outputStyle)
        try sayLeftOut(leftOut)
    }

    /// Says which columns a terminal had no room for.
    public func sayLeftOut(_ columns: [String]) throws {
        guard !columns.isEmpty else { return }
        try say("left out for lack of room: \(columns.joined(separator: ", ")) (--format csv has all)")
    }

    /// The same for rows that come one by one.
    public func tableWriter(columns: [Column]) throws -> TableWriter {
        try TableWriter(
            columns: columns, format: format, to: output, width: tableWidth, style: terminal.outputStyle)
    }

    /// Says something to the person at the terminal, behind all that was written before, unless `--quiet`.
    public func say(_ text: String) throws {
        guard !isOn("quiet") else { return }
        try output.flush()
        try errors.writeLine(text)
    }

    /// Says something only with `--verbose`.
    public func sayVerbosely(_ text: String) throws {
        if isOn("verbose") { try errors.writeLine(text) }
    }

    public func progressLine() -> ProgressLine {
        ProgressLine(
            terminal: terminal, isQuiet: isOn("quiet") || environment["TAXI_PROGRESS"] == "off", to: errors)
    }

    /// How many lines to print: as many as `--lines` says; else all, but on a terminal no more than people look at.
    ///
    /// - Parameter few: how many that is.
    public func lineLimit(onTerminal few: Int) -> Int {
        integer("lines").map { Int(clamping: $0) } ?? (terminal.outputIsTerminal ? few : .max)
    }

    /// Asks a yes-or-no question on the terminal; anything but `y` or `yes` is a no.
    ///
    /// - Parameter word: what must be typed instead of a yes.
    /// - Throws: `Problem(.usage)` with `hint` where nobody is there to answer.
    public func confirm(_ question: String, by word: String? = nil, hint: String) throws -> Bool {
        guard terminal.inputIsTerminal, terminal.errorIsTerminal else {
            throw Problem(.usage, "this needs a confirmation, and stdin is no terminal", hint: hint)
        }
        if let word {
            try errors.write("\(question) Type its whole name to go on: ")
            return readLine() == word
        }
        try errors.write("\(question) [y/N] ")
        let answer = readLine()?.lowercased() ?? ""
        return answer == "y" || answer == "yes"
    }

    private var tableWidth: Int? { terminal.outputIsTerminal ? terminal.width : nil }
}
