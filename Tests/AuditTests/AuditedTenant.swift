import Basics
import Batch
import Database
import Foundation
import Problems
import SQLite
import Stream
import Topics
import Time
import Trips

@testable import Audit

/// The times of these tests count from here, the beginning of an hour.
let origin: EventTime = 1_700_000_000_000 / 3_600_000 * 3_600_000

/// A tenant in a folder of its own: a topic to fill, queries to run over it, and an audit of what came out; removed with it.
final class AuditedTenant {
    let path: String
    let database: ResultsDatabase
    let store: EmbeddedTopicStore
    let zone: ZoneClock
    private let log: RunLog
    static let topic = "chicago_ingestData"
    /// Runs are told apart by when they began.
    private var now: EventTime = 1000

    init(partitions: Int = 1) throws {
        path = FileManager.default.temporaryDirectory.path + "/taxi-audit-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        database = try ResultsDatabase(path: path + "/results.db", durability: .normal)
        store = try EmbeddedTopicStore(path: path + "/topics.db", now: { 77 })
        zone = try ZoneClock(identifier: "America/Chicago")
        log = RunLog(database)
        try store.createTopic(Self.topic, partitions: partitions)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Appends records of these trips to the partitions in turn, in batches of `size`.
    func produce(_ trips: [Trip], partitions: Int = 1, batches size: Int = 50) throws {
        let writer = try store.makeWriter()
        for (index, start) in stride(from: 0, to: trips.count, by: size).enumerated() {
            let records = trips[start..<min(start + size, trips.count)].map {
                TopicRecord(key: nil, value: Array($0.json.utf8), timestamp: $0.time)
            }
            if let batch = PendingBatch(topic: Self.topic, partition: index % partitions, records: records) {
                try writer.append([batch], mark: nil)
            }
        }
    }

    /// Appends records as they are.
    func produce(values: [String], partition: Int = 0) throws {
        let records = values.map { TopicRecord(key: nil, value: Array($0.utf8), timestamp: origin) }
        guard let batch = PendingBatch(topic: Self.topic, partition: partition, records: records) else { return }
        try store.makeWriter().append([batch], mark: nil)
    }

    /// Runs queries over what is there; `epochs` ends the run after so many, with its windows open.
    func stream(_ plans: [QueryPlan], epochs: Int? = nil, _ change: (inout StreamOptions) -> Void = { _ in }) throws {
        now += 1
        let id = try log.begin("stream", at: now)
        var options = StreamOptions(tenant: "chicago", zone: zone)
        (options.untilEnd, options.epochRecords) = (true, 200)
        change(&options)
        let runner = StreamRunner(
            plans: plans, options: options, database: database, store: store, source: .topic(Self.topic), runID: id)
        var rounds = 0
        runner.shouldStop = {
            rounds += 1
            // Asked before and after an epoch is read.
            return epochs.map { rounds > $0 * 2 } ?? false
        }
        let summary = try runner.run()
        try log.end(id, epochs == nil ? .success : .interrupted, summary: summary.json(zone: zone), at: now)
    }

    /// Notes that a run begins, after all others.
    func begin(_ command: String) throws -> String {
        now += 1
        return try log.begin(command, at: now)
    }

    func end(_ id: String) throws { try log.end(id, .success, summary: "{}", at: now) }
    func end(_ id: String, _ outcome: RunRecord.Outcome, summary: String?) throws {
        try log.end(id, outcome, summary: summary, at: now)
    }

    /// Computes the analytics of all periods.
    func batch(_ declared: [DeclaredAnalysis] = [], vintage: String? = nil) throws {
        now += 1
        var options = BatchOptions()
        (options.declared, options.vintage, options.nowMs) = (declared, vintage, now)
        let given = options
        _ = try BatchRunner.recorded(in: database, now: { now }) {
            try BatchRunner(database, zone: zone).run(periods: .all, options: given)
        }
    }

    func audit(
        _ plans: [QueryPlan], from time: EventTime? = nil, _ change: (inout AuditOptions) -> Void = { _ in }
    ) throws -> AuditReport {
        var options = AuditOptions(tenant: "chicago", zone: zone)
        change(&options)
        return try Auditor(
            plans: plans, options: options, database: ResultsDatabase.openReadOnly(path: path + "/results.db"),
            store: store, source: .topic(Self.topic, from: time)
        ).run()
    }

    func execute(_ sql: String) throws { try database.connection.execute(sql) }

    func number(_ sql: String) throws -> Int64 { try database.connection.value(sql)?.integer ?? 0 }
}

/// A trip as a record of the topic tells it.
struct Trip {
    var time: EventTime
    var area: Int?
    var location: String?
    var company: String?
    var fare: String?
    var tips: String?
    var miles: String?
    var taxi: String?

