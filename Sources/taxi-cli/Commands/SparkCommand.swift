import CommandLine

/// `spark`: what a cluster of Spark needs to run workers.
enum SparkCommand {
    static let command = Command(
        name: "spark", summary: "make what a cluster of Apache Spark needs to run workers",
        examples: [
            Example("taxi-cli spark archive taxi-cli.tar.gz", "the program with its libraries, for --archives"),
            Example("taxi-cli doctor --engine spark --master spark://host:7077", "would it work there?"),
        ],
        subcommands: [SparkArchiveCommand.command], group: "Setting up")
}
