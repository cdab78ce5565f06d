import Foundation
import Problems

@testable import CommandLine

/// A small program of every shape that a command may have; it writes what it was given to its output.
struct Fixture {
    static let produce = Command(
        name: "produce", summary: "replay trips",
        examples: [Example("fleet produce a.csv --rate 5/s", "slowly"), Example("fleet produce a.csv --max", "fast")],
        arguments: [Argument("FILE", .oneOrMore, kind: .file, help: "CSV files")],
        options: [
            Option(
                "rate", short: "r", value: .value("RATE"), kind: .rate, default: "1000/s", environment: "FLEET_RATE",
                configKey: "produce.rate", help: "records a second", group: "Pace"),
            Option(
                "speed", value: .value("SPEED"), kind: .speed, environment: "FLEET_SPEED", configKey: "produce.speed",
                help: "event time sped up", group: "Pace"),
            Option("max", help: "as fast as it goes", group: "Pace"),
            Option("clock", value: .value("CLOCK"), kind: .choice(["now", "start", "end"]), help: "which time counts"),
            Option(
                "limit", value: .value("N"), kind: .count, environment: "FLEET_LIMIT", configKey: "produce.limit",
                help: "stop after N"),
            Option(
                "burst", value: .value("N"), kind: .count, default: "1", environment: "FLEET_BURST", help: "at once",
                needs: "speed"),
            Option("summary", value: .value("FILE"), kind: .output, help: "what became of it"),
            Option("log", value: .value("FILE"), kind: .output, help: "what it said"),
            Option("resume", environment: "FLEET_RESUME", configKey: "produce.resume", help: "go on where it stopped"),
            Option("from", value: .value("TIME"), kind: .time, help: "first event time"),
            Option(
                "format", value: .value("FORMAT"), kind: .choice(["json", "avro"]), default: "json", help: "of records"),
            Option(
                "password", value: .value("TEXT"), environment: "FLEET_PASSWORD", configKey: "produce.password",
                help: "of the broker", secret: true),
        ],
        exclusive: [["rate", "speed", "max"]]
    ) { arguments in
        for file in arguments.positionals { try arguments.output.writeLine("file \(file)") }
        for option in arguments.declared {
            if let resolved = arguments.options[option.long], let shown = resolved.shown {
                try arguments.output.writeLine("\(option.long) = \(shown) (\(resolved.origin))")
            }
        }
        return .success
    }

    static let stream = Command(
        name: "stream", summary: "run queries",
        examples: [Example("fleet stream", "all"), Example("fleet stream --query a --query b", "two")],
        options: [
            Option(
                "query", value: .repeated("NAME"), environment: "FLEET_QUERY", configKey: "stream.query",
                help: "which queries")
        ],
        subcommands: [
            Command(
                name: "explain", summary: "why has no window fired",
                examples: [Example("fleet stream explain", "why"), Example("fleet stream explain -v", "more")]
            ) { _ in
                throw Problem(
                    .badData, "three is \"3\"", at: InputLocation(file: "a", line: 3, column: 2), hint: "Count.",
                    sourceLine: "abc")
            }
        ],
        run: { arguments in
            try arguments.output.write(arguments.texts("query").joined(separator: "+"))
            return ExitStatus(code: 3)
        })

    static let topic = Command(
        name: "topic", summary: "look at topics",
        examples: [Example("fleet topic list", "all"), Example("fleet topic list -q", "quiet")],
        subcommands: [
            Command(
                name: "list", summary: "list topics",
                examples: [Example("fleet topic list", "all"), Example("fleet topic list -q", "quiet")],
                runAsync: { arguments in
                    await Task.yield()
                    try arguments.write(
                        Table(columns: [Column("name"), Column("records", .right)], rows: [["a", .count(1234)]]))
                    return .success
                }),
            Command(name: "break", summary: "fail in other ways", examples: []) { arguments in
                if arguments.isOn("verbose") { throw ClosedPipe() }
                struct Unforeseen: Error {}
                throw Unforeseen()
            },
        ])

    /// Where taxi.yaml is looked for; nil for a program that reads none.
    var configurationPath: String?
    var environment: [String: String] = [:]
    var terminal = Terminal()

    var program: Program {
        let path = configurationPath
        return Program(
            root: Command(
                name: "fleet", summary: "drive taxis",
                examples: [Example("fleet stream", "query"), Example("fleet topic list", "look")],
                subcommands: [Self.produce, Self.stream, Self.topic]),
            version: "1.2.3",
            globals: [
                Option(
                    "home", value: .value("DIR"), kind: .directory, derivedDefault: { $0["HOME"] },
                    environment: "FLEET_HOME", help: "the folder", group: Option.globalGroup),
                Option(
                    "zone", value: .value("ZONE"), default: "UTC", configKey: "zone", help: "the time zone",
                    group: "Settings", settingOnly: true),
            ]
        ) { _ in path }
    }

    struct Outcome { var code: Int32, output: String, errors: String }

    func run(_ words: String...) async -> Outcome { await run(words) }

    func run(_ words: [String]) async -> Outcome {
        let (output, errors) = (TextWriter.inMemory(isForPeople: true), TextWriter.inMemory(isForPeople: true))
        let code = await program.run(
            words, in: .init(environment: environment, terminal: terminal, output: output, errors: errors))
        return Outcome(code: code, output: output.text, errors: errors.text)
    }

    /// Runs `body` with a taxi.yaml of that text, which only its owner can read unless `mode` says otherwise.
    static func withConfiguration<Result>(
        _ text: String, mode: Int = 0o600, _ body: (Fixture, _ path: String) async throws -> Result
    ) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("fleet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("taxi.yaml").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        return try await body(Fixture(configurationPath: path), path)
    }
}
