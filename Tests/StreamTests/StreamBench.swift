import Basics
import Database
import Foundation
import Problems
import SQLite
import Stream
import Testing
import Topics
import Time
import Trips

/// A tenant's two databases in a folder of their own: trips go in, streams run without processes and clocks, results come out.
final class StreamBench {
    static let zone = try! ZoneClock(identifier: "America/Chicago")
    static let ingest = "chicago_ingestData"
    private let folder: String
    let store: FaultyTopicStore
    private(set) var runs = 0

    init(partitions: Int = 1) throws {
        // In memory where that is possible: what is tested is not the disk.
        let base = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
        folder = "\(base)/taxi-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        store = FaultyTopicStore(try EmbeddedTopicStore(path: "\(folder)/topics.db"))
        try store.createTopic(Self.ingest, partitions: partitions, retentionMs: nil)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func path(_ name: String) -> String { "\(folder)/\(name)" }
    func database() throws -> ResultsDatabase { try ResultsDatabase(path: path("results.db"), durability: .normal) }

    // MARK: input

    /// Appends trips in batches; of several partitions each trip goes to the one that `partition` names.
    func fill(
        _ trips: [SimpleTrip], batch size: Int = 500, json: Bool = false, partition: (SimpleTrip) -> Int = { _ in 0 }
    ) throws {
        let writer = try store.makeWriter()
        var pending: [Int: [SimpleTrip]] = [:]
        var batches: [PendingBatch] = []
        func flush(_ partition: Int) {
            guard let trips = pending.removeValue(forKey: partition) else { return }
            batches.append(json ? Self.records(trips, partition) : Self.columns(trips, partition))
        }
        for trip in trips {
            let target = partition(trip)
            pending[target, default: []].append(trip)
            if pending[target, default: []].count == size { flush(target) }
        }
        for partition in pending.keys.sorted() { flush(partition) }
        try writer.append(batches, mark: nil)
    }

    private static func times(_ trips: [SimpleTrip]) -> ClosedRange<EventTime> {
        let times = trips.map(\.time)
        return (times.min() ?? 0)...(times.max() ?? 0)
    }

    private static func columns(_ trips: [SimpleTrip], _ partition: Int) -> PendingBatch {
        var encoder = TripColumnsEncoder()
        return PendingBatch(
            topic: ingest, partition: partition, count: trips.count, times: times(trips), encoding: .trips,
            payload: encoder.encode(trips.batch()))
    }

    private static func records(_ trips: [SimpleTrip], _ partition: Int) -> PendingBatch {
        PendingBatch(
            topic: ingest, partition: partition,
            records: zip(trips, json(trips)).map { TopicRecord(key: nil, value: $1, timestamp: $0.time) })!
    }

    static func json(_ trips: [SimpleTrip]) -> [[UInt8]] {
        var out = OutputBuffer()
        var ends: [Int] = []
        TripJSON.encode(trips.batch(), rows: 0..<trips.count, into: &out, recordOffsets: &ends)
        let bytes = Array(out.bytes)
        return trips.indices.map { Array(bytes[ends[$0]..<ends[$0 + 1]]) }
    }

    /// Appends records as they are.
    func append(_ values: [String], partition: Int = 0) throws {
        let records = values.map { TopicRecord(key: nil, value: Array($0.utf8), timestamp: 0) }
        try store.makeWriter().append(
            [PendingBatch(topic: Self.ingest, partition: partition, records: records)!], mark: nil)
    }

    // MARK: running

    static func options() -> StreamOptions {
        var options = StreamOptions(tenant: "chicago", zone: zone)
        options.untilEnd = true
        // Only records end epochs, so that nothing depends on how fast the machine is.
        options.epochMs = 3_600_000
        options.idleTimeoutMs = 3_600_000
        return options
    }

    func runner(
        _ plans: [QueryPlan], _ options: StreamOptions = options(), source: StreamRunner.Source = .topic(ingest)
    ) throws -> StreamRunner {
        runs += 1
        return StreamRunner(
            plans: plans, options: options, database: try database(), store: store, source: source, runID: "run \(runs)"
        )
    }

    @discardableResult
    func run(
        _ plans: [QueryPlan], _ options: StreamOptions = options(), source: StreamRunner.Source = .topic(ingest)
    ) throws -> StreamSummary {
        try runner(plans, options, source: source).run()
    }

    /// Runs to the end in pieces: each run is stopped when it has asked `pieces` times whether it should go on.
    func runInPieces(_ plans: [QueryPlan], _ options: StreamOptions, seed: UInt64) throws {
        var numbers = SplitMix64(seed: seed)
        var wasStopped = true
        while wasStopped {
            let runner = try runner(plans, options)
            wasStopped = try runner.run(stoppingAt: Int.random(in: 2...12, using: &numbers)).wasStopped
        }
    }

    /// Runs to the end though the process dies around every few appends: the epoch is stored, its messages are sent or not.
    ///
    /// - Parameter appends: how many there are until it dies.
    /// - Returns: how often it died.
    func runCrashing(
        _ plans: [QueryPlan], _ options: StreamOptions, beforeSending: Bool, appends: ClosedRange<Int>, seed: UInt64
    ) throws -> Int {
        var numbers = SplitMix64(seed: seed)
        var crashes = 0
        defer { (store.beforeAppend, store.afterAppend) = (nil, nil) }
        while true {
            var left = Int.random(in: appends, using: &numbers)
            let fault: ([PendingBatch]) throws -> Void = { _ in
                left -= 1
                if left == 0 { throw FaultyTopicStore.Crash() }
            }
            if beforeSending { store.beforeAppend = fault } else { store.afterAppend = fault }
            do {
                try run(plans, options)
                return crashes
            } catch is FaultyTopicStore.Crash { crashes += 1 }
        }
    }

    // MARK: output

    /// The rows of a view, by column.
    func rows(of view: String) throws -> [[String: SlowValue]] {
        try database().connection.rows("SELECT * FROM \(view)") { row throws(SQLiteError) in
            var cells: [String: SlowValue] = [:]
            for column in 0..<row.columnCount {
                cells[row.columnName(column)] =
                    switch row.value(column) {
                    case .integer(let value): .number(Double(value))
                    case .real(let value): .number(value)
                    case .null: .null
                    default: .text(row.withBytes(column) { String(decoding: $0, as: UTF8.self) })
                    }
            }
            return cells
        }
    }

    /// The messages of a topic as text, in their order.
    func messages(of topic: String) throws -> [String] {
        try batches(of: topic).flatMap { batch in
            let columns = try batch.payload.withUnsafeBytes { try ResultColumns(decoding: $0) }
            return (0..<columns.count).map { row in
                var out = OutputBuffer()
                columns.appendJSON(row: row, to: &out)
                return String(decoding: out.bytes, as: UTF8.self)
            }
        }
    }

    func messages(of plan: QueryPlan) throws -> [String] { try messages(of: "chicago_\(plan.topicSuffix)") }

    func records(of topic: String) throws -> [TopicRecord] {
        try batches(of: topic).flatMap { try RecordBatch.decode($0.payload) }
    }

    private func batches(of topic: String) throws -> [StoredBatch] {
        let reader = try store.makeReader(topic: topic)
        var batches: [StoredBatch] = []
        try reader.forEachBatch(of: 0, in: reader.offsets()[0]) { batch in
            batches.append(batch)
            return true
        }
        return batches
    }

    /// Sum over all runs of a ledger counter, or of all counters that are this and a reason.
    func counted(_ query: String, _ counter: String) throws -> Int {
        let sum = try database().connection.value(
            "SELECT total(value) FROM ledger WHERE query = ?1 AND (?2 IN ('', counter) OR counter LIKE ?2 || ':%')",
            .text(query), .text(counter))
        return Int(sum?.real ?? 0)
    }
}

/// One message as the cells of its row.
func cells(ofMessage message: String) throws -> [String: SlowValue] {
    let object = try #require(try JSONSerialization.jsonObject(with: Data(message.utf8)) as? [String: Any])
    var cells: [String: SlowValue] = [:]
    for (name, value) in object {
        if let window = value as? [String: String] {
            cells["window_start"] = window["start"].map(SlowValue.text)
            cells["window_end"] = window["end"].map(SlowValue.text)
        } else if let text = value as? String {
            cells[name] = .text(text)
        } else {
            cells[name == "fare_bucket" ? "bucket" : name] = .number((value as? NSNumber)?.doubleValue ?? .nan)
        }
    }
    return cells
}

/// Compares rows cell by cell over the columns of the expected ones, whatever the order; the first differences as text.
func differences(_ found: [[String: SlowValue]], _ expected: [[String: SlowValue]], key: [String]) -> [String] {
    func id(_ row: [String: SlowValue]) -> String { key.map { row[$0]?.description ?? "null" }.joined(separator: "|") }
    var left = Dictionary(grouping: found, by: id)
    var differences: [String] = []
    for row in expected {
        guard var matches = left[id(row)], let match = matches.popLast() else {
            differences.append("missing \(id(row))")
            continue
        }
        left[id(row)] = matches.isEmpty ? nil : matches
        for (name, value) in row where !value.agrees(with: match[name] ?? .null) {
            differences.append("\(id(row)): \(name) is \(match[name] ?? .null), not \(value)")
        }
    }
    differences += left.keys.map { "too many \($0)" }
    return Array(differences.prefix(5))
}

/// Topics whose writers can be made to fail, or to let something else happen, around an append.
final class FaultyTopicStore: TopicStore, @unchecked Sendable {
    // `@unchecked`: set before a run, used by its one committing thread.
    struct Crash: Error {}
    private let store: any TopicStore
    /// Called with the batches before each append under a producer's name.
    var beforeAppend: (([PendingBatch]) throws -> Void)?
    var afterAppend: (([PendingBatch]) throws -> Void)?

