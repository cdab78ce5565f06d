import Database
import Foundation
import Kafka
import KafkaSupport
import Problems
import SQLite
import Testing
import Time
import Trips

@testable import Stream
@testable import Topics

/// What `OutboxRule` says, on a real broker: each mark × each state of the outbox × each state of the topics.
@Suite(.enabled(if: KafkaBroker.isAvailable, "needs ../shared/kafka/kafka.sh and Java 17, or TAXI_TEST_KAFKA"))
struct KafkaOutboxTests {
    private static let marks: [OutboxRule.Mark] = [.none, .older, .same, .newer, .foreign]
    private static let waiting: [OutboxRule.Waiting] = [.none, .pending, .sent]

    @Test(arguments: marks, waiting) func nothingIsSentTwiceAndNothingIsLost(
        mark: OutboxRule.Mark, waiting: OutboxRule.Waiting
    ) throws {
        let tenant = try SentTenant(leaving: waiting)
        try tenant.setMark(mark)
        let before = try tenant.messages()
        for topics in [OutboxRule.Topics.shorter, .recreated] {
            try tenant.withTopics(topics) {
                let problem = #expect(throws: Problem.self, "\(topics)") { try tenant.stream() }
                #expect(problem?.code == .badData && problem?.hint?.contains("--from-beginning") == true)
            }
            #expect(try tenant.messages() == before, "\(topics)")
        }
        switch OutboxRule.verdict(mark, waiting, .same, forgets: true) {
        case .refuse:
            let left = try tenant.outboxRows()
            let problem = #expect(throws: Problem.self) { try tenant.stream() }
            #expect(problem?.code == .badData && problem?.hint?.contains("--from-beginning") == true)
            #expect(try tenant.messages() == before && tenant.outboxRows() == left, "refused before any effect")
        case .send, .done:
            try tenant.stream()
            #expect(try tenant.messages().count == 2 && Set(tenant.messages()).count == 2)
            #expect(try tenant.outboxRows() == 0)
        }
    }

    /// A stream that goes on after its group was forgotten numbers its messages on, and its mark is one of its own again.
    @Test func goesOnAfterItsGroupWasForgotten() throws {
        let tenant = try SentTenant(leaving: .none)
        try tenant.setMark(.none)
        try tenant.produce(minute: 2)
        for _ in 0..<2 { try tenant.stream() }
        #expect(try tenant.messages().count == 3)
    }

    /// Killed before it heard that its messages are stored; the next start finds them there, and has nothing to send itself.
    @Test func goesOnWhereAGroupIsForgottenThatNobodyHeardOf() throws {
        let tenant = try SentTenant(leaving: .sent)
        let before = try tenant.messages()
        try tenant.stream()
        try tenant.forgetGroup()
        try tenant.stream()
        #expect(try tenant.messages() == before)
        try tenant.produce(minute: 2)
        try tenant.stream()
        #expect(try tenant.messages().count == before.count + 1)
    }

    /// An older copy, and results that are lost: when the cluster has forgotten the group nothing tells of them but the topics.
    @Test(arguments: [true, false]) func olderResultsAreFoundOutWhereTheGroupWasForgotten(_ isCopy: Bool) throws {
        let tenant = try SentTenant(leaving: .none)
        let older = try isCopy ? SentTenant(copying: tenant) : SentTenant(sharing: tenant)
        try tenant.produce(minute: 2)
        try tenant.stream()
        let before = try tenant.messages()
        try tenant.forgetGroup()
        let problem = #expect(throws: Problem.self) { try older.stream() }
        #expect(problem?.code == .badData && problem?.message.contains("know nothing of") == true)
        #expect(problem?.hint?.contains("--from-beginning") == true)
        #expect(try tenant.messages() == before)
        // The newest goes on as if nothing had happened.
        try tenant.stream()
        #expect(try tenant.messages() == before)
        // Whoever computes anew takes what is there for its past, also where the group is forgotten once more.
        try older.stream { $0.fromBeginning = true }
        #expect(try tenant.messages().count == before.count + 3)
        try tenant.forgetGroup()
        try tenant.produce(minute: 3)
        for _ in 0..<2 { try older.stream() }
        #expect(try tenant.messages().count == before.count + 4)
    }

    /// Made anew, with nothing sent since.
    @Test func whatWasThereBeforeResultsWereMadeAnewIsKnown() throws {
        let tenant = try SentTenant(leaving: .none)
        let messages = try tenant.messages()
        let faulty = FaultyTopicStore(tenant.store)
        faulty.beforeAppend = { _ in throw FaultyTopicStore.Crash() }
        do { try tenant.stream(to: faulty) { $0.fromBeginning = true } } catch is FaultyTopicStore.Crash {}
        try tenant.forgetGroup()
        for _ in 0..<2 { try tenant.stream() }
        #expect(try tenant.messages().count == 2 * messages.count)
    }

