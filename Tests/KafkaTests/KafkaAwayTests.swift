import CommandSupport
import Foundation
import Glibc
import KafkaSupport
import Testing

/// A broker that is away: the first Ctrl-C ends what waits for it, and says what it has not sent.
@Suite(.enabled(if: KafkaBroker.isStartable, "needs ../shared/kafka/kafka.sh and Java 17"))
struct KafkaAwayTests {
    /// How the process ended after the first Ctrl-C. One that waited for its broker would not: the limit tells that apart on any machine,
    /// and no more.
    private func interrupt(_ running: RunningProgram) -> Ending {
        running.signal(SIGINT)
        return running.wait(timeout: 30)
    }

    /// One that hangs keeps its connections, and says nothing.
    @Test(arguments: [SIGINT, SIGTERM]) func theFirstSignalEndsWhatAPausedBrokerKeepsWaiting(_ signal: Int32) throws {
        let broker = try KafkaBroker()
        let (taxi, other) = (
            try TaxiCLI.onKafka(servers: broker.servers), try TaxiCLI.onKafka(servers: broker.servers)
        )
        try taxi.succeed("data", "generate", "--rows", "20000", "--seed", "6", "trips.csv")
        let plain = try taxi.start(["produce", "trips.csv", "--rate", "500/s"])
        let resumable = try other.start(
            ["produce", taxi("trips.csv"), "--rate", "500/s", "--clock", "start", "--resume"])
        let stream = try taxi.start(["stream"])
        #expect(
            eventually(within: 120) {
                ((try? taxi.number("SELECT sum(trips_total) FROM tripstotal")) ?? 0) > 0
                    && ((try? other.recordsOnKafka("ingestData")) ?? 0) > 0
            }, "\(plain.errors) \(resumable.errors) \(stream.errors)")
        let tail = try other.start(["topic", "tail", "ingestData", "--follow"])
        #expect(eventually(within: 60) { !tail.text.isEmpty }, "\(tail.errors)")
        // One that is anywhere on its way to its first record, and one that has nothing to do.
        let starting = try other.start(["stream", "--query", "tripsTotal"])
        #expect(eventually(within: 60) { starting.catches(signal) }, "\(starting.errors)")
        try broker.pause()
        defer { try? broker.resume() }
        // At its start a command waits some seconds only, with or without a signal.
        starting.signal(signal)
        let ending = starting.wait(timeout: 60)
        #expect(ending.code == 130, "\(ending.code): \(ending.errors)")
        for running in [plain, resumable, stream] {
            #expect(eventually(within: 60) { running.errors.contains("waiting for one") }, "\(running.errors)")
        }
        for running in [plain, resumable, stream] {
            running.signal(signal)
            let ending = running.wait(timeout: 60)
            #expect(ending.code == 130, "\(ending.code): \(ending.errors)")
            #expect(ending.errors.contains("not sent: "), "\(ending.errors)")
        }
        tail.signal(signal)
        #expect(tail.wait(timeout: 60).code == 0)

        // Nothing is lost: results and topic agree, and messages that were not sent are sent.
        try broker.resume()
        var errors = ""
        let goesOn = eventually(within: 240) {
            guard let ending = try? taxi.run("stream", "--until-end") else { return false }
            errors = ending.errors
            return ending.code == 0
        }
        #expect(goesOn, "\(errors)")
        #expect(
            try taxi.number("SELECT sum(trips_total) FROM tripstotal") == Int64(try taxi.recordsOnKafka("ingestData")))
        #expect(try taxi.number("SELECT count(*) FROM outbox") == 0)
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
            let ending = interrupt(running)
            #expect(ending.code == 130, "\(ending.code): \(ending.errors)")
            #expect(ending.errors.contains("not sent: "), "\(ending.errors)")
            #expect(ending.errors.contains("no broker of \"\(broker.servers)\" takes records"), "\(ending.errors)")
        }
        let ending = interrupt(stream)
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

extension RunningProgram {
    /// Whether it has taken a signal over.
    fileprivate func catches(_ signal: Int32) -> Bool {
        let status = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("SigCgt:") }
        let mask = line.flatMap { UInt64($0.dropFirst(7).trimmingCharacters(in: .whitespaces), radix: 16) } ?? 0
        return mask >> UInt64(signal - 1) & 1 == 1
    }
}

extension TaxiCLI {
    /// How many committed records a topic has.
    fileprivate func recordsOnKafka(_ topic: String) throws -> Int {
        let lines = try run("topic", "tail", topic, "--from-beginning").lines
        return lines.count
    }
}