    init(_ store: any TopicStore) { self.store = store }

    var keepsColumns: Bool { store.keepsColumns }
    var keepsMarksForFree: Bool { store.keepsMarksForFree }
    var identity: String { store.identity }
    func createTopic(_ name: String, partitions: Int, replication: Int?, retentionMs: Int64?) throws {
        try store.createTopic(name, partitions: partitions, replication: replication, retentionMs: retentionMs)
    }
    func topicNames() throws -> [String] { try store.topicNames() }
    func partitionCount(of topic: String) throws -> Int? { try store.partitionCount(of: topic) }
    func deleteTopic(_ name: String) throws { try store.deleteTopic(name) }
    func topics() throws -> [TopicDescription] { try store.topics() }
    func describe(_ topic: String) throws -> TopicDescription { try store.describe(topic) }
    func makeReader(topic: String) throws -> any TopicReader { try store.makeReader(topic: topic) }
    func makeReader(topic: String, untilEnd: Bool) throws -> any TopicReader {
        try store.makeReader(topic: topic, untilEnd: untilEnd)
    }
    func makeWriter() throws -> any TopicWriter { Writer(self, try store.makeWriter()) }
    func marks(ofProducers prefix: String, known: Set<String>) throws -> [ProducerMark] {
        try store.marks(ofProducers: prefix, known: known)
    }

    private final class Writer: TopicWriter {
        private let store: FaultyTopicStore
        private let writer: any TopicWriter
        init(_ store: FaultyTopicStore, _ writer: any TopicWriter) { (self.store, self.writer) = (store, writer) }

        func lastMark(of producer: String) throws -> ProducerMark? { try writer.lastMark(of: producer) }
        func takeOver(producer: String) throws -> (epoch: Int64, last: ProducerMark?) {
            try writer.takeOver(producer: producer)
        }
        func append(_ batches: [PendingBatch], mark: ProducerMark?) throws -> Bool {
            if mark != nil { try store.beforeAppend?(batches) }
            let isNew = try writer.append(batches, mark: mark)
            if mark != nil { try store.afterAppend?(batches) }
            return isNew
        }
        var appendedEnds: [AppendedEnd] { writer.appendedEnds }
    }
}

extension StreamRunner {
    /// Runs until it asks for the `looks`th time whether to stop, or to its end.
    @discardableResult
    func run(stoppingAt looks: Int) throws -> (summary: StreamSummary, wasStopped: Bool) {
        var left = looks
        var wasStopped = false
        shouldStop = {
            left -= 1
            wasStopped = left <= 0
            return wasStopped
        }
        return (try run(), wasStopped)
    }
}
