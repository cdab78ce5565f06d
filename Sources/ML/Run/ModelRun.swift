internal import Basics
import Time
public import Database
internal import Foundation
internal import HTTP
internal import Problems
internal import SQLite
internal import Topics
internal import Workflow

/// Asks one model about the rows that are new or changed, and keeps its answers: each row once, however often it is run or killed.
///
/// A pass reads the source once and lets it go (`Spool`). Then, batch by batch: one transaction of `results.db` stores the answers of the oldest
/// batch that is under way, its messages for the topic, and that the next batch will be sent; after it that one is sent. So what is in doubt after
/// a kill are the batches that were under way, one unless `concurrency` says more, and they are sent again as they were, under their
/// idempotency key. Used by one thread at a time.
public final class ModelRun {
    public let spec: ModelSpec
    private let database: ResultsDatabase
    private let store: ModelStore
    private let surroundings: ModelSurroundings
    private var connection: Connection { database.connection }
    private var topic: AnswerTopic?

    /// Told of each batch that is settled.
    public var onProgress: (PassSummary) -> Void = { _ in }

    public init(_ spec: ModelSpec, _ database: ResultsDatabase, _ surroundings: ModelSurroundings) {
        (self.spec, self.database, self.surroundings) = (spec, database, surroundings)
        store = ModelStore(database.connection)
    }

    /// - Parameter isStopped: asked often; what is under way then stays in doubt and is sent again by the next pass.
    /// - Throws: `.configuration` for a source or secret that cannot be used, `.badData` for rows that have one key, and what the stores throw. A
    ///   service that fails is none of these: see `PassSummary.away`.
    public func pass(_ isStopped: @escaping @Sendable () -> Bool = { false }) throws -> PassSummary {
        let began = ContinuousClock.now
        var summary = PassSummary()
        let spool = try Spool()
        // Before anything is written: secrets that are not there, SQL that is none.
        let headers = try spec.service?.headers.fill(surroundings.environment)
        let isRead = try interruptible(isStopped) { try fill(spool, isStopped) }
        guard isRead else {
            summary.wasStopped = true
            return summary
        }
        (summary.read, summary.pending) = (spool.read, spool.count)
        (summary.unusable, summary.unusableReason) = (
            spool.unusable.count, spool.unusable.count > 0 ? spool.unusable.reason : nil
        )
        try settle(spool, headers, &summary, isStopped)
        if let compare = spec.compare, try ModelStore.isThere(connection), !isStopped() {
            _ = try interruptible(isStopped) {
                try ModelErrors(spec: spec, compare: compare, connection: connection).update()
            }
        }
        let elapsed = (ContinuousClock.now - began).components
        summary.seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18
        return summary
    }

    /// Does what may take long in the database, to its end or until it has to stop.
    ///
    /// - Returns: false where it was stopped.
    private func interruptible(_ isStopped: @escaping @Sendable () -> Bool, _ body: () throws -> Void) throws -> Bool {
        let interruption = StepInterruption(isStopped: isStopped)
        interruption.watch(connection)
        defer { interruption.end() }
        do { try body() } catch {
            // What was interrupted says so in many ways.
            if isStopped() { return false }
            throw error
        }
        return !isStopped()
    }

    /// The batches that an earlier pass has left in doubt.
    private func leftBatches() throws -> [IntendedBatch] {
        guard try ModelStore.isThere(connection) else { return [] }
        return try store.inDoubt(spec.name)
    }

    // MARK: the source

    /// What the source is as SQL; nil for a topic.
    private var sql: String? {
        switch spec.source {
        case .view(let name): "SELECT * FROM \(SQLText.name(name))"
        case .sql(let text): text
        case .topic: nil
        }
    }

    private func fill(_ spool: Spool, limit: Int? = nil, _ isStopped: () -> Bool) throws {
        if let sql { return try spool.fill(spec, sql: sql, connection, limit: limit, isStopped: isStopped) }
        guard case .topic(let name) = spec.source else { return }
        let topics = try surroundings.openTopics()
        let full = try topics.fullName(of: name, tenant: surroundings.tenant)
        let known =
            try ModelStore.isThere(connection)
            ? connection.text("SELECT offsets FROM stored_ml_models WHERE model = ?", .text(spec.name)) : nil
        try spool.fill(
            spec, try topics.makeReader(topic: full, untilEnd: true), from: known, connection, isStopped: isStopped)
    }

