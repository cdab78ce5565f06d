import Basics
import CommandLine
import Datasets
import Problems

/// `data profile`: a page about each file.
enum DataProfileCommand {
    static let command = Command(
        name: "profile", summary: "show what is in a trip file, and what is wrong with it",
        discussion: """
            Columns, layout, times, ranges, commonest values, oddities, rows that cannot be used with their places, and what to \
            do about it. Memory stays below 300 MB at any size; packed files (gzip, zstd) are read as they are. Of several files it \
            says besides which trips stand in more than one of them, by their Trip ID, and which companies have several spellings \
            (capitals, signs, legal forms and licence numbers aside).
            """,
        examples: [
            Example("taxi-cli data profile trips.csv", "a page about the file"),
            Example(
                "taxi-cli data profile --format json *.csv.gz | jq '.[] | {file, rows, rejects}'",
                "the same of many files, for a script"),
            Example(
                "taxi-cli data profile --together --aliases aliases.csv *.csv",
                "which trips and companies the files share, and spellings as a table"),
        ],
        arguments: [Argument("FILE", .oneOrMore, kind: .file, help: "a trip file", endings: FileEndings.trips)],
        options: [
            Option("together", help: "show only what the files have in common; the way to have it as JSON"),
            Option(
                "aliases", value: .value("FILE"), kind: .output,
                help: "write the spellings of companies that have several as CSV: spelling, name, trips"),
        ], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let format = arguments.format
        guard format != .csv else {
            throw arguments.problem("format", "a profile is no table", hint: "Take table, json or jsonl.")
        }
        var profiles: [FileProfile] = []
        // Of one file by itself nobody asks, and what is not counted costs nothing.
        let isCompared =
            arguments.positionals.count > 1 || arguments.isOn("together") || arguments.text("aliases") != nil
        let files = isCompared ? FilesTally() : nil
        var problems: [Problem] = []
        let progress = arguments.progressLine()
        for path in arguments.positionals {
            do throws(Problem) {
                let profile = try FileProfile(path: path, among: files) { rows in
                    progress.update { "\(path): \(grouped(Int64(rows))) rows" }
                }
                progress.clear()
                profiles.append(profile)
            } catch {
                progress.clear()
                problems.append(error)
            }
        }
        if !arguments.isOn("together") { try write(profiles, as: format, arguments) }
        if let together = files?.together, !profiles.isEmpty {
            try write(together, as: format, arguments)
            try writeAliases(of: together, arguments)
        }
        if var problem = problems.first {
            problem.others += problems.dropFirst()
            throw problem
        }
        return .success
    }

    private static func write(_ profiles: [FileProfile], as format: OutputFormat, _ arguments: ParsedArguments) throws {
        switch format {
        case .table, .csv:
            let pages = profiles.map { page($0.lines(width: width(of: arguments)), arguments) }
            try arguments.output.write(pages.joined(separator: "\n"))
        case .json, .jsonl:
            try writeJSON(profiles, arguments)
        }
    }

    private static func page(_ lines: [String], _ arguments: ParsedArguments) -> String {
        let width = width(of: arguments)
        // A row of the table has no list in it, and would be no row any more.
        let shown = lines.map(printable).flatMap { line in
            line.contains(", ") || line.contains("; ") || line.hasPrefix("  - ")
                ? brokenLine(line, width: width) : [line]
        }
        return shown.joined(separator: "\n") + "\n"
    }

    private static func width(of arguments: ParsedArguments) -> Int? {
        arguments.terminal.outputIsTerminal ? arguments.terminal.width : nil
    }

    private static func writeAliases(of together: FilesTogether, _ arguments: ParsedArguments) throws {
        guard let path = arguments.text("aliases") else { return }
        try writeFile(together.aliases, to: path)
        let (spellings, companies) = (
            together.companies.reduce(0) { $0 + $1.spellings.count }, together.companies.count
        )
        try arguments.say(
            "\(path): \(grouped(Int64(spellings))) spellings of \(grouped(Int64(companies))) compan\(companies == 1 ? "y" : "ies")"
        )
    }

    /// A page below those of the files, where there are several; as JSON alone, since a script that reads profiles expects nothing else.
    private static func write(_ together: FilesTogether, as format: OutputFormat, _ arguments: ParsedArguments) throws {
        let isAlone = arguments.isOn("together")
        switch format {
        case .table, .csv:
            guard isAlone || together.files.count > 1 else { return }
            let page = page(together.lines, arguments)
            try arguments.output.write(isAlone ? page : "\n" + page)
        case .json, .jsonl:
            guard isAlone else { return }
            try arguments.output.writeLine(try jsonReport(together))
        }
    }
}
