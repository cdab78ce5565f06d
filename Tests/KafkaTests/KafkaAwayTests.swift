import CommandSupport
import Foundation
import KafkaSupport
import Testing

/// A broker or a topic that is away: the first Ctrl-C ends what waits for it within 5 s, and says what it has not sent.
@Suite(.enabled(if: KafkaBroker.isStartable, "needs ../shared/kafka/kafka.sh and Java 17"))
struct KafkaAwayTests {
    /// How long the process took to end, and how it did.
    private func interrupt(_ running: RunningProgram) -> (seconds: Double, ending: Ending) {
        let start = Date()
        running.signal(SIGINT)
        let ending = running.wait(timeout: 30)
        return (Date().timeIntervalSince(start), ending)
    }

    /// A replay, a stream and a tail through one topic, and a replay without --resume into another: by name, all of them at work.
    private func allAtWork(on broker: KafkaBroker) throws -> (topics: [String], running: [String: RunningProgram]) {
        let (taxi, other) = (
            try TaxiCLI.onKafka(servers: broker.servers), try TaxiCLI.onKafka(servers: broker.servers)
        )
        try taxi.succeed("data", "generate", "--rows", "50000", "--seed", "6", "trips.csv")
        let replay = ["produce", taxi("trips.csv"), "--clock", "start", "--rate", "500/s"]
        var running = ["produce": try other.start(replay), "produce --resume": try taxi.start(replay + ["--resume"])]
        for (taxi, name) in [(other, "produce"), (taxi, "produce --resume")] {
            #expect(eventually(within: 120) { (try? taxi.recordsOnKafka("ingestData")) ?? 0 > 0 }, "\(name)")
        }
        let stream = try taxi.start(["stream", "--idle-timeout", "10m"])
        let tail = try taxi.start(["topic", "tail", "ingestData", "--from-beginning", "--follow"])
        (running["stream"], running["topic tail"]) = (stream, tail)
        let areReading = eventually(within: 120) {
            !tail.text.isEmpty && ((try? taxi.number("SELECT sum(trips_total) FROM tripstotal")) ?? 0) > 0
        }
        #expect(areReading, "\(stream.errors) \(tail.errors)")
        return ([taxi, other].map { "\($0.tenant)_ingestData" }, running)
    }

    enum Loss: String, CaseIterable { case pausedBroker, deletedTopic }

    @Test(arguments: Loss.allCases) func theFirstCtrlCEndsEveryCommandWithinFiveSeconds(_ loss: Loss) throws {
        let broker = try KafkaBroker()
        let (topics, running) = try allAtWork(on: broker)
        switch loss {
        case .pausedBroker:
            try broker.pause()
            for (name, command) in running where name.hasPrefix("produce") {
                #expect(eventually(within: 60) { command.errors.contains("waiting for one") }, "\(command.errors)")
            }
        case .deletedTopic:
            for topic in topics {
                try KafkaBroker.tool("topics", ["--bootstrap-server", broker.servers, "--delete", "--topic", topic])
            }
        }
        for (name, command) in running {
            let (seconds, ending) = interrupt(command)
            #expect(seconds < 5, "\(name): \(seconds) s: \(ending.errors)")
            // Who has noticed that the topic has gone may have ended by itself, and says which.
            let hasNoticed = loss == .deletedTopic && topics.contains { ending.errors.contains($0) }
            let code: Int32 = name == "topic tail" ? 0 : 130
            #expect(ending.code == code || hasNoticed, "\(name): \(ending.code): \(ending.errors)")
            if loss == .pausedBroker, name.hasPrefix("produce") {
                #expect(ending.errors.contains("not sent: "), "\(name): \(ending.errors)")
            }
        }
    }

    @Test func theFirstCtrlCEndsEveryCommandThatWaitsForABroker() throws {
        // One of its own, since it is killed.
        let broker = try KafkaBroker()
        let taxi = try TaxiCLI.onKafka(servers: broker.servers)
        try taxi.succeed("data", "generate", "--rows", "20000", "--seed", "6", "trips.csv")
        let (plain, resumable) = (["produce", "trips.csv", "--rate", "500/s"], ["--clock", "start", "--resume"])
        let first = try taxi.start(plain)
        #expect(eventually(within: 60) { (try? taxi.recordsOnKafka("ingestData")) ?? 0 > 0 }, "\(first.errors)")
        let stream = try taxi.start(["stream"])
        #expect(
            eventually(within: 60) { ((try? taxi.number("SELECT sum(trips_total) FROM tripstotal")) ?? 0) > 0 },
            "\(stream.errors)")
        let other = try TaxiCLI.onKafka(servers: broker.servers)
        let second = try other.start(["produce", taxi("trips.csv"), "--rate", "500/s"] + resumable)
        #expect(eventually(within: 60) { (try? other.recordsOnKafka("ingestData")) ?? 0 > 0 }, "\(second.errors)")
        try broker.kill()
        // Until each of them has noticed.
        for running in [first, second] {
            #expect(eventually(within: 60) { running.errors.contains("waiting for one") }, "\(running.errors)")
        }
        for running in [first, second] {
            let (seconds, ending) = interrupt(running)
            #expect(seconds < 3, "\(seconds) s: \(ending.errors)")
            #expect(ending.code == 130, "\(ending.code): \(ending.errors)")
            #expect(ending.errors.contains("not sent: "), "\(ending.errors)")
            #expect(ending.errors.contains("no broker of \"\(broker.servers)\" takes records"), "\(ending.errors)")
        }
        let (seconds, ending) = interrupt(stream)
        #expect(seconds < 3, "\(seconds) s: \(ending.errors)")
        #expect(ending.code == 130, "\(ending.code): \(ending.errors)")

        // What was not sent is sent, once, when the broker is back.
        try broker.revive()
        let again = ["produce", taxi("trips.csv"), "--max", "--summary-json", "-"] + resumable
        var errors = ""
        // A broker that has just come back may need a while until it takes transactions; running it again is the way.
        let isDone = eventually(within: 240) {
            guard let resumed = try? other.start(again).wait() else { return false }
            errors = resumed.errors
            return resumed.code == 0
        }
        #expect(isDone, "\(errors)")
        #expect(try other.recordsOnKafka("ingestData") == 20_000)
    }
}

extension TaxiCLI {
    /// How many committed records a topic has.
    fileprivate func recordsOnKafka(_ topic: String) throws -> Int {
        let lines = try run("topic", "tail", topic, "--from-beginning").lines
        return lines.count
    }
}
