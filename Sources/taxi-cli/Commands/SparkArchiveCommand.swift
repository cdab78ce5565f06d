import Basics
import CommandLine
import Problems
import Shipping

/// `spark archive`: this program with its libraries in one file.
enum SparkArchiveCommand {
    static let command = Command(
        name: "archive", summary: "pack this program and all libraries that it needs into one file",
        discussion: """
            Unpacked anywhere, bin/taxi-cli of it runs on every Linux with this kind of processor and a kernel of 3.2 or newer: it brings its own C \
            library and loader, so no executor needs taxi-cli, Swift or a glibc of a certain age. Spark unpacks what --archives names. Equal \
            programs and libraries make equal files.
            """,
        examples: [
            Example("taxi-cli spark archive taxi-cli.tar.gz", "to be kept and given to spark-submit"),
            Example(
                "spark-submit --archives taxi-cli.tar.gz#taxi …",
                "each task finds it as taxi/bin/taxi-cli"),
        ],
        arguments: [
            Argument("FILE", kind: .output, help: "ends in .tar.gz; replaced where it is there", endings: ["tar.gz"])
        ],
        readsConfiguration: false, run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let file = arguments.positionals[0]
        // By its ending Spark knows how to unpack it.
        guard file.hasSuffix(".tar.gz") else {
            throw Problem(
                .usage, "\"\(file)\" does not end in .tar.gz",
                hint: "Spark unpacks an archive as its name says: write taxi-cli.tar.gz.")
        }
        let archive = try WorkerArchive()
        for name in archive.missing {
            try arguments.say("warning: \(name) is not on this machine, so workers cannot ask a schema registry")
        }
        let size = try archive.write(to: file)
        try arguments.say(
            "\(file): \(archive.count) files, \(byteText(size)), for \(archive.architecture), with glibc \(archive.libcVersion)"
        )
        return .success
    }
}