    // MARK: batches

    private func settle(
        _ spool: Spool, _ headers: SecretHeaders.Filled?, _ summary: inout PassSummary,
        _ isStopped: @escaping @Sendable () -> Bool
    ) throws {
        var left = try leftBatches()[...]
        let hasTables = try ModelStore.isThere(connection)
        let isIdle = spool.count == 0 && left.isEmpty && hasTables && spool.offsets == nil
        if isIdle, try !AnswerTopic.hasLeft(connection, spec.name) { return }
        try explaining("preparing the tables of models") {
            try connection.transaction {
                try store.create()
                try store.begin(spec.name)
                try store.declareView(spec)
            }
        }
        if let name = spec.topic {
            topic = try topic ?? AnswerTopic(spec, name, connection, surroundings)
            try topic?.send()
        }
        // What was left may be among the rows that were read: it is sent as it was, and not a second time.
        var known: Set<Row> = []
        for batch in left { for index in 0..<batch.rows.count { known.insert(Row(batch.rows, index)) } }
        if let service = spec.service, let headers {
            try ask(service, headers, spool, &left, known, &summary, isStopped)
        } else {
            try keep(spool, &summary, isStopped)
        }
        let isDone = summary.away == nil && !summary.wasStopped
        try connection.transaction {
            try topic?.clear()
            // While a row of failures goes on its batches may have to be sent again, and so read again.
            let offsets = try isDone && circuitState().failures == 0 ? spool.offsets : nil
            try store.passed(spec.name, offsets: offsets, now: surroundings.now())
        }
    }

    private struct Row: Hashable {
        var key: [UInt8]
        var digest: Int64
        init(_ rows: BatchRows, _ index: Int) { (key, digest) = (Array(rows.key(index)), rows.digest(index)) }
    }

    private func ask(
        _ service: ModelService, _ headers: SecretHeaders.Filled, _ spool: Spool,
        _ left: inout ArraySlice<IntendedBatch>,
        _ known: Set<Row>, _ summary: inout PassSummary, _ isStopped: @escaping @Sendable () -> Bool
    ) throws {
        let circuit = Circuit(service.circuit, try circuitState())
        circuit.halfOpen()
        let call = ServiceCall(spec, service, headers, circuit, surroundings)
        let writer = RequestWriter(spec, service)
        let lanes = Lanes(service.concurrency, call, isStopped: isStopped)
        defer { lanes.end() }
        var underWay: [IntendedBatch] = []
        var settled: (batch: IntendedBatch, outcome: Outcome)?
        var hasMore = true
        var noted = circuit.current
        while true {
            // A service that failed is asked once before it gets more.
            let room = circuit.isOpen || isStopped() ? 0 : circuit.isProbing ? 1 : service.concurrency
            var next: [IntendedBatch] = []
            var fresh: [(rows: BatchRows, key: String, request: [UInt8])] = []
            while underWay.count + next.count + fresh.count < room {
                if let batch = left.popFirst() {
                    next.append(batch)
                } else if hasMore, let batch = try take(spool, known, writer) {
                    fresh.append(batch)
                } else {
                    hasMore = false
                    break
                }
            }
            let state = circuit.current
            if settled != nil || !fresh.isEmpty || state != noted {
                let now = surroundings.now()
                try connection.transaction {
                    try topic?.clear()
                    if let settled { try commit(settled.batch, settled.outcome, now, &summary) }
                    for batch in fresh {
                        let number = try store.intend(
                            batch.rows, key: batch.key, request: batch.request, model: spec.name, now: now)
                        next.append(.init(number: number, key: batch.key, rows: batch.rows, request: batch.request))
                    }
                    if state != noted { try note(state, after: noted, now, &summary) }
                }
                noted = state
            }
            for batch in next { lanes.give(batch) }
            underWay += next
            if settled != nil {
                try topic?.send()
                onProgress(summary)
            }
            settled = nil
            guard let head = underWay.first else { break }
            let outcome = lanes.outcome(of: head.number)
            underWay.removeFirst()
            summary.requests += outcome.attempts
            switch outcome {
            case .answered, .faulty: settled = (head, outcome)
            case .away(let reason, _): summary.away = reason
            case .stopped: summary.wasStopped = true
            }
            if summary.away != nil || summary.wasStopped {
                // Later answers would be out of their order: they are asked for again.
                let state = circuit.current
                if state != noted {
                    try connection.transaction { try note(state, after: noted, surroundings.now(), &summary) }
                }
                return
            }
        }
        if isStopped(), hasMore || !left.isEmpty { summary.wasStopped = true }
        if circuit.isOpen, summary.away == nil { summary.away = circuit.current.reason }
    }

