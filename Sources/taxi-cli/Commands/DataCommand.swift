import CommandLine
import Datasets

/// `data`: making and looking at trip files.
enum DataCommand {
    static let command = Command(
        name: "data", summary: "make trip files of any size, see what is in one, and convert it",
        examples: [
            Example("taxi-cli data sample", "20,000 trips of two months, in ./sample.csv"),
            Example("taxi-cli data profile trips.csv", "what is in a file, and what is wrong with it"),
        ],
        subcommands: [
            sample, DataGenerateCommand.command, DataProfileCommand.command, DataConvertCommand.command,
        ], group: "Data")

    private static let sample = Command(
        name: "sample", summary: "write the sample that comes with taxi-cli",
        examples: [
            Example("taxi-cli data sample", "in ./sample.csv"),
            Example("taxi-cli data sample - | head", "to stdout, for a first look"),
        ],
        arguments: [
            Argument(
                "OUT", .optional, kind: .output,
                help: "a file, packed if it ends in .gz or .zst, or - for stdout (default: sample.csv)")
        ],
        options: [TripFileOutput.forceOption],
        run: { arguments in
            try TripFileOutput(arguments.positionals.first ?? "sample.csv", arguments).write(TripGenerator(.sample))
        })
}
