import Database
import Foundation
import Problems
import SQLite
import ServerSupport
import Synchronization
import Topics

@testable import ML

/// A tenant with rows to ask about, a server with a model, and the model's declaration.
final class Stage: Sendable {
    let path: String
    let database: ResultsDatabase
    /// The model's name, which the server knows it by too.
    let model = "m" + UUID().uuidString.replacing("-", with: "").prefix(12)
    private let counted = Mutex<[String: Int]>([:])
    let store: EmbeddedTopicStore

    init(rows: Int = 25) throws {
        path = FileManager.default.temporaryDirectory.path + "/taxi-ml-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        database = try ResultsDatabase(path: path + "/results.db")
        store = try EmbeddedTopicStore(path: path + "/topics.db")
        try database.connection.execute(
            """
            CREATE TABLE points (id INTEGER PRIMARY KEY, x INTEGER);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(rows)) INSERT INTO points SELECT i, 10 * i FROM n;
            """)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Counts of requests by outcome.
    var outcomes: [String: Int] { counted.withLock { $0 } }

    /// - Parameters:
    ///   - mood: of the server: see `web.py`.
    ///   - more: lines of the declaration, over what stands here.
    func spec(_ mood: String = "fine/0", _ more: String = "") throws -> ModelSpec {
        let text = """
            models:
              - name: \(model)
                source: {view: points}
                key: id
                batch: 10
                endpoint: \(try TestServer.web().url)/ml/\(mood)/\(model)
                retries: {count: 10, backoff: 1ms, max: 4ms}
                schema: {y: real}
                to: {table: doubled}
            \(more)
            """
        try text.write(toFile: path + "/ml.yaml", atomically: true, encoding: .utf8)
        return try ModelCatalog.load(path: path + "/ml.yaml", zone: "America/Chicago")[0]
    }

    func run(_ spec: ModelSpec) -> ModelRun {
        let store = store
        var surroundings = ModelSurroundings(
            tenant: "chicago", environment: ["ML_TOKEN": "hushhush"], now: { systemTime() }, openTopics: { store })
        surroundings.count = { [self] _, outcome in counted.withLock { $0[outcome, default: 0] += 1 } }
        return ModelRun(spec, database, surroundings)
    }

    func pass(_ spec: ModelSpec) throws -> PassSummary { try run(spec).pass() }

    /// `id y` of each answer.
    func answers() throws -> [String] {
        try database.connection.rows("SELECT id, y FROM doubled ORDER BY id") { row throws(SQLiteError) in
            "\(row.integer(0)) \(row.integer(1))"
        }
    }

    /// What each row should have been answered, up to `count`.
    static func right(_ count: Int, besides: Set<Int> = []) -> [String] {
        (1...count).filter { !besides.contains($0) }.map { "\($0) \(20 * $0)" }
    }

    /// The values of the topic's records.
    func messages() throws -> [String] {
        guard try store.hasTopic("chicago_mlResults") else { return [] }
        let reader = try store.makeReader(topic: "chicago_mlResults")
        let records = BatchRecords()
        var values: [String] = []
        var offset: Int64 = 0
        while let batch = try reader.read(partition: 0, from: offset) {
            try records.load(batch)
            for index in 0..<records.count {
                values.append(records.withValue(index) { $0.map { String(decoding: $0, as: UTF8.self) } ?? "" })
            }
            offset = batch.baseOffset + Int64(batch.count)
        }
        return values
    }

    /// How often each idempotency key came to the server.
    func keys() throws -> [String: Int] {
        let text = try TestServer.web().ask("GET", "/ml-seen/\(model)")
        return try JSONDecoder().decode([String: Int].self, from: Data(text.utf8))
    }

    func states() throws -> [String] {
        try database.connection.rows("SELECT state FROM ml_batches ORDER BY batch") { row throws(SQLiteError) in
            row.text(0)
        }
    }
}
