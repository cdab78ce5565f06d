import Basics
import Avro
import CommandLine
import Export
import Glibc
import Problems
import Topics
import Trips

/// `topic export`: a topic as a file for other programs.
enum TopicExportCommand {
    static let command = Command(
        name: "export", summary: "write a topic's records as CSV, JSON lines, Parquet or Avro",
        discussion: """
            Trips become their 23 columns and event_timestamp; results and other JSON objects a column a field, those of an object \
            within as outer_inner; dead letters, and whatever else is no JSON object or has headers, become partition, offset, \
            timestamp, key, headers and value. What is there when the export begins is written, partition after partition. A file \
            appears when it is whole. Parquet is written by DuckDB, which has to be installed: the program, or Python's module.
            """,
        examples: [
            Example("taxi-cli topic export ingestData --format csv --output trips.csv", "all trips, for a spreadsheet"),
            Example(
                "taxi-cli topic export ingestData --format parquet --output trips.parquet",
                "the same for DuckDB, Spark and pandas"),
            Example("taxi-cli topic export sumFareWindowStream --format csv | head -3", "the first results"),
        ],
        arguments: [TopicCommand.name],
        options: [
            Option(
                "format", value: .value("FORMAT"), kind: .choice(TopicExport.Format.allCases.map(\.rawValue)),
                default: "jsonl", help: "csv, jsonl, parquet or avro; the latter two need --output"),
            Option("output", short: "o", value: .value("FILE"), kind: .output, help: "to this file instead of stdout"),
            Option("partition", value: .value("P"), kind: .count, help: "only this partition", group: "Which"),
            Option(
                "from", value: .value("OFFSET"), kind: .count, help: "from this offset of the partition on",
                group: "Which"),
            Option("limit", value: .value("N"), kind: .count, help: "so many records at most", group: "Which"),
            Option(
                "as", value: .value("ROWS"), kind: .choice(ExportShape.Name.allCases.map(\.rawValue)),
                help: "take all records for trips, for JSON objects, or as they are, whatever they look like",
                group: "How"),
            Option(
                "money", value: .value("FORM"), kind: .choice(TripMoney.allCases.map(\.rawValue)), default: "decimal",
                help: "of trips: decimal, or cents as whole numbers in columns such as fare_cents", group: "How"),
            Option(
                "codec", value: .value("CODEC"), kind: .choice(AvroCodec.allCases.map(\.rawValue)), default: "deflate",
                help: "how Avro's blocks are packed", group: "How"),
            TopicCommand.foreign,
        ], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let format = arguments.text("format").flatMap(TopicExport.Format.init) ?? .jsonl
        let money = arguments.text("money").flatMap(TripMoney.init) ?? .decimal
        let path = arguments.text("output").flatMap { $0 == "-" ? nil : $0 }
        if path == nil, format == .parquet || format == .avro {
            throw arguments.problem(
                "format", "\(format.rawValue) is not for a terminal or pipe", hint: "Name a file with --output.")
        }
        let engine = format == .parquet ? try ParquetEngine.find() : nil
        let globals = try GlobalOptions(arguments)
        let (store, topic) = try globals.openTopic(arguments.positionals[0], isForeign: arguments.isOn("foreign"))
        let reader = try store.makeReader(topic: topic, untilEnd: true)
        let selection = try ExportSelection(
            reader, partition: arguments.integer("partition").map { Int(clamping: $0) },
            from: arguments.integer("from"), limit: arguments.integer("limit"))
        let export = TopicExport(reader, selection, as: arguments.text("as").flatMap(ExportShape.Name.init))
        let codec = arguments.text("codec").flatMap(AvroCodec.init) ?? .deflate
        guard let path else {
            let output = arguments.output
            let summary = try export.write(format, money: money, to: { try output.write($0) }, progress: { _ in })
            try output.flush()
            try tell(summary, arguments)
            return .success
        }
        Interruption.install()
        let target = try FileReplacement(path, hint: "Name a file in a folder that exists and may be written.")
        let line = arguments.progressLine()
        func progress(_ rows: Int64) throws {
            if Interruption.isRequested { throw TopicExport.Stopped() }
            line.update { "\(path): " + (rows == 0 ? "looking at the records" : "\(grouped(rows)) records") }
        }
        do {
            let summary =
                if let engine {
                    try export.writeParquet(engine, money: money, to: target, progress: progress)
                } else {
                    try export.write(
                        format, money: money, codec: codec, to: { try target.write($0) }, progress: progress)
                }
            try target.finish()
            line.clear()
            try arguments.say("\(path): \(grouped(summary.rows)) \(word(summary))")
            try tell(summary, arguments)
            return .success
        } catch is TopicExport.Stopped {
            line.clear()
            try arguments.say("stopped; \"\(path)\" is what it was")
            return .interrupted
        }
    }

    private static func word(_ summary: TopicExport.Summary) -> String {
        switch (summary.shape, summary.rows == 1) {
        case (.trips, true): "trip"
        case (.trips, false): "trips"
        case (_, true): "record"
        case (_, false): "records"
        }
    }

    /// Says what is not in the table.
    private static func tell(_ summary: TopicExport.Summary, _ arguments: ParsedArguments) throws {
        for (reason, count) in summary.rejected.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            try arguments.say("left out: \(grouped(Int64(count))) records that are no trips (\(reason.rawValue))")
        }
        if summary.lost > 0 {
            try arguments.say("\(grouped(summary.lost)) offsets were removed from the topic before they were read")
        }
    }
}
