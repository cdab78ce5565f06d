import CommandLine

enum ConfigCommand {
    static let command = Command(
        name: "config", summary: "show every setting and where its value comes from",
        discussion: """
            A value comes from the flag, else the environment, else the tenant's taxi.yaml, else the default. \
            After "--" stands a whole command line, of which only the settings are shown; nothing is run.
            """,
        examples: [
            Example("taxi-cli config --tenant springfield", "every setting of that tenant"),
            Example(
                "taxi-cli config -- produce trips.csv --rate 10k/s",
                "what this command line would run with, and what decides it"),
        ],
        arguments: [Argument("WORD", .any, help: "a command line without \"taxi-cli\", after \"--\"")],
        options: [Option("changed", help: "only settings that differ from their default")],
        group: "Setting up", run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        // Six columns seldom fit a terminal; there the last two, which help lists as well, need --verbose.
        let isShort = arguments.format == .table && !arguments.isOn("verbose")
        let names = ["command", "option", "value", "from", "environment", "key"]
        var table = Table(columns: names.prefix(isShort ? 4 : 6).map { Column($0) })
        func add(_ resolved: ResolvedOption, command: String) {
            if arguments.isOn("changed"), resolved.origin == .defaultValue { return }
            if ["help", "version"].contains(resolved.option.long) { return }
            let row: [Table.Value] = [
                .text(command), .text(resolved.option.hasFlag ? "--\(resolved.option.long)" : resolved.option.long),
                .optional(resolved.shown ?? resolved.option.defaultText), .text("\(resolved.origin)"),
                .optional(resolved.option.environment),
                .optional(resolved.option.configKey),
            ]
            table.rows.append(Array(row.prefix(table.columns.count)))
        }

        if arguments.positionals.isEmpty {
            for option in arguments.program.globals { arguments.options[option.long].map { add($0, command: "") } }
            for (path, command) in arguments.program.root.flattened() {
                let settings = try arguments.program.settings(
                    of: command.options, environment: arguments.environment, configuration: arguments.configuration)
                // The flags of this very run, such as --changed, say nothing about another.
                for setting in settings { add(setting, command: path.dropFirst().joined(separator: " ")) }
            }
        } else {
            let line = try arguments.program.resolve(arguments.positionals, as: arguments)
            let command = line.path.dropFirst().joined(separator: " ")
            for option in line.declared { line.options[option.long].map { add($0, command: command) } }
        }
        try arguments.write(table)
        return .success
    }
}
