import Problems
import SQLite
import Topics
import Time
import Trips

/// What a worker has made of a range: the payload of a partial's frame.
///
///     partition    number
///     offsets      the first that was asked for, and where reading goes on: before what was asked where the worker stopped early
///     seal         of the last batch, may be missing; seal end: where that batch ended
///     lost         offsets that were gone before they were read, may be missing: a range
///     newest       newest event time of the partition, may be missing
///     records      number; input bytes: number
///     decoding, aggregating   ns
///     appended     number of pairs: when, ms UTC, and how many records
///     rejects      number, and for each reason, detail, file, line, column, bytes, offset, columns (may be missing), and the
///                  record as the topic has it
///     steps        number of pairs: accepted records, then the line of the reject behind them, -1 for none
///     late         number of records that were late: topic, record
///     late days    number of (query, day, count)
///     ledger       number of (query, counter, count)
///     part         may be missing: of part of a file, what was found at its end: the line, or Avro record, that comes next; the header line that
///                  it stands under, may be missing; whether everything was read, 0 or 1; whether what is left is cut off, 0 or 1
///     queries      as many as the plan has, each a state
///
/// A record is key and value, the number of its headers, each with name and value, and its timestamp; key and values may be missing. A state is
///
///     counts       aggregated, late, merged, late in part, skipped, filtered, restated
///     overflow     may be missing: word and window of a sum that left its words
///     keys         their number and each key's bytes, of queries whose groups have ids; the ids count from 0
///     windows      their number, and for each its start, its end, and, one element a group: array of groups, array of all words,
///                  bytes of what changed (0 or 1), sketches as texts, then the histograms as arrays of entries, of numbers, of
///                  buckets, and of counts
struct RangePartial {
    var partition: Int
    var offsets: Range<Int64>
    var seal: Int64?
    var sealEnd: Int64
    var lost: Range<Int64>?
    var newest: EventTime?
    var findings: RangeFindings
    /// Of part of a file: `offsets` count what was read behind `TripFilePart.skip`.
    var part: PartEnd?
    var states: [QueryState]

    struct PartEnd: Equatable {
        /// As `TripFilePart.line` counts.
        var line: Int64
        var header: String?
        /// Whether nothing is left of the part.
        var isAtEnd: Bool
        /// Whether what is left begins with a record that goes on behind the part.
        var isCut: Bool
    }
}

extension RangePartial {
    func frame() -> [UInt8] {
        var writer = WireWriter()
        writer.add(partition)
        writer.add(offsets)
        writer.add(seal)
        writer.add(sealEnd)
        writer.add(lost) { $0.add($1) }
        writer.add(newest)
        writer.add(findings.records)
        writer.add(findings.timing.inputBytes)
        writer.add(findings.timing.stageNs[.decode] ?? 0)
        writer.add(findings.timing.stageNs[.aggregate] ?? 0)
        writer.add(findings.timing.appended) { writer, appended in
            writer.add(appended.ms)
            writer.add(appended.count)
        }
        writer.add(findings.rejects) { writer, reject in writer.add(reject.reject, of: reject.original) }
        writer.add(findings.steps) { writer, step in
            writer.add(step.accepted)
            writer.add(step.reject.map(\.location.line) ?? -1)
        }
        writer.add(findings.lateRecords) { writer, late in
            writer.add(late.topic)
            writer.add(late.record)
        }
        writer.add(findings.lateDays) { writer, late in
            writer.add(late.key.query)
            writer.add(late.key.day)
            writer.add(late.value)
        }
        writer.add(findings.counts.filter { $0.value != 0 }) { writer, count in
            writer.add(count.key.query)
            writer.add(count.key.counter)
            writer.add(count.value)
        }
        writer.add(part) { writer, part in
            writer.add(part.line)
            writer.add(part.header.map { Array($0.utf8) })
            writer.add(part.isAtEnd)
            writer.add(part.isCut)
        }
        for state in states { state.append(to: &writer) }
        return WireFrame.bytes(.partial, writer.bytes)
    }

    /// - Parameter answer: all that the worker wrote.
    /// - Throws: `.badData` for anything but one partial of that range.
    init(answer: [UInt8], plans: [QueryPlan], zone: ZoneClock, request: RangeRequest) throws(Problem) {
        let frames = try WireFrame.all(in: answer)
        guard frames.count == 1, frames[0].kind == .partial else {
            throw Problem(.badData, "a worker answered with \(frames.count) frames in place of one partial")
        }
        try self.init(payload: frames[0].payload, plans: plans, zone: zone, request: request)
    }

