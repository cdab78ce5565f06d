public import Avro
internal import Problems
internal import SchemaRegistry
internal import Trips

/// Tries a schema on the records that a topic has: which of them could a reader with this schema not read?
///
/// A record of Avro is read as the schema of its frame has written it. A trip in JSON, or as columns, is read as if it had been sent as
/// `taxi.Trip`. Others are left out, and counted. Used by one thread.
public final class SchemaTrial {
    public struct Failure: Sendable, Equatable {
        public var partition: Int
        public var offset: Int64
        public var reason: String
    }

    public struct Outcome: Sendable, Equatable {
        /// All that the topic had when the trial began, but what is left out.
        public var records: Int64 = 0
        public var failed: Int64 = 0
        /// The first of those that failed, in the order of partition and offset.
        public var first: [Failure] = []
        /// Records that are neither Avro nor trips, so that nothing can be said of them.
        public var leftOut: Int64 = 0
    }

    private let schema: AvroSchema
    private let reader: any TopicReader
    private let limit: Int
    private var outcome = Outcome()
    /// Of the present batch, as long as more are wanted.
    private var failures: [Failure] = []
    private var writers: [UInt32: Writer] = [:]
    /// Of trips that are no Avro yet.
    private let money: TripMoney
    private lazy var tripWriter = writer(TripAvro.schema(money: money))
    private var trips = TripBatch(capacity: 1 << 14)
    private var columns = TripColumnsDecoder()
    private var values = TripValueReader(fields: .all, schemas: nil)
    private var output = OutputBuffer(capacity: 1 << 20)
    private var offsets: [Int] = []

    private enum Writer {
        case plan(AvroPlan)
        /// Nothing that it wrote can be read.
        case refused(String)
    }

    /// - Parameters:
    ///   - schema: the one to be tried.
    ///   - limit: how many of the records that fail are told.
    public init(_ schema: AvroSchema, on reader: any TopicReader, limit: Int = 10) {
        (self.schema, self.reader, self.limit) = (schema, reader, limit)
        let names = Set(schema.fields.flatMap { [$0.name] + $0.aliases })
        money = names.contains { $0.hasSuffix(TripMoney.centsSuffix) } ? .cents : .decimal
        reader.readValuesOnly()
    }

    /// Reads the topic from its beginning to where it ends now.
    ///
    /// - Parameter progress: told how many records were read, now and then; what it throws ends the trial.
    /// - Throws: `.unavailable` where the registry does not say what a record's schema is; `.badData` for a damaged topic.
    public func run(progress: (Int64) throws -> Void = { _ in }) throws -> Outcome {
        outcome = Outcome()
        for (partition, kept) in try reader.offsets().enumerated() {
            try reader.forEachBatch(of: partition, in: kept) { batch in
                defer { batch.values?.giveBack() }
                try look(at: batch, from: kept.lowerBound, to: kept.upperBound)
                keepFirst()
                try progress(outcome.records)
                return true
            }
        }
        return outcome
    }

    private func look(at batch: StoredBatch, from first: Int64, to end: Int64) throws {
        let skip = Int(max(0, first - batch.baseOffset))
        switch batch.encoding {
        case .results: outcome.leftOut += Int64(batch.count - skip)
        case .trips:
            guard batch.count <= TripColumnsDecoder.maximumTrips else { throw batch.damage }
            if trips.capacity < batch.count { trips = TripBatch(capacity: batch.count) }
            let isWhole = batch.payload.withUnsafeBytes { bytes in
                (try? columns.decode(bytes, fields: .all, into: trips)) != nil
            }
            guard isWhole, trips.count == batch.count else { throw batch.damage }
            try readTrips(skip..<trips.count, batch.partition) { batch.baseOffset + Int64($0) }
        case .records: try readRecords(RecordSlices(batch, skip: skip), batch.partition, before: end)
        }
    }
}