    /// A rewind is an epoch of its own: the group's mark follows it, whether it was killed before its record was sent or after.
    @Test(arguments: [OutboxRule.Waiting.none, .pending, .sent])
    func goesOnAfterARewind(_ waiting: OutboxRule.Waiting) throws {
        let tenant = try SentTenant(leaving: .none)
        for minute in 2...4 {
            try tenant.produce(minute: minute)
            try tenant.stream { $0.keepHistoryMs = 1 << 40 }
        }
        let faulty = FaultyTopicStore(tenant.store)
        switch waiting {
        case .pending: faulty.beforeAppend = { _ in throw FaultyTopicStore.Crash() }
        case .sent: faulty.afterAppend = { _ in throw FaultyTopicStore.Crash() }
        case .none, .unknown: break
        }
        do { try tenant.rewind(.epochs(2), by: faulty) } catch is FaultyTopicStore.Crash {}
        for _ in 0..<2 { try tenant.stream { $0.keepHistoryMs = 1 << 40 } }
        #expect(try tenant.messages().count == 5 + 2)
        #expect(try tenant.messages().filter { $0.contains("\"revision\":2") }.count == 2)
        #expect(try tenant.messages(of: "\(tenant.name)_control").count == 1)
        #expect(try tenant.outboxRows() == 0)
    }

    /// The way on that a refusal names.
    @Test(arguments: [OutboxRule.Mark.newer, .foreign]) func isComputedAnewOnceSaidSo(mark: OutboxRule.Mark) throws {
        let tenant = try SentTenant(leaving: .pending)
        try tenant.setMark(mark)
        try tenant.stream { $0.fromBeginning = true }
        let anew = try tenant.messages()
        #expect(anew.count == 1 + 2, "what was there, and all of the results")
        for _ in 0..<2 { try tenant.stream() }
        #expect(try tenant.messages() == anew)
    }

    @Test func topicsThatWereDeletedAndMadeAnewAreFoundOut() throws {
        let tenant = try SentTenant(leaving: .none)
        try tenant.store.deleteTopic(tenant.output)
        #expect(throws: Problem.self) { try tenant.stream() }
        #expect(try !tenant.store.hasTopic(tenant.output), "refused before it is made")
        try tenant.store.createTopic(tenant.output, partitions: 1)
        let problem = #expect(throws: Problem.self) { try tenant.stream() }
        #expect(problem?.message.contains(tenant.output) == true)
    }

    /// Of another home: that sends under the same names, and has sent more, or less.
    @Test(arguments: [0, 1]) func twoHomesAreToldOfEachOther(_ more: Int) throws {
        let tenant = try SentTenant(leaving: .none)
        let other = try SentTenant(sharing: tenant)
        for minute in 2..<2 + more { try tenant.produce(minute: minute) }
        let problem = #expect(throws: Problem.self) { try other.stream() }
        #expect(problem?.message.contains(try tenant.identity) == true)
        #expect(problem?.message.contains(try other.identity) == true)
        #expect(try tenant.messages().count == 2)
        try tenant.stream()
        #expect(try tenant.messages().count == 2 + more)
    }

    @Test func anotherStoreIsRefused() throws {
        let tenant = try SentTenant(leaving: .pending)
        let embedded = try EmbeddedTopicStore(path: tenant.folder + "/topics.db")
        try embedded.createTopic(tenant.ingest, partitions: 1)
        let problem = #expect(throws: Problem.self) { try tenant.stream(to: embedded) }
        #expect(problem?.message.contains("embedded topics") == true)
        #expect(try !embedded.hasTopic(tenant.output))
        try tenant.stream()
        #expect(try tenant.messages().count == 2, "what was left has found its own cluster")
    }
}

/// A tenant of its own on the shared broker, whose one query has sent a message for each of two minutes, in an epoch each.
private final class SentTenant {
    let folder: String
    let name: String
    let store: KafkaTopicStore
    private let configuration: KafkaConfiguration
    private let database: ResultsDatabase
    private let plans: [QueryPlan]
    private var runs = 0
    var ingest: String { "\(name)_ingestData" }
    var output: String { "\(name)_\(plans[0].topicSuffix)" }
    private var group: String { "\(name)_stream:fares" }

    /// - Parameter waiting: of the second minute's message.
    convenience init(leaving waiting: OutboxRule.Waiting) throws {
        try self.init(named: "sent-\(UUID().uuidString.lowercased())")
        try store.createTopic(ingest, partitions: 1)
        try produce(minute: 0)
        try stream()
        try produce(minute: 1)
        let faulty = FaultyTopicStore(store)
        switch waiting {
        case .pending: faulty.beforeAppend = { _ in throw FaultyTopicStore.Crash() }
        case .sent: faulty.afterAppend = { _ in throw FaultyTopicStore.Crash() }
        case .none, .unknown: break
        }
        do { try stream(to: faulty) } catch is FaultyTopicStore.Crash {}
    }

