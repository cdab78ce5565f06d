import Basics
import Avro
import CommandLine
import Compression
import Export
import Glibc
import Problems
import Time
import Trips

/// `data convert`: the same trips in another form.
enum DataConvertCommand {
    private static let forms = TripFileForm.allCases.map(\.rawValue)

    static let command = Command(
        name: "convert", summary: "make a trip file in another form: CSV, JSON lines, Avro",
        discussion: """
            The forms follow from the names' ends (.csv, .jsonl, .avro; before .gz or .zst), unless they are said. Trips keep their \
            order. Those of CSV get their start as event time. Records that cannot be used are left out, counted and shown; where they \
            are more than half the file is refused (exit code 65).
            """,
        examples: [
            Example("taxi-cli data convert trips.csv.gz trips.avro", "a file of records taxi.Trip"),
            Example("taxi-cli data convert trips.avro - --to csv | head", "what is in a file of Avro"),
        ],
        arguments: [
            Argument("IN", kind: .file, help: "a trip file, packed or not, or - for stdin"),
            Argument("OUT", kind: .output, help: "a file, packed if it ends in .gz or .zst, or - for stdout"),
        ],
        options: [
            Option("from", value: .value("FORM"), kind: .choice(forms), help: "the form of IN: csv, jsonl or avro"),
            Option("to", value: .value("FORM"), kind: .choice(forms), help: "the form of OUT"),
            Option(
                "clock", value: .value("CLOCK"), kind: .choice(["start", "end"]), default: "start",
                help: "of CSV: the event time is the trip's start or end"),
            Option(
                "money", value: .value("FORM"), kind: .choice(TripMoney.allCases.map(\.rawValue)), default: "decimal",
                help: "decimal, or cents as whole numbers in columns such as fare_cents"),
            Option(
                "codec", value: .value("CODEC"), kind: .choice(AvroCodec.allCases.map(\.rawValue)), default: "deflate",
                help: "how Avro's blocks are packed"),
            TripFileOutput.forceOption,
        ], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let (source, target) = (arguments.positionals[0], arguments.positionals[1])
        let conversion = TripConversion(
            from: try form("from", source, arguments), to: try form("to", target, arguments),
            money: arguments.text("money").flatMap(TripMoney.init) ?? .decimal,
            codec: arguments.text("codec").flatMap(AvroCodec.init) ?? .deflate,
            clock: arguments.text("clock").flatMap(EventClock.init) ?? .start,
            zone: try ZoneClock(identifier: GlobalOptions.zoneIdentifier(arguments)))
        if conversion.to == .avro, CompressionFormat(path: target) != .plain {
            throw Problem(
                .usage, "a file of Avro packs its blocks by itself",
                hint: "Name it without .gz or .zst; --codec zstandard packs it as well.")
        }
        let warn: (String) -> Void = { try? arguments.say("note: \($0)") }
        guard target != "-" else {
            let output = arguments.output
            let summary = try conversion.run(source, to: { try output.write($0) }, progress: { _ in }, warn: warn)
            try output.flush()
            try tell(summary, "stdout", arguments)
            return .success
        }
        guard arguments.isOn("force") || access(target, F_OK) != 0 else {
            throw Problem(
                .cannotCreate, "\"\(target)\" exists", hint: "Choose another name, or replace it with --force.")
        }
        Interruption.install()
        let file = try CompressingWriter(path: target)
        let line = arguments.progressLine()
        do {
            let summary = try conversion.run(source, to: { try file.write($0) }) { rows in
                if Interruption.isRequested { throw TopicExport.Stopped() }
                line.update { "\(target): \(grouped(rows)) trips" }
            } warn: {
                line.clear()
                warn($0)
            }
            try file.finish()
            line.clear()
            try tell(summary, target, arguments)
            return .success
        } catch {
            line.clear()
            guard error is TopicExport.Stopped else { throw error }
            try arguments.say("stopped; \"\(target)\" was not finished and is left out")
            return .interrupted
        }
    }

    private static func form(
        _ option: String, _ path: String, _ arguments: ParsedArguments
    ) throws -> TripFileForm {
        if let form = arguments.text(option).flatMap(TripFileForm.init(rawValue:)) { return form }
        if let form = TripFileForm(path: path) { return form }
        throw Problem(
            .usage, "the name \"\(path)\" does not say which form the file has",
            hint: "Say it: --\(option) \(forms.joined(separator: "|")).")
    }

    private static func tell(
        _ summary: TripConversion.Summary, _ name: String, _ arguments: ParsedArguments
    ) throws {
        let left = summary.rejected.reduce(0) { $0 + $1.count }
        let more = left == 0 ? "" : ", \(grouped(Int64(left))) records left out"
        try arguments.say("\(name): \(grouped(summary.rows)) \(summary.rows == 1 ? "trip" : "trips")\(more)")
        for rejected in summary.rejected {
            try arguments.say(
                "  \(grouped(Int64(rejected.count))) \(rejected.reason.rawValue), the first at \(rejected.first)")
        }
        if summary.rounded > 0 {
            try arguments.say("  \(grouped(Int64(summary.rounded))) numbers had more decimals than their columns have")
        }
    }
}
