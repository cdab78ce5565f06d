import CommandSupport
import Foundation
import KafkaSupport
import SQLite
import Testing

/// What happens on a cluster to the topic that a stream reads: made anew, cut, deleted, given more partitions; at a start and while it runs.
@Suite(.enabled(if: KafkaBroker.isStartable, "needs ../shared/kafka/kafka.sh and Java 17"))
struct KafkaSourceTests {
    /// Trips of five days in a file each, in the order of time.
    private static let files = Result {
        let taxi = try TaxiCLI()
        for day in 1...5 {
            try taxi.succeed(
                "data", "generate", "--rows", "200", "--seed", "\(day)", "--from", "2024-03-0\(day)", "--to",
                "2024-03-0\(day + 1)", "\(day).csv")
        }
        return taxi
    }
    private let files: TaxiCLI
    private let taxi: TaxiCLI

    init() throws {
        files = try Self.files.get()
        taxi = try TaxiCLI.onKafka()
    }

    /// How long something that happens to a topic is waited for to be seen: who does not see it never will.
    private static let seen = 120.0

    private func produce(_ days: ClosedRange<Int>, _ more: String...) throws {
        for day in days {
            let ending = try taxi.start(
                ["produce", files("\(day).csv"), "--clock", "start", "--max", "-q"] + more
            ).wait()
            #expect(ending.code == 0, "\(ending.errors)")
        }
    }

    private func tool(_ name: String, _ arguments: String..., input: String? = nil) throws {
        try KafkaBroker.tool(
            name, ["--bootstrap-server", try KafkaBroker.sharedServers()] + arguments, input: input)
    }

    /// As others do it: a command of ours refuses to, while a stream reads it.
    private func deleteTopic() throws { try tool("topics", "--delete", "--topic", topic) }

    private var topic: String { "\(taxi.tenant)_ingestData" }

    private func deleteRecords(before offset: Int, partition: Int = 0) throws {
        let path = taxi("delete.json")
        let request =
            #"{"partitions": [{"topic": "\#(topic)", "partition": \#(partition), "offset": \#(offset)}], "version": 1}"#
        try Data(request.utf8).write(to: URL(fileURLWithPath: path))
        try tool("delete-records", "--offset-json-file", path)
    }

    private var counted: Int64 { (try? taxi.number("SELECT sum(trips_total) FROM tripstotal")) ?? 0 }

    private func startStream(_ options: String..., from first: Int64 = 1) throws -> RunningProgram {
        let stream = try taxi.start(["stream", "--query", "tripsTotal"] + options)
        #expect(eventually(within: 60) { counted >= first || !stream.isRunning }, "\(stream.errors)")
        return stream
    }

    private func endsBy(itself stream: RunningProgram) -> Ending {
        // One that does not notice goes on for ever.
        stream.wait(timeout: 120)
    }

    private func expectRefused(_ ending: Ending, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation)
    {
        #expect(ending.code == 65, "\(ending.code): \(ending.errors)", sourceLocation: sourceLocation)
        for word in words + ["--from-beginning"] {
            #expect(ending.errors.contains(word), "\(ending.errors)", sourceLocation: sourceLocation)
        }
    }

    // MARK: Made anew

    @Test("a topic that was made anew is not read on, whether it is shorter or longer", arguments: [1...1, 2...4])
    func isNoticedAtAStart(_ days: ClosedRange<Int>) throws {
        try produce(1...2, "--partitions", "2")
        try taxi.succeed("stream", "--until-end", "-q")
        try taxi.succeed("topic", "delete", "ingestData", "--yes")
        try produce(days, "--partitions", "2")
        let count = counted
        for options in [[], ["--until-end"]] {
            expectRefused(try taxi.start(["stream"] + options).wait(), "made anew")
        }
        #expect(counted == count)
        try taxi.succeed("stream", "--until-end", "--from-beginning", "-q")
        #expect(counted == Int64(days.count * 200))
    }

    @Test func aTopicOfFewerPartitionsIsAnotherOne() throws {
        try produce(1...1, "--partitions", "3")
        try taxi.succeed("stream", "--until-end", "-q")
        try taxi.succeed("topic", "delete", "ingestData", "--yes")
        try produce(1...5, "--partitions", "1")
        expectRefused(try taxi.run("stream", "--until-end"), "3 partitions")
    }