    /// Writes down how the service is. Inside a transaction.
    private func note(
        _ state: CircuitState, after noted: CircuitState, _ now: EventTime, _ summary: inout PassSummary
    ) throws {
        try store.noteService(spec.name, state, now: now)
        guard state.openUntil != nil, noted.openUntil == nil else { return }
        summary.setAside = max(0, summary.setAside - (try store.takeBackLatest(spec.name)))
        if summary.setAside == 0 { summary.setAsideReason = nil }
    }

    /// The next rows that are not under way as part of an earlier batch; nil where there are none.
    private func take(
        _ spool: Spool, _ known: Set<Row>, _ writer: RequestWriter
    ) throws -> (rows: BatchRows, key: String, request: [UInt8])? {
        while true {
            var (rows, bodies) = try spool.take(spec.batch)
            if bodies.isEmpty { return nil }
            if !known.isEmpty {
                var kept: (rows: BatchRows, bodies: [[UInt8]]) = (BatchRows(), [])
                for (index, body) in bodies.enumerated() where !known.contains(Row(rows, index)) {
                    rows.key(index).withUnsafeBytes { kept.rows.append($0, digest: rows.digest(index)) }
                    kept.bodies.append(body)
                }
                (rows, bodies) = kept
                if bodies.isEmpty { continue }
            }
            let key = Self.idempotencyKey(spec.name, rows, bodies)
            return (rows, key, writer.body(of: bodies, id: key))
        }
    }

    /// A hash of the model, the first and the last key, and all contents; the same for the same batch.
    static func idempotencyKey(_ model: String, _ rows: BatchRows, _ bodies: [[UInt8]]) -> String {
        var hash = SHA256()
        for text in [model, rows.first, rows.last] {
            Array(text.utf8).withUnsafeBytes { hash.add($0) }
            [0].withUnsafeBytes { hash.add($0) }
        }
        rows.encoded.withUnsafeBytes { hash.add($0) }
        return String(hash.hex().prefix(32))
    }

    private func commit(
        _ batch: IntendedBatch, _ outcome: Outcome, _ now: EventTime, _ summary: inout PassSummary
    ) throws {
        switch outcome {
        case .answered(let answers, let attempts):
            var builder = RecordBatchBuilder()
            let head = Array("{\"model\":\(jsonString(spec.name)),".utf8)
            let prefix = Array("\(spec.name)/".utf8)
            var (messageKey, value): ([UInt8], [UInt8]) = ([], [])
            try store.store(answers, of: batch, spec, attempts: attempts, now: now) { key, result in
                guard topic != nil else { return }
                messageKey.removeAll(keepingCapacity: true)
                messageKey += prefix
                messageKey += key
                value.removeAll(keepingCapacity: true)
                value += head
                value += result.dropFirst()
                messageKey.withUnsafeBytes { key in
                    value.withUnsafeBytes { builder.append(key: key, value: $0, timestamp: now) }
                }
            }
            try topic?.put(&builder, of: batch.number, at: now)
            summary.answered += batch.rows.count
            summary.batches += 1
        case .faulty(let reason, let attempts):
            try store.setAside(batch, model: spec.name, attempts: attempts, reason: reason, now: now)
            summary.setAside += batch.rows.count
            summary.setAsideReason = reason
            summary.batches += 1
        case .away, .stopped: break
        }
    }

