import Basics
import CommandLine
import Compression
import Datasets
import Glibc
import Problems
import Trips

/// Where a generated trip file goes: stdout, or a file that is packed as its name says.
struct TripFileOutput {
    private let path: String
    private let arguments: ParsedArguments

    static let forceOption = Option("force", short: "f", help: "replace the file if there is one")

    init(_ path: String, _ arguments: ParsedArguments) { (self.path, self.arguments) = (path, arguments) }

    /// Thrown to leave the generator after Ctrl-C.
    private struct Interrupted: Error {}

    /// Writes the file and says what was made; one that cannot be finished leaves what was there.
    func write(_ generator: TripGenerator) throws -> ExitStatus {
        guard path != "-" else {
            try say(try generator.write { try arguments.output.write($0) })
            return .success
        }
        guard ![".avro", ".parquet", ".json", ".jsonl", ".ndjson"].contains(where: path.lowercased().hasSuffix) else {
            throw Problem(
                .usage, "\"\(path)\": trips are made as CSV",
                hint: "Name it .csv, .csv.gz or .csv.zst; data convert makes Avro of it.")
        }
        guard arguments.isOn("force") || access(path, F_OK) != 0 else {
            throw Problem(.cannotCreate, "\"\(path)\" exists", hint: "Choose another name, or replace it with --force.")
        }
        Interruption.install()
        let file = try CompressingWriter(path: path)
        let progress = arguments.progressLine()
        var bytes: Int64 = 0
        do {
            let summary = try generator.write { piece in
                if Interruption.isRequested { throw Interrupted() }
                try file.write(piece)
                bytes += Int64(piece.count)
                progress.update { "\(path): \(byteText(bytes))" }
            }
            try file.finish()
            progress.clear()
            try say(summary)
            return .success
        } catch {
            progress.clear()
            guard error is Interrupted else { throw error }
            try arguments.say("stopped; \"\(path)\" was not finished and is left out")
            return .interrupted
        }
    }

    private func say(_ summary: TripGenerator.Summary) throws {
        let name = path == "-" ? "stdout" : path
        try arguments.say("\(name): \(grouped(Int64(summary.rows))) trips, \(byteText(Int64(summary.bytes))) of text")
        for (defect, count) in summary.defects.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            try arguments.say("  \(grouped(Int64(count))) rows with \(defect.reason.rawValue)")
        }
    }
}