    @Test("a topic that is made anew under a running stream ends it", arguments: [false, true])
    func isNoticedWhileItRuns(_ isPaused: Bool) throws {
        try produce(1...2)
        let stream = try startStream(from: 400)
        // One that does not run meanwhile sees a topic that is longer than what it has read.
        if isPaused {
            // Its watch has to know the topic by then: it looks every three seconds.
            #expect(eventually(within: 30) { anchor() != nil })
            stream.signal(SIGSTOP)
        }
        let read = counted
        try deleteTopic()
        // Other records than those that were read first: one that begins with the same could be told by nothing.
        for _ in 0...(isPaused ? read / 600 + 1 : 0) { try produce(3...5, "--again") }
        if isPaused { stream.signal(SIGCONT) }
        let ending = endsBy(itself: stream)
        expectRefused(ending, "was made anew while it was read")
        // Nor does the next one go on in it, whatever has been read of it.
        expectRefused(try taxi.run("stream", "--until-end"), "made anew")
    }

    /// By what the stream knows its topic, once it has looked and committed since.
    private func anchor() -> String? {
        let rows = try? taxi.query(
            "SELECT json_extract(state, '$.positions.' || json_quote('\(topic)') || '.anchors[0].seal') FROM checkpoints"
        )
        if rows?.first?.first?.integer != nil { return "there" }
        // Another record makes another epoch.
        try? produce(1...1)
        return nil
    }

    // MARK: Records that are gone

