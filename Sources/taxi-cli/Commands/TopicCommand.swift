import CommandLine
import Problems
import Topics
import Trips

/// `topic`: the tenant's topics.
enum TopicCommand {
    static let command = Command(
        name: "topic", summary: "list, create, describe, read and delete topics",
        discussion: """
            A topic may be named with the tenant's prefix or without it: ingestData is chicago_ingestData. Commands that only look \
            create nothing.
            """,
        examples: [
            Example("taxi-cli topic list", "every topic with its records and event times"),
            Example(
                "taxi-cli topic tail ingestData -n 3 | jq .fare", "the last three trips, as anybody would read them"),
        ],
        subcommands: [list, create, describe, TopicTailCommand.command, delete], group: "Data")

    static let name = Argument("NAME", help: "the topic, with the tenant's prefix or without it")

    private static let list = Command(
        name: "list", summary: "list the topics",
        examples: [
            Example("taxi-cli topic list", "names, records, bytes and event times"),
            Example("taxi-cli topic list --format jsonl | jq -r .topic", "only the names, for a script"),
        ]
    ) { arguments in
        let globals = try GlobalOptions(arguments)
        let zone = try ZoneClock(identifier: globals.zoneIdentifier)
        let topics = try globals.openTopicsIfAny()?.topics() ?? []
        var table = Table(columns: [
            Column("topic"), Column("partitions", .right), Column("records", .right), Column("bytes", .right),
            Column("retention", .right), Column("first_event"), Column("last_event"),
        ])
        for topic in topics {
            table.rows.append(
                [
                    .text(topic.name), .integer(Int64(topic.partitions.count)), .count(topic.recordCount),
                    .bytes(topic.bytes), topic.retentionMs.map { .milliseconds($0) } ?? .null,
                ] + events(topic.times, zone))
        }
        if topics.isEmpty {
            try arguments.say("tenant \"\(globals.tenant)\" has no topics yet; taxi-cli produce makes the first")
        }
        try arguments.write(table)
        return .success
    }

    private static let create = Command(
        name: "create", summary: "create a topic",
        discussion: """
            A name without the tenant's prefix gets it. A topic that is there with as many partitions is left as it is. produce \
            and stream create the topics that they need by themselves.
            """,
        examples: [
            Example(
                "taxi-cli topic create ingestData --partitions 4",
                "before the first produce: a topic to be read by four workers"),
            Example(
                "taxi-cli topic create scratch --retention 7d",
                "records go when newer ones are seven days ahead of them"),
        ],
        arguments: [name],
        options: [
            Option(
                "partitions", value: .value("N"), kind: .integer(1...10_000), default: "1",
                help: "how many parts; records of one key stay in one of them"),
            Option(
                "replication", value: .value("N"), kind: .integer(1...100),
                help:
                    "how many brokers keep each record; on Kafka only, where the cluster has its own number unless said"
            ),
            Option(
                "retention", value: .value("TIME"), kind: .duration,
                help: "how long records are kept, by event time; for ever unless said"),
        ]
    ) { arguments in
        let globals = try GlobalOptions(arguments)
        try globals.prepareTenant(arguments.program)
        let given = arguments.positionals[0]
        let topic = given.hasPrefix("\(globals.tenant)_") ? given : "\(globals.tenant)_\(given)"
        let partitions = Int(arguments.integer("partitions") ?? 1)
        try globals.openTopics().createTopic(
            topic, partitions: partitions, replication: arguments.integer("replication").map(Int.init),
            retentionMs: arguments.durationMs("retention"))
        try arguments.say("topic \"\(topic)\" has \(partitions) \(partitions == 1 ? "partition" : "partitions")")
        return .success
    }

    private static let describe = Command(
        name: "describe", summary: "show the partitions of a topic",
        examples: [
            Example("taxi-cli topic describe ingestData", "offsets, bytes and event times of each partition"),
            Example(
                "taxi-cli topic describe ingestData --format jsonl | jq -s 'map(.end_offset) | add'",
                "how many records there ever were"),
        ],
        arguments: [name]
    ) { arguments in
        let globals = try GlobalOptions(arguments)
        let zone = try ZoneClock(identifier: globals.zoneIdentifier)
        let (store, topic) = try globals.openTopic(arguments.positionals[0])
        var table = Table(columns: [
            Column("partition", .right), Column("start_offset", .right), Column("end_offset", .right),
            Column("records", .right), Column("bytes", .right), Column("first_event"), Column("last_event"),
            Column("last_append"),
        ])
        for partition in try store.describe(topic).partitions {
            table.rows.append(
                [
                    .integer(Int64(partition.id)), .integer(partition.startOffset), .integer(partition.endOffset),
                    .count(partition.recordCount), .bytes(partition.bytes),
                ] + events(partition.times, zone) + [.optional(partition.lastAppend.map { zone.iso(ms: $0) })])
        }
        try arguments.write(table)
        return .success
    }

    private static let delete = Command(
        name: "delete", summary: "delete a topic with all of its records, for good",
        discussion:
            "A stream that has read from it keeps its results; to read a new topic of that name it needs --from-beginning.",
        examples: [
            Example("taxi-cli topic delete scratch", "asks first"),
            Example("taxi-cli topic delete scratch --yes", "does not ask, for scripts"),
        ],
        arguments: [name], options: [Option("yes", short: "y", help: "do not ask")]
    ) { arguments in
        let (store, topic) = try GlobalOptions(arguments).openTopic(arguments.positionals[0])
        if !arguments.isOn("yes") {
            let records = grouped(try store.describe(topic).recordCount)
            guard
                try arguments.confirm(
                    "Delete topic \"\(topic)\" with \(records) records?",
                    hint: "Pass --yes to delete without being asked.")
            else {
                try arguments.say("nothing was deleted")
                return .success
            }
        }
        try store.deleteTopic(topic)
        try arguments.say("deleted topic \"\(topic)\"")
        return .success
    }

    private static func events(_ times: ClosedRange<EventTime>?, _ zone: ZoneClock) -> [Table.Value] {
        [.optional(times.map { zone.iso(ms: $0.lowerBound) }), .optional(times.map { zone.iso(ms: $0.upperBound) })]
    }
}
