import CommandLine
import Glibc
import Topics
import Time

/// `topic tail`: prints records.
enum TopicTailCommand {
    static let command = Command(
        name: "tail", summary: "print the last records of a topic, or all from some place on, one a line",
        discussion: """
            A trip is printed as a JSON object, a result as the message of its query, any other record as it is. Of several \
            partitions the record with the earliest event time comes first. --format does not matter here; --meta gives one JSON \
            object a record. Ctrl-C ends --follow with exit code 0, and so does the reader of a pipe that goes away.
            """,
        examples: [
            Example("taxi-cli topic tail sumFareWindowStream --follow", "what is earned, while the stream runs"),
            Example(
                "taxi-cli topic tail deadLetter --meta | jq .headers.reason", "why the last records could not be used"),
        ],
        arguments: [TopicCommand.name],
        options: [
            Option(
                "lines", short: "n", value: .value("N"), kind: .count,
                help: "how many records before the end; 10 on a terminal and with --follow, else all unless said",
                group: "Where to begin"),
            Option("from-beginning", help: "at the oldest record kept", group: "Where to begin"),
            Option(
                "from-time", value: .value("TIME"), kind: .time,
                help:
                    "in each partition at the first record with this timestamp or a later one: of trips and results, their event time",
                group: "Where to begin"),
            Option("follow", short: "f", help: "go on with what comes, until Ctrl-C"),
            Option("partition", value: .value("P"), kind: .count, help: "only this partition"),
            Option("keys", help: "the key and a tab before each value"),
            Option("headers", help: "the headers (name:value, with commas) and a tab before each value"),
            Option(
                "meta", help: "one JSON object a record: partition, offset, timestamp, key, headers, value"),
            TopicCommand.foreign,
        ],
        exclusive: [["lines", "from-beginning", "from-time"], ["meta", "keys"], ["meta", "headers"]], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let globals = try GlobalOptions(arguments)
        let zone = try ZoneClock(identifier: globals.zoneIdentifier)
        let (store, topic) = try globals.openTopic(
            arguments.positionals[0], isForeign: arguments.isOn("foreign"))
        let lines =
            arguments.isOn("meta")
            ? RecordLines.objects
            : .values(keys: arguments.isOn("keys"), headers: arguments.isOn("headers"))
        let tail = try TopicTail(
            reader: store.makeReader(topic: topic), lines: lines, start: start(arguments, zone),
            partition: arguments.integer("partition").map { Int(clamping: $0) })
        let isFollowing = arguments.isOn("follow")
        // Without --follow there is nothing to end cleanly, and Ctrl-C may end the process.
        if isFollowing { Interruption.install() }
        let output = arguments.output
        do {
            try tail.run(following: isFollowing) {
                isFollowing && (Interruption.isRequested || isOutputClosed())
            } write: { piece in
                if piece.isEmpty { try output.flush() } else { try output.write(piece) }
            }
        } catch is BrokerAway {
            // Ctrl-C while no broker answers is the same end.
        }
        return .success
    }

    private static func start(_ arguments: ParsedArguments, _ zone: ZoneClock) -> TopicTail.Start {
        if arguments.isOn("from-beginning") { return .beginning }
        if let time = arguments.time("from-time") { return .time(time.utcMs { zone.utcMs(localSeconds: $0) }) }
        if arguments.isOn("follow"), arguments.integer("lines") == nil { return .last(10) }
        let limit = arguments.lineLimit(onTerminal: 10)
        return limit == .max ? .beginning : .last(limit)
    }

    /// Whether the reader of the pipe has gone, which a write would only tell with the next record.
    private static func isOutputClosed() -> Bool {
        var output = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        return poll(&output, 1, 0) > 0 && output.revents & Int16(POLLERR) != 0
    }
}