extension SchemaTrial {
    private func readRecords(_ records: RecordSlices, _ partition: Int, before end: Int64) throws {
        let slices = records.slices.prefix { $0.position < end }
        var others: [RecordSlice] = []
        for record in slices {
            let bytes = UnsafeBufferPointer(start: records.base + record.offset, count: record.length)
            guard let frame = ConfluentFrame(bytes) else {
                others.append(record)
                continue
            }
            outcome.records += 1
            if let reason = Self.failure(of: frame.body, try writer(frame.schemaID)) {
                fail(partition, record.position, reason)
            }
        }
        if others.isEmpty { return }
        guard reader.topic.hasSuffix("_ingestData") else {
            outcome.leftOut += Int64(others.count)
            return
        }
        trips.reset()
        if trips.capacity < others.count { trips = TripBatch(capacity: others.count) }
        var rejects: [Reject] = []
        try values.decode(
            others[...], base: records.base, owner: records.owner, name: reader.topic, into: trips, rejects: &rejects)
        outcome.records += Int64(rejects.count)
        for reject in rejects {
            fail(partition, Int64(reject.location.line), "is no trip: \(reject.reason.rawValue): \(reject.detail)")
        }
        try readTrips(0..<trips.count, partition) { trips.positions[$0] }
        trips.reset()
    }

    private func readTrips(_ rows: Range<Int>, _ partition: Int, _ offset: (Int) -> Int64) throws {
        output.removeAll()
        TripAvro.encode(trips, rows: rows, money: money, into: &output, recordOffsets: &offsets)
        outcome.records += Int64(rows.count)
        for (index, row) in rows.enumerated() {
            let body = UnsafeBufferPointer(rebasing: output.bytes[offsets[index]..<offsets[index + 1]])
            if let reason = Self.failure(of: body, tripWriter) { fail(partition, offset(row), reason) }
        }
    }

    /// Why a record cannot be read; nil where it can.
    @inline(__always)
    private static func failure(of body: UnsafeBufferPointer<UInt8>, _ writer: Writer) -> String? {
        switch writer {
        case .refused(let reason): return reason
        case .plan(let plan):
            var (input, sink) = (AvroInput(body), NoVisitor())
            do throws(AvroFault) { try plan.read(&input, into: &sink) } catch { return plan.text(error) }
            return input.isAtEnd ? nil : "byte \(input.offset): more follows the record"
        }
    }

    private func writer(_ id: UInt32) throws -> Writer {
        if let known = writers[id] { return known }
        let found: Writer =
            switch try reader.schemas?.entry(id: id) {
            case .schema(let written)?: writer(written)
            case .unreadable(let why)?: .refused(why)
            case nil: .refused(reader.schemas?.unknown(id) ?? "there is no registry of schemas")
            }
        writers[id] = found
        return found
    }

    private func writer(_ written: AvroSchema) -> Writer {
        do throws(Problem) { return .plan(try AvroPlan(writer: written, reader: schema)) } catch {
            return .refused(error.message)
        }
    }

    private func fail(_ partition: Int, _ offset: Int64, _ reason: String) {
        outcome.failed += 1
        guard outcome.first.count < limit else { return }
        failures.append(Failure(partition: partition, offset: offset, reason: reason))
    }

    /// Takes over the first of a batch's failures: those of Avro and those of JSON were looked at apart.
    private func keepFirst() {
        let room = max(0, limit - outcome.first.count)
        if room > 0 { outcome.first += failures.sorted { $0.offset < $1.offset }.prefix(room) }
        failures.removeAll(keepingCapacity: true)
    }
}

/// Takes values and makes nothing of them.
private struct NoVisitor: AvroVisitor {
    @inline(__always) mutating func null() {}
    @inline(__always) mutating func boolean(_ value: Bool) {}
    @inline(__always) mutating func int(_ value: Int32) {}
    @inline(__always) mutating func long(_ value: Int64) {}
    @inline(__always) mutating func float(_ value: Float) {}
    @inline(__always) mutating func double(_ value: Double) {}
    @inline(__always) mutating func bytes(_ value: UnsafeBufferPointer<UInt8>) {}
    @inline(__always) mutating func string(_ value: UnsafeBufferPointer<UInt8>) {}
    @inline(__always) mutating func fixed(_ value: UnsafeBufferPointer<UInt8>) {}
    @inline(__always) mutating func symbol(_ index: Int) {}
    @inline(__always) mutating func field(_ index: Int) {}
}