    /// - Parameters:
    ///   - plans: of the plan that the worker was given.
    ///   - request: what it was asked for.
    init(payload: [UInt8], plans: [QueryPlan], zone: ZoneClock, request: RangeRequest) throws(Problem) {
        var reader = WireReader(payload)
        let counts: ClosedRange<Int64> = 0...(1 << 40)
        partition = Int(try reader.number(in: 0...9_999))
        offsets = try reader.range(of: 0...(1 << 62))
        guard partition == request.partition, offsets.lowerBound == request.offsets.lowerBound else {
            throw reader.damage("it is of another range than was asked for")
        }
        let partition = partition
        seal = try reader.optional { reader throws(Problem) in try reader.number() }
        sealEnd = try reader.number(in: 0...offsets.upperBound)
        lost = try reader.optional { reader throws(Problem) in try reader.range(of: 0...(1 << 62)) }
        newest = try reader.optional { reader throws(Problem) in try reader.number(in: .instants) }
        var findings = RangeFindings()
        findings.records = Int(try reader.number(in: counts))
        findings.timing.inputBytes = try reader.number(in: 0...(1 << 50))
        for stage in [EpochTiming.Stage.decode, .aggregate] {
            findings.timing.stageNs[stage] = try reader.number(in: 0...(1 << 50))
        }
        findings.timing.appended = try reader.list(least: 9) { reader throws(Problem) in
            (try reader.number(in: .instants), try reader.number(in: counts))
        }
        findings.rejects = try reader.list(least: 60) { reader throws(Problem) in
            let (reject, original) = try reader.reject()
            return (partition, reject, original)
        }
        let byLine = Dictionary(findings.rejects.map { ($0.reject.location.line, $0.reject) }) { $1 }
        findings.steps = try reader.list(least: 9) { reader throws(Problem) in
            let accepted = Int(try reader.number(in: counts))
            let line = Int(try reader.number(in: -1...(1 << 62)))
            guard line < 0 || byLine[line] != nil else { throw reader.damage("a step without its reject") }
            return (accepted, byLine[line])
        }
        findings.lateRecords = try reader.list(least: 26) { reader throws(Problem) in
            QueryCohort.SideRecord(topic: try reader.string(), record: try reader.record())
        }
        let queries = 0...Int64(max(0, plans.count - 1))
        for _ in 0..<(try reader.count(least: 24)) {
            let key = RangeFindings.LateDay(
                query: Int(try reader.number(in: queries)), day: try reader.number(in: -(1 << 30)...(1 << 30)))
            findings.lateDays[key] = try reader.number(in: counts)
        }
        for _ in 0..<(try reader.count(least: 24)) {
            let query = Int(try reader.number(in: queries))
            let counter = try reader.string()
            guard Self.counters.contains(counter) else { throw reader.damage("an unknown counter") }
            findings.counts[.init(partition: partition, query: query, counter: counter)] = try reader.number(in: counts)
        }
        self.findings = findings
        part = try reader.optional { reader throws(Problem) in
            PartEnd(
                line: try reader.number(in: 1...(1 << 62)),
                header: try reader.optional { reader throws(Problem) in try reader.string() },
                isAtEnd: try reader.flag(), isCut: try reader.flag())
        }
        guard (part == nil) == (request.part == nil) else {
            throw reader.damage("it is of a topic, or of a file, and the other was asked for")
        }
        var states: [QueryState] = []
        for plan in plans { states.append(try QueryState(plan: plan, zone: zone, from: &reader)) }
        self.states = states
        try reader.requireEnd()
    }

    private static let counters = Set(QueryCounts.counters.map(\.name))
}

// MARK: - Records

extension WireWriter {
    mutating func add(_ record: TopicRecord) {
        add(record.key)
        add(record.value)
        add(record.headers) { writer, header in
            writer.add(header.name)
            writer.add(header.value)
        }
        add(record.timestamp)
    }

    mutating func add(_ reject: Reject, of original: TopicRecord) {
        add(reject.reason.rawValue)
        add(reject.detail)
        add(reject.location.file)
        add(reject.location.line)
        add(reject.location.column)
        add(reject.bytes)
        add(reject.offset)
        add(reject.columns) { $0.add($1) }
        add(original)
    }
}

extension WireReader {
    mutating func record() throws(Problem) -> TopicRecord {
        let key = try optional { reader throws(Problem) in try reader.text() }
        let value = try optional { reader throws(Problem) in try reader.text() }
        let headers = try list(least: 9) { reader throws(Problem) in
            TopicRecord.Header(
                name: try reader.string(), value: try reader.optional { inner throws(Problem) in try inner.text() })
        }
        return TopicRecord(key: key, value: value, headers: headers, timestamp: try number(in: .instants))
    }

    mutating func reject() throws(Problem) -> (Reject, TopicRecord) {
        guard let reason = RejectReason(rawValue: try string()) else { throw damage("an unknown reason") }
        let detail = try string()
        let location = InputLocation(
            file: try string(), line: Int(try number(in: 0...(1 << 62))), column: Int(try number(in: 0...(1 << 62))))
        let reject = Reject(
            reason: reason, detail: detail, location: location, bytes: try text(),
            offset: Int(try number(in: -16...(1 << 62))),
            columns: try optional { reader throws(Problem) in try reader.string() })
        return (reject, try record())
    }
}
