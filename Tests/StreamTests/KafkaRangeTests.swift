import Database
import Foundation
import Kafka
import KafkaSupport
import SQLite
import Testing
import Topics
import Trips

@testable import Stream

/// Workers that read their ranges from Kafka: transactions, their ends and the checkpoint's seals, as a stream's own reader has them.
@Suite(.enabled(if: KafkaBroker.isAvailable, "needs ../shared/kafka/kafka.sh and Java 17, or TAXI_TEST_KAFKA"))
struct KafkaRangeTests {
    private final class Tenant {
        let name = "r" + UUID().uuidString.prefix(8).lowercased()
        let folder: String
        let store: KafkaTopicStore
        let database: ResultsDatabase
        private var runs = 0
        var topic: String { "\(name)_ingestData" }

        init() throws {
            folder = FileManager.default.temporaryDirectory.path + "/taxi-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            store = try KafkaTopicStore(KafkaConfiguration(servers: KafkaBroker.sharedServers()), tenant: name)
            database = try ResultsDatabase(path: folder + "/results.db", durability: .normal)
            try store.createTopic(topic, partitions: 2)
        }

        func append(_ arrivals: ArraySlice<SimpleTrip>) throws {
            let arrivals = Array(arrivals)
            // Each append is a transaction, whose end takes an offset.
            for start in stride(from: 0, to: arrivals.count, by: 60) {
                let trips = Array(arrivals[start..<min(start + 60, arrivals.count)])
                let records = zip(trips, StreamBench.json(trips)).map {
                    TopicRecord(key: nil, value: $1, timestamp: $0.time)
                }
                let halves = [records.prefix(records.count / 2), records.suffix(records.count - records.count / 2)]
                let batches = halves.enumerated().compactMap {
                    PendingBatch(topic: topic, partition: $0, records: Array($1))
                }
                try store.makeWriter().append(batches, mark: nil)
            }
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }

        func run(_ plans: [QueryPlan], engine: (any RangeEngine)?) throws -> StreamSummary {
            runs += 1
            var options = StreamOptions(tenant: name, zone: StreamBench.zone)
            (options.untilEnd, options.late) = (true, .update)
            (options.epochRecords, options.rangeRecords) = (100, 70)
            let runner = StreamRunner(
                plans: plans, options: options, database: database, store: store, source: .topic(topic),
                runID: "run \(runs)")
            runner.engine = engine
            return try runner.run()
        }

        func rows(_ plans: [QueryPlan]) throws -> [String] {
            try plans.flatMap { plan in
                try database.connection.rows("SELECT * FROM \(plan.table)") { row throws(SQLiteError) in
                    (0..<row.columnCount).map { "\(row.value($0))" }.joined(separator: "|")
                }.sorted()
            }
        }
    }

    @Test func workersReadWhatAStreamReadsAndTakeTurnsWithIt() throws {
        let plans = try QueryCatalog.load()
        let trips = SimpleTrip.random(600, from: StreamRunnerTests.morning, over: StreamRunnerTests.hour, seed: 8)
        let arrivals = trips.shuffled(within: 5 * 60_000, seed: 9)
        let local = try Tenant()
        try local.append(arrivals[...])
        #expect(try local.run(plans, engine: nil).records == 600)
        let other = try Tenant()
        let servers = try KafkaBroker.sharedServers()
        let name = other.name
        let engine = ThreadsEngine(threads: 2) {
            try KafkaTopicStore(KafkaConfiguration(servers: servers), tenant: name)
        }
        for turn in 0..<3 {
            try other.append(arrivals[turn * 200..<turn * 200 + 200])
            #expect(try other.run(plans, engine: turn == 1 ? nil : engine).records == 200)
        }
        #expect(try other.run(plans, engine: engine).records == 0)
        #expect(try other.rows(plans) == local.rows(plans))
    }
}
