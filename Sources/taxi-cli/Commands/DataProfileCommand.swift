import CommandLine
import Datasets
import Problems

/// `data profile`: a page about each file.
enum DataProfileCommand {
    static let command = Command(
        name: "profile", summary: "show what is in a trip file, and what is wrong with it",
        discussion: """
            Columns, layout, times, ranges, commonest values, oddities, rows that cannot be used with their places, and what to \
            do about it. Memory stays below 300 MB at any size; packed files (gzip, zstd) are read as they are.
            """,
        examples: [
            Example("taxi-cli data profile trips.csv", "a page about the file"),
            Example(
                "taxi-cli data profile --format json *.csv.gz | jq '.[] | {file, rows, rejects}'",
                "the same of many files, for a script"),
        ],
        arguments: [Argument("FILE", .oneOrMore, kind: .file, help: "a trip file", endings: FileEndings.trips)],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let format = arguments.format
        guard format != .csv else {
            throw arguments.problem("format", "a profile is no table", hint: "Take table, json or jsonl.")
        }
        var profiles: [FileProfile] = []
        var problems: [Problem] = []
        let progress = arguments.progressLine()
        for path in arguments.positionals {
            do throws(Problem) {
                let profile = try FileProfile(path: path) { rows in
                    progress.update { "\(path): \(grouped(Int64(rows))) rows" }
                }
                progress.clear()
                profiles.append(profile)
            } catch {
                progress.clear()
                problems.append(error)
            }
        }
        try write(profiles, as: format, arguments)
        if var problem = problems.first {
            problem.others += problems.dropFirst()
            throw problem
        }
        return .success
    }

    private static func write(_ profiles: [FileProfile], as format: OutputFormat, _ arguments: ParsedArguments) throws {
        switch format {
        case .table, .csv:
            let pages = profiles.map { $0.lines.map(printable).joined(separator: "\n") + "\n" }
            try arguments.output.write(pages.joined(separator: "\n"))
        case .json, .jsonl:
            try writeJSON(profiles, arguments)
        }
    }
}
