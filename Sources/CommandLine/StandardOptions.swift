extension Option {
    /// Options that every command of a program has and this module acts upon.
    static let standard: [Option] = [
        Option(
            "format", value: .value("FORMAT"), kind: .choice(OutputFormat.allCases.map(\.rawValue)),
            environment: "TAXI_FORMAT", configKey: "format",
            help: "how to write what is listed: table, json, jsonl or csv (a table on a terminal, jsonl in a pipe)",
            group: globalGroup),
        Option("quiet", short: "q", help: "say nothing but errors; results still come", group: globalGroup),
        Option("verbose", short: "v", help: "say more of what is done", group: globalGroup),
        Option("no-color", help: "no colours (also NO_COLOR)", group: globalGroup),
        Option("help", short: "h", help: "show this help", group: globalGroup),
        Option("version", help: "show the version", group: globalGroup),
    ]

    /// The heading above the options that every command has.
    public static let globalGroup = "Global options"
}