    /// Another home of the same tenant.
    convenience init(sharing other: SentTenant) throws { try self.init(named: other.name) }

    /// The same home as it was: results.db is a copy.
    convenience init(copying other: SentTenant) throws { try self.init(named: other.name, copying: other.database) }

    func forgetGroup() throws { try store.deleteGroup(group) }

    private init(named name: String, copying original: ResultsDatabase? = nil) throws {
        self.name = name
        folder = FileManager.default.temporaryDirectory.path + "/taxi-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        configuration = KafkaConfiguration(servers: try KafkaBroker.sharedServers())
        store = try KafkaTopicStore(configuration, tenant: name)
        try original?.connection.execute("VACUUM INTO ?", .text(folder + "/results.db"))
        database = try ResultsDatabase(path: folder + "/results.db", durability: .normal)
        plans = try QueryCatalog.parse(
            "queries:\n  - {name: fares, window: {tumbling: 1m}, aggregates: {n: count(*)}}\n", file: "f")
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    var identity: String { get throws { try ResultsDatabase.identity(of: database.connection) } }

    func produce(minute: Int) throws {
        let time = origin + EventTime(minute) * 60_000
        let value = Array(#"{"fare":10,"event_timestamp":"\#(RFC3339.string(time))"}"#.utf8)
        let records = [TopicRecord(key: nil, value: value, timestamp: time)]
        let batch = try #require(PendingBatch(topic: ingest, partition: 0, records: records))
        try store.makeWriter().append([batch], mark: nil)
    }

    func stream(to other: (any TopicStore)? = nil, _ change: (inout StreamOptions) -> Void = { _ in }) throws {
        runs += 1
        var options = StreamOptions(tenant: name, zone: try ZoneClock(identifier: "America/Chicago"))
        options.untilEnd = true
        change(&options)
        let runner = StreamRunner(
            plans: plans, options: options, database: database, store: other ?? store, source: .topic(ingest),
            runID: "run \(runs) of \(folder.suffix(4))")
        _ = try runner.run()
    }

    func rewind(_ target: Rewind.Target, by other: any TopicStore) throws {
        runs += 1
        _ = try Rewind(
            plans: plans, tenant: name, zone: ZoneClock(identifier: "America/Chicago"), database: database,
            store: other,
            runID: "rewind \(runs) of \(folder.suffix(4))", nowMs: SystemClock.shared.nowMs
        ).run(to: target)
    }

    func messages(of topic: String? = nil) throws -> [String] {
        // Whoever takes over waits until what was committed before is shown.
        let reader = try store.makeReader(topic: topic ?? output, untilEnd: true)
        _ = try reader.awaitAppends()
        var values: [String] = []
        try reader.forEachBatch(of: 0, in: reader.offsets()[0]) { batch in
            values += try RecordBatch.decode(batch.payload).map { String(decoding: $0.value ?? [], as: UTF8.self) }
            return true
        }
        return values
    }

    func outboxRows() throws -> Int64 {
        try database.connection.value("SELECT count(*) FROM outbox")?.integer ?? -1
    }

    /// Moves the group as somebody, or time, would.
    func setMark(_ mark: OutboxRule.Mark) throws {
        let admin = try KafkaAdmin(configuration)
        let checkpoint = try #require(try CheckpointStore(connection: database.connection).load("fares"))
        let (sent, before) = (try #require(checkpoint.sent), try #require(checkpoint.sentBefore))
        func commit(_ database: String, _ of: QueryCheckpoint.SentMark, by more: Int64 = 0) throws {
            let position = SentPosition(database: database, sequence: of.sequence + more, run: of.run)
            let mark = ProducerMark(
                producer: of.producer, epoch: 9, sequence: of.sequence + more, position: position.bytes)
            try admin.commit(
                KafkaMark.offsets(mark, progress: .init(topic: ingest, offsets: [1])), group: group)
        }
        switch mark {
        case .none: try store.deleteGroup(group)
        case .stale: try commit(identity, before, by: -1)
        case .older: try commit(identity, before)
        case .same: try commit(identity, sent)
        case .newer: try commit(identity, sent, by: 5)
        case .foreign: try commit("0123456789abcdef", sent)
        }
    }

    /// As if what was acknowledged first were not there.
    func withTopics(_ state: OutboxRule.Topics, _ body: () throws -> Void) throws {
        let connection = database.connection
        let change = state == .shorter ? "next_offset = next_offset + %d" : "seal = seal + %d"
        try connection.execute("UPDATE sent_messages SET " + String(format: change, 100))
        try body()
        try connection.execute("UPDATE sent_messages SET " + String(format: change, -100))
    }
}
