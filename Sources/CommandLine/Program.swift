internal import Glibc
public import Problems

/// A program: its tree of commands, the options all of them have, and how a command line becomes a run.
public struct Program: Sendable {
    public let root: Command
    public let version: String
    /// The program's own global options and those of every program (`--format`, `--quiet`, `--help`, …).
    public let globals: [Option]
    private let configurationPath: @Sendable (ParsedArguments) throws -> String?
    private let explain: @Sendable (any Error) -> Problem?

    /// - Parameters:
    ///   - globals: options that every command accepts.
    ///   - configurationPath: the path of taxi.yaml, from the global options as flags, environment and defaults give them;
    ///     nil for none. The file need not exist.
    ///   - explain: what an error that is no `Problem` means to a person; nil where that is not known either.
    public init(
        root: Command, version: String, globals: [Option],
        explain: @escaping @Sendable (any Error) -> Problem? = { _ in nil },
        configurationPath: @escaping @Sendable (ParsedArguments) throws -> String?
    ) {
        (self.root, self.version, self.configurationPath) = (root, version, configurationPath)
        self.explain = explain
        self.globals = globals + Option.standard
    }

    /// Everything that the process brings: tests bring their own.
    public struct Surroundings: Sendable {
        public var environment: [String: String]
        public var terminal: Terminal
        public var output: TextWriter
        public var errors: TextWriter

        public init(environment: [String: String], terminal: Terminal, output: TextWriter, errors: TextWriter) {
            (self.environment, self.terminal, self.output, self.errors) = (environment, terminal, output, errors)
        }

        /// Those of this process. A writer that finds its pipe closed, or its file as large as `ulimit -f` allows, gets an error from now
        /// on, and no signal.
        public static func process() -> Surroundings {
            signal(SIGPIPE, SIG_IGN)
            signal(SIGXFSZ, SIG_IGN)
            fillStandardDescriptors()
            let environment = processEnvironment()
            return Surroundings(
                environment: environment, terminal: .current(environment: environment), output: .standardOutput,
                errors: .standardError)
        }
    }

    /// Parses, runs, and tells what went wrong.
    ///
    /// - Parameter words: the arguments after the program's name.
    /// - Returns: the exit code: the command's own, a problem's, 0 for a closed pipe.
    public nonisolated(nonsending) func run(_ words: [String], in surroundings: Surroundings) async -> Int32 {
        var surroundings = surroundings
        do {
            if words.first == CompletionRequest.command {
                return CompletionRequest(Array(words.dropFirst()), of: self).answer(in: surroundings)
            }
            let words = words.first == "help" ? words.dropFirst() + ["--help"] : words
            let line = try ArgumentParser(root: root, globals: globals).parse(words)
            if line.gives("no-color") { surroundings.terminal.allowsColor = false }
            if let text = try answer(line, surroundings) {
                try surroundings.output.write(text)
                try surroundings.output.flush()
                return 0
            }
            let status: ExitStatus
            let reads = line.command.readsConfiguration
            switch line.command.action {
            case .none:
                try surroundings.errors.write(help(for: line, surroundings, style: surroundings.terminal.errorStyle))
                return Problem.Code.usage.rawValue
            case .blocking(let run): status = try run(try arguments(of: line, surroundings, readsConfiguration: reads))
            case .awaiting(let run):
                status = try await run(try arguments(of: line, surroundings, readsConfiguration: reads))
            }
            try surroundings.output.flush()
            return status.code
        } catch is ClosedPipe {
            return 0
        } catch {
            return surroundings.report((error as? Problem) ?? explain(error) ?? error)
        }
    }

    /// What `--help` and `--version` say; nil where neither was given.
    private func answer(_ line: ParsedLine, _ surroundings: Surroundings) throws -> String? {
        if line.gives("version") { return "\(root.name) \(version)\n" }
        let isAlone = line.commands.count == 1 && line.occurrences.isEmpty && !root.canRun
        return line.gives("help") || isAlone
            ? help(for: line, surroundings, style: surroundings.terminal.outputStyle) : nil
    }

    private func help(for line: ParsedLine, _ surroundings: Surroundings, style: Style) -> String {
        // Lines of over 100 columns are hard to read however wide the terminal is.
        HelpPage(command: line.command, path: line.path, globals: globals)
            .text(width: min(100, surroundings.terminal.width), style: style)
    }