    @Test func recordsThatWereDeletedBetweenTwoRunsAreNamedAndSkippedWhereThatIsAsked() throws {
        try produce(1...1)
        try taxi.succeed("stream", "--until-end", "-q")
        try produce(2...3)
        try deleteRecords(before: 350)
        let refused = try taxi.run("stream", "--until-end")
        expectRefused(refused, "offsets 200 to 349 of partition 0", "--skip-lost")
        #expect(counted == 200)
        let skipped = try taxi.run("stream", "--until-end", "--skip-lost")
        #expect(skipped.code == 0, "\(skipped.errors)")
        #expect(skipped.errors.contains("offsets 200 to 349 of partition 0"), "\(skipped.errors)")
        #expect(counted == 450)
        #expect(
            try taxi.number("SELECT sum(value) FROM ledger WHERE counter = 'lost' AND query = 'tripsTotal'") == 150)
        let audit = try taxi.run("audit")
        #expect(audit.code == 66 && audit.errors.contains("gone"), "\(audit.errors)")
    }

    @Test("a running stream that is overtaken by who deletes records", arguments: [false, true])
    func isOvertaken(_ skips: Bool) throws {
        try produce(1...1)
        let stream = try skips ? startStream("--skip-lost", from: 200) : startStream(from: 200)
        stream.signal(SIGSTOP)
        try produce(2...5)
        try deleteRecords(before: 700)
        stream.signal(SIGCONT)
        guard skips else {
            let ending = endsBy(itself: stream)
            // What had been fetched before was read.
            expectRefused(ending, "to 699 of partition 0", "--skip-lost")
            return
        }
        #expect(eventually(within: Self.seen) { lost + counted == 1000 }, "\(stream.errors)")
        #expect(lost > 0)
        stream.signal(SIGINT)
        #expect(stream.wait().code == 130)
    }

    private var lost: Int64 { (try? taxi.number("SELECT sum(value) FROM ledger WHERE counter = 'lost'")) ?? 0 }

    @Test func aFirstReadingBeginsWithWhatIsThere() throws {
        try produce(1...2)
        try deleteRecords(before: 100)
        let ending = try taxi.run("stream", "--until-end")
        #expect(ending.code == 0 && counted == 300, "\(ending.errors)")
    }

    // MARK: Deleted

    @Test func aTopicThatIsDeletedEndsItsReaders() throws {
        try produce(1...1)
        let stream = try startStream(from: 200)
        let tail = try taxi.start(["topic", "tail", "ingestData", "--follow"])
        try deleteTopic()
        for reader in [stream, tail] {
            let ending = endsBy(itself: reader)
            #expect(ending.code == 66, "\(ending.code): \(ending.errors)")
            #expect(ending.errors.contains("\"\(topic)\" was deleted while it was read"), "\(ending.errors)")
        }
    }

    @Test("a topic that is deleted under who writes to it is named", arguments: ["tripsTotalStream", "ingestData"])
    func isMissedByItsWriter(_ name: String) throws {
        try produce(1...1)
        let isSource = name == "ingestData"
        let writer =
            try isSource
            ? taxi.start(["produce", files("2.csv"), "--rate", "20/s", "--clock", "start"])
            : startStream(from: 200)
        if isSource {
            #expect(eventually(within: 60) { (try? taxi.messages(name))?.count ?? 0 > 200 }, "\(writer.errors)")
        }
        try tool("topics", "--delete", "--topic", "\(taxi.tenant)_\(name)")
        // What comes now cannot be sent.
        if !isSource { try produce(2...2) }
        let ending = endsBy(itself: writer)
        #expect(ending.code == 69, "\(ending.code): \(ending.errors)")
        #expect(
            ending.errors.contains("topic \"\(taxi.tenant)_\(name)\" was deleted while it was written to"),
            "\(ending.errors)")
        guard !isSource else { return }
        expectRefused(try taxi.run("stream", "--until-end", "--query", "tripsTotal"), "tripsTotal")
        try taxi.succeed("stream", "--until-end", "--from-beginning", "--query", "tripsTotal", "-q")
        #expect(counted == 400)
    }

    @Test func aSourceThatIsDeletedIsNamedAlsoWhereAnEpochMovesItsGroup() throws {
        try produce(1...1)
        // The epoch is cut when the topic is gone: its transaction is the first to hear of it.
        let stream = try taxi.start(["stream", "--query", "tripsTotal", "--epoch", "3s", "--epoch-records", "1000000"])
        #expect(eventually(within: 60) { counted >= 200 }, "\(stream.errors)")
        try produce(2...2)
        try deleteTopic()
        let ending = endsBy(itself: stream)
        #expect(ending.code == 66, "\(ending.code): \(ending.errors)")
        #expect(ending.errors.contains("\"\(topic)\" was deleted while it was read"), "\(ending.errors)")
    }

    @Test func recordsThatWereReadMayGoWhileTheStreamRuns() throws {
        try produce(1...1)
        let stream = try startStream(from: 200)
        try deleteRecords(before: 200)
        try produce(2...2)
        #expect(eventually(within: Self.seen) { counted == 400 }, "\(counted): \(stream.errors)")
        try deleteRecords(before: 300)
        try produce(3...3)
        #expect(eventually(within: Self.seen) { counted == 600 }, "\(counted): \(stream.errors)")
        stream.signal(SIGINT)
        #expect(stream.wait().code == 130)
        #expect(lost == 0)
        try produce(4...4)
        try taxi.succeed("stream", "--until-end", "--query", "tripsTotal", "-q")
        #expect(counted == 800)
    }

    // MARK: More partitions

    @Test func partitionsThatAreAddedAreReadByWhoRunsAndByWhoStarts() throws {
        try produce(1...1)
        let stream = try startStream(from: 200)
        let tail = try taxi.start(["topic", "tail", "ingestData", "--follow", "--from-beginning", "--meta"])
        try tool("topics", "--alter", "--topic", topic, "--partitions", "3")
        try produce(2...2)
        #expect(eventually(within: Self.seen) { counted == 400 }, "\(counted): \(stream.errors)")
        #expect(eventually(within: Self.seen) { (try? partitions()) == 3 })
        #expect(eventually(within: Self.seen) { tail.text.split(separator: "\n").count == 400 })
        stream.signal(SIGINT)
        #expect(stream.wait().code == 130)
        tail.signal(SIGINT)
        let printed = tail.wait()
        #expect(printed.lines.count == 400 && printed.text.contains(#""partition":2"#), "\(printed.errors)")

        try tool("topics", "--alter", "--topic", topic, "--partitions", "5")
        try produce(3...3)
        try taxi.succeed("stream", "--until-end", "-q")
        #expect(counted == 600)
        try taxi.succeed("audit")
    }

    private func partitions() throws -> Int64 {
        try taxi.number(
            "SELECT json_array_length(state, '$.positions.' || json_quote('\(topic)') || '.offsets') FROM checkpoints")
    }
}
