import Basics
import CommandLine
import Database
import Problems
import SQLite
import Stream
import Topics
import Time
import Trips

/// `topic`: the tenant's topics.
enum TopicCommand {
    static let command = Command(
        name: "topic", summary: "list, create, describe, read, export and delete topics",
        discussion: """
            A topic may be named with the tenant's prefix or without it: ingestData is chicago_ingestData. On a cluster other tenants \
            and other programs have topics too: those are meant with --foreign alone, by their whole names. Commands that only look \
            create nothing.
            """,
        examples: [
            Example("taxi-cli topic list", "every topic with its records and event times"),
            Example(
                "taxi-cli topic tail ingestData -n 3 | jq .fare", "the last three trips, as anybody would read them"),
        ],
        subcommands: [
            list, create, describe, TopicTailCommand.command, TopicExportCommand.command, delete,
        ], group: "Data")

    static let name = Argument(
        "NAME", help: "the topic, with the tenant's prefix or without it", names: CompletedNames.topics)

    static let foreign = Option(
        "foreign", help: "a topic of a cluster that is another tenant's or another program's, by its whole name")

    private static let list = Command(
        name: "list", summary: "list the topics",
        examples: [
            Example("taxi-cli topic list", "names, records, bytes and event times"),
            Example("taxi-cli topic list --format jsonl | jq -r .topic", "only the names, for a script"),
        ], options: [Option("foreign", help: "all topics of the cluster, whoever's they are")]
    ) { arguments in
        let globals = try GlobalOptions(arguments)
        let zone = try ZoneClock(identifier: globals.zoneIdentifier)
        let store = try globals.openTopicsIfAny()
        let isForeign = arguments.isOn("foreign")
        let topics =
            try (isForeign ? store?.topicNames().sorted().map { try store?.describe($0) } : store?.topics())?
            .compactMap { $0 } ?? []
        var table = Table(columns: [
            Column("topic"), Column("partitions", .right), Column("records", .right), Column("bytes", .right),
            Column("retention", .right, mayBeLeftOut: true), Column("first_event", mayBeLeftOut: true),
            Column("last_event"),
        ])
        for topic in topics {
            table.rows.append(
                [
                    .text(topic.name), .integer(Int64(topic.partitions.count)), .count(topic.recordCount),
                    // A broker does not tell clients how many bytes a topic has.
                    topic.isCountExact ? .bytes(topic.bytes) : .null,
                    topic.retentionMs.map { .milliseconds($0) } ?? .null,
                ] + events(topic.times, zone))
        }
        if topics.isEmpty {
            try arguments.say("tenant \"\(globals.tenant)\" has no topics yet; taxi-cli produce makes the first")
        }
        try arguments.write(table)
        try sayAbout(topics, arguments)
        let hidden = topics.filter { !$0.isRetentionKnown }.map { "\"\($0.name)\"" }
        if !hidden.isEmpty {
            try arguments.say(
                "the broker does not tell this user how long records are kept (DescribeConfigs): topic \(hidden.joined(separator: ", "))"
            )
        }
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
            Option("foreign", help: "by this name as it is, without the tenant's prefix"),
        ]
    ) { arguments in
        let globals = try GlobalOptions(arguments)
        try globals.prepareTenant(arguments.program)
        let given = arguments.positionals[0]
        let partitions = Int(arguments.integer("partitions") ?? 1)
        let store = try globals.openTopics()
        let topic = arguments.isOn("foreign") ? given : try store.newName(of: given, tenant: globals.tenant)
        let retentionMs = arguments.durationMs("retention")
        let isThere = try store.hasTopic(topic)
        if isThere, let retentionMs {
            let present = try store.describe(topic)
            guard !present.isRetentionKnown || present.retentionMs == retentionMs else {
                throw Problem(
                    .configuration,
                    "topic \"\(topic)\" is there and keeps records \(present.retentionMs.map { "for \(roundedDurationText(ms: $0))" } ?? "for ever"), not for \(roundedDurationText(ms: retentionMs))",
                    hint: "A topic keeps what it was made with: choose another name, or taxi-cli topic delete it first."
                )
            }
        }
        try store.createTopic(
            topic, partitions: partitions, replication: arguments.integer("replication").map(Int.init),
            retentionMs: retentionMs)
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
        arguments: [name], options: [foreign]
    ) { arguments in
        let globals = try GlobalOptions(arguments)
        let zone = try ZoneClock(identifier: globals.zoneIdentifier)
        let (store, topic) = try globals.openTopic(arguments.positionals[0], isForeign: arguments.isOn("foreign"))
        var table = Table(columns: [
            Column("partition", .right), Column("start_offset", .right), Column("end_offset", .right),
            Column("records", .right), Column("bytes", .right), Column("first_event", mayBeLeftOut: true),
            Column("last_event"),
            Column("last_append", mayBeLeftOut: true),
        ])
        let description = try store.describe(topic)
        for partition in description.partitions {
            table.rows.append(
                [
                    .integer(Int64(partition.id)), .integer(partition.startOffset), .integer(partition.endOffset),
                    .count(partition.recordCount), description.isCountExact ? .bytes(partition.bytes) : .null,
                ] + events(partition.times, zone) + [.optional(partition.lastAppend.map { zone.iso(ms: $0) })])
        }
        try arguments.write(table)
        try sayAbout([description], arguments)
        return .success
    }

    private static let delete = Command(
        name: "delete", summary: "delete a topic with all of its records, for good",
        discussion: """
            A stream that has read from it keeps its results; to read a new topic of that name it needs --from-beginning. While a produce \
            or stream on this machine uses the topic, it stays (exit code 75), unless --force ends the process first.
            """,
        examples: [
            Example("taxi-cli topic delete scratch", "asks first"),
            Example("taxi-cli topic delete scratch --yes", "does not ask, for scripts"),
        ],
        arguments: [name],
        options: [Option("yes", short: "y", help: "do not ask"), TenantCommand.force, foreign]
    ) { arguments in
        let isForeign = arguments.isOn("foreign")
        let globals = try GlobalOptions(arguments)
        let (store, topic) = try globals.openTopic(arguments.positionals[0], isForeign: isForeign, changing: true)
        func requireUnused(ending: Bool) throws {
            try ControlFile.requireNone(
                in: globals.tenantFolder, topic: topic, what: "topic \"\(topic)\"", ending: ending, say: arguments.say)
        }
        if !arguments.isOn("force") { try requireUnused(ending: false) }
        if !arguments.isOn("yes") {
            let description = try store.describe(topic)
            let records = (description.isCountExact ? "" : "about ") + grouped(description.recordCount)
            guard
                try arguments.confirm(
                    "Delete topic \"\(topic)\" with \(records) records?"
                        + (isForeign ? " It is not this tenant's." : ""),
                    by: isForeign ? topic : nil, hint: "Pass --yes to delete without being asked.")
            else {
                try arguments.say("nothing was deleted")
                return .success
            }
        }
        try requireUnused(ending: arguments.isOn("force"))
        // Embedded topics tell themselves what was sent to them.
        if !store.keepsMarksForFree, Files.exists(globals.resultsPath) {
            let results = try ResultsDatabase(path: globals.resultsPath, zone: globals.zoneIdentifier)
            try explaining("forgetting what was sent") { try SentCheck.forget(topic, in: results.connection) }
        }
        try store.deleteTopic(topic)
        try arguments.say("deleted topic \"\(topic)\"")
        return .success
    }

    /// Where counts of records are no more than nearly right, says so.
    private static func sayAbout(_ topics: [TopicDescription], _ arguments: ParsedArguments) throws {
        guard topics.contains(where: { !$0.isCountExact && $0.recordCount > 0 }) else { return }
        try arguments.output.flush()
        try arguments.say(
            "records are counted by their offsets, of which ends of transactions and aborted records take some: there are about so many, and not more"
        )
    }

    private static func events(_ times: ClosedRange<EventTime>?, _ zone: ZoneClock) -> [Table.Value] {
        [.optional(times.map { zone.iso(ms: $0.lowerBound) }), .optional(times.map { zone.iso(ms: $0.upperBound) })]
    }
}