    var json: String {
        let parts = [
            area.map { "\"pickup_community_area\":\($0)" }, location.map { "\"pickup_centroid_location\":\"\($0)\"" },
            company.map { "\"company\":\"\($0)\"" }, fare.map { "\"fare\":\($0)" }, tips.map { "\"tips\":\($0)" },
            miles.map { "\"trip_miles\":\($0)" }, taxi.map { "\"taxi_id\":\"\($0)\"" },
            "\"event_timestamp\":\"\(RFC3339.string(time))\"",
        ]
        return "{" + parts.compactMap { $0 }.joined(separator: ",") + "}"
    }

    /// `count` trips over `spanMs` in the order of their time, but each up to `lateMs` too late.
    static func random(
        _ count: Int, from start: EventTime = origin, spanMs: Int64 = 3_600_000, lateMs: Int64 = 0, seed: UInt64
    ) -> [Trip] {
        var numbers = SplitMix64(seed: seed)
        func maybe<Value>(_ value: Value) -> Value? { Int.random(in: 0..<8, using: &numbers) == 0 ? nil : value }
        func amount() -> String {
            "\(Int.random(in: -3...80, using: &numbers)).\(Int.random(in: 10...99, using: &numbers))"
        }
        let trips = (0..<count).map { _ in
            let place = Int.random(in: 0..<30, using: &numbers)
            let trip = Trip(
                time: start + Int64.random(in: 0..<spanMs, using: &numbers),
                area: maybe(Int.random(in: 1...20, using: &numbers)), location: maybe("POINT (-87.\(place) 41.9)"),
                company: maybe(["Flash Cab", "Sun, \\\"Moon\\\" & Co", "Zürich Täxi"][place % 3]),
                fare: maybe(amount()), tips: maybe(amount()), miles: maybe("\(place).\(place % 10)"),
                taxi: place % 11 == 0 ? nil : "taxi \(place % 7)")
            return (trip: trip, place: trip.time + (lateMs > 0 ? Int64.random(in: 0..<lateMs, using: &numbers) : 0))
        }
        return trips.sorted { $0.place < $1.place }.map(\.trip)
    }
}

/// The default queries and some that use all the rest of the language.
func allQueries() throws -> [QueryPlan] {
    try QueryCatalog.load()
        + QueryCatalog.parse(
            """
            queries:
              - name: cashByCompany
                where: (fare >= 5.00 or tips is null) and not company in ('Flash Cab')
                group: [company]
                window: {sliding: 10m, every: 2m}
                aggregates: {trips: count(), dearest: max(fare), least: min(tips), miles: avg(trip_miles), p90: quantile(fare, 0.9), uneven: stddev(trip_miles), places: distinct(pickup_centroid_location)}
                emit: append
              - name: hours
                group: [hour_of_week, company]
                window: none
                aggregates: {fares: sum(fare), known: count(tips), p50: quantile(tips, 0.5), spread: stddev(fare), areas: distinct(pickup_community_area), lengths: distinct(trip_miles)}
                emit: complete
              - name: evenings
                where: (hour between 15 and 16 or hour_of_week in (1, 2)) and day >= '2023-01-01' and trip_miles < 20.5 and company is not null and not (fare > 70.00)
                group: [day]
                window: none
                aggregates: {tips: sum(tips), trips: count()}
                emit: complete
              - name: days
                window: {tumbling: day}
                aggregates: {companies: distinct(company), spread: stddev(tips), trips: count(), p10: quantile(fare, 0.1)}
                emit: update
              - name: places
                group: [pickup_community_area, company]
                window: {tumbling: 7m}
                aggregates: {tips: avg(tips)}
                emit: append
            """, file: "test.yaml")
}