    /// Reads and checks everything that a command line says.
    ///
    /// - Parameter isWhole: false for one that is still being written: whether its arguments are there and options exclude each other is
    ///   not looked at.
    func arguments(
        of line: ParsedLine, _ surroundings: Surroundings, readsConfiguration: Bool, isWhole: Bool = true
    ) throws -> ParsedArguments {
        let accepted = line.command.accepted(withGlobals: globals)
        func arguments(_ options: [String: ResolvedOption], _ configuration: Configuration?) -> ParsedArguments {
            ParsedArguments(
                program: self, path: line.commands.map(\.name), positionals: line.positionals, options: options,
                occurrences: line.occurrences, declared: accepted, configuration: configuration,
                environment: surroundings.environment,
                terminal: surroundings.terminal, output: surroundings.output, errors: surroundings.errors)
        }
        // Home and tenant say where taxi.yaml is, so they are settled before it is read.
        let first = try Resolver(environment: surroundings.environment, configuration: nil)
            .resolve(accepted.filter { option in globals.contains { $0.long == option.long } }, given: line.occurrences)
        var configuration: Configuration?
        if readsConfiguration, let path = try configurationPath(arguments(first, nil)) {
            configuration = try loadConfiguration(path: path)
        }
        let resolved = try Resolver(environment: surroundings.environment, configuration: configuration)
            .resolve(accepted, given: line.occurrences, exclusive: line.command.exclusive, isWhole: isWhole)
        if isWhole {
            try WrittenFiles(arguments: try checkPositionals(line), options: accepted.compactMap { resolved[$0.long] })
                .check()
        }
        return arguments(resolved, configuration)
    }

    /// Reads a taxi.yaml and checks it against every option of every command; nil where there is no file.
    public func loadConfiguration(path: String) throws(Problem) -> Configuration? {
        guard let configuration = try Configuration.load(path: path) else { return nil }
        try configuration.check(against: globals + root.flattened().flatMap(\.command.options))
        return configuration
    }

    /// What a command line would run with, nothing run: for `config`.
    ///
    /// - Parameters:
    ///   - words: a command line without the program's name.
    ///   - arguments: of the command that asks; lends its environment, terminal and writers.
    public func resolve(_ words: [String], as arguments: ParsedArguments) throws -> ParsedArguments {
        let line = try ArgumentParser(root: root, globals: globals).parse(words)
        return try self.arguments(
            of: line,
            Surroundings(
                environment: arguments.environment, terminal: arguments.terminal, output: arguments.output,
                errors: arguments.errors), readsConfiguration: true)
    }

    /// Every option's value where no flag is given, in the order of declaration: for `config`.
    public func settings(
        of options: [Option], environment: [String: String], configuration: Configuration?
    ) throws(Problem) -> [ResolvedOption] {
        let resolved = try Resolver(environment: environment, configuration: configuration).resolve(options)
        return options.compactMap { resolved[$0.long] }
    }

    /// Returns the line's words with what each of them is.
    private func checkPositionals(_ line: ParsedLine) throws(Problem) -> [(kind: ValueKind, text: String)] {
        var read: [(kind: ValueKind, text: String)] = []
        let arguments = line.command.arguments
        let hint = "See \"\(line.path) --help\"."
        var rest = line.positionals[...]
        for argument in arguments {
            let taken = argument.takesMany ? rest : rest.prefix(1)
            rest = rest.dropFirst(taken.count)
            guard !argument.isNeeded || !taken.isEmpty else {
                throw Problem(
                    .usage, "\"\(line.path)\" needs \(argument.name): \(argument.help)", hint: hint)
            }
            for text in taken {
                do throws(Problem) {
                    _ = try argument.kind.read(text)
                    read.append((argument.kind, text))
                } catch {
                    var named = error
                    named.message = "\(argument.name): " + error.message
                    throw named
                }
            }
        }
        if let word = rest.first {
            throw Problem(.usage, "\"\(line.path)\" was given one argument too many: \"\(word)\"", hint: hint)
        }
        return read
    }
}

/// Puts something into descriptors 0 to 2 where the parent left them closed: the next file that is opened would take the place, and
/// what is said on stderr would land in a database. What goes through them fails as it should, as with a closed descriptor.
private func fillStandardDescriptors() {
    for (descriptor, mode) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)]
    where fcntl(descriptor, F_GETFD) < 0 {
        // The lowest free one, and those below are taken.
        _ = open("/dev/null", mode)
    }
}

/// The environment of this process, without Foundation's dictionary.
private func processEnvironment() -> [String: String] {
    var variables: [String: String] = [:]
    var next = environ
    while let entry = next.pointee {
        // A folder may be called what is no UTF-8, as arguments may.
        let text = String(fileName: entry)
        if let sign = text.firstIndex(of: "=") {
            variables[String(text[..<sign])] = String(text[text.index(after: sign)...])
        }
        next += 1
    }
    return variables
}