    /// Keeps what the source itself says as answers.
    private func keep(_ spool: Spool, _ summary: inout PassSummary, _ isStopped: () -> Bool) throws {
        while !isStopped() {
            let (rows, bodies) = try spool.take(max(spec.batch, 1000))
            if bodies.isEmpty { return }
            var answers = Answers()
            for body in bodies {
                answers.append(body)
                answers.endRow()
            }
            let now = surroundings.now()
            let key = Self.idempotencyKey(spec.name, rows, bodies)
            try connection.transaction {
                try topic?.clear()
                let number = try store.intend(rows, key: key, request: [], model: spec.name, now: now)
                let batch = IntendedBatch(number: number, key: key, rows: rows, request: [])
                try commit(batch, .answered(answers, attempts: 0), now, &summary)
            }
            try topic?.send()
            onProgress(summary)
        }
        summary.wasStopped = true
    }

    private func circuitState() throws -> CircuitState {
        let rows = try connection.prepare(
            "SELECT failures, open_until_ms, reason FROM stored_ml_models WHERE model = ?")
        try rows.bind([.text(spec.name)])
        guard try rows.step() else { return CircuitState() }
        return CircuitState(
            failures: Int(try rows.integer(0, in: .counts)), openUntil: try rows.optionalInteger(1, in: .instants),
            reason: try rows.optionalText(2))
    }
}

// MARK: - Trying it

extension ModelRun {
    /// One batch, as it would be sent and as it was answered; nothing is stored.
    public struct Trial: Sendable {
        public var rows: Int
        public var endpoint: String
        /// Names and values, secrets masked.
        public var headers: [(name: String, value: String)]
        public var request: String
        public var status: Int?
        public var answer: String?
        /// What would be stored for each row, as JSON.
        public var results: [String]
        /// Why the answer cannot be used.
        public var fault: String?
        /// Whether the fault is the service's state or address, and not its answer.
        public var isAway = false
        public var unusable: Int
        public var unusableReason: String?
    }

    /// Asks about the first rows of the source, settled or not.
    ///
    /// - Parameter isDry: whether the request is only made, and not sent.
    /// - Throws: as `pass`.
    public func trial(rows limit: Int?, isDry: Bool, _ isStopped: @escaping @Sendable () -> Bool) throws -> Trial {
        let spool = try Spool()
        let headers = try spec.service?.headers.fill(surroundings.environment)
        try spool.fillForTrial { try fill(spool, limit: limit ?? spec.batch, isStopped) }
        let (rows, bodies) = try spool.take(limit ?? spec.batch)
        var trial = Trial(
            rows: rows.count, endpoint: spec.service?.endpoint ?? "", headers: [], request: "", results: [],
            unusable: spool.unusable.count, unusableReason: spool.unusable.count > 0 ? spool.unusable.reason : nil)
        func result(_ index: Int, _ members: some Sequence<UInt8>) -> String {
            String(
                decoding: rows.key(index).dropLast() + [UInt8(ascii: ",")] + Array(members) + [UInt8(ascii: "}")],
                as: UTF8.self)
        }
        guard let service = spec.service, let headers else {
            trial.results = bodies.enumerated().map { result($0, $1) }
            return trial
        }
        guard !bodies.isEmpty else { return trial }
        let key = Self.idempotencyKey(spec.name, rows, bodies)
        let request = RequestWriter(spec, service).body(of: bodies, id: key)
        let batch = IntendedBatch(number: 0, key: key, rows: rows, request: request)
        let call = ServiceCall(spec, service, headers, Circuit(service.circuit), surroundings)
        let http = call.request(batch)
        trial.headers = http.headers.map { (name: $0.name, value: headers.masked($0.value)) }
        trial.request = headers.masked(String(decoding: request, as: UTF8.self))
        if isDry { return trial }
        let response = try http.send(isStopped: isStopped)
        trial.status = response.status
        trial.answer = headers.masked(response.text)
        switch call.attempt(response, batch) {
        case .answered(let answers):
            trial.results = (0..<rows.count).map { headers.masked(result($0, answers[$0])) }
        case .refused(let reason): trial.fault = reason
        case .faulty(let reason): (trial.fault, trial.isAway) = (reason, !response.isSuccess)
        case .away(let reason, _), .misdirected(let reason): (trial.fault, trial.isAway) = (reason, true)
        }
        return trial
    }
}
