import Database
import Foundation
import Problems
import SQLite
import Topics
import Time
import Trips

/// Reads again, for windows and groups that a period shares with other times, the trips of those times: from the stream's source, and from
/// files that stand for some of them since an earlier restatement.
struct TripsBeside {
    let origin: Restating.Origin
    let store: any TopicStore
    let zone: ZoneClock
    let connection: Connection
    let period: Range<EventTime>

    /// Shows the trips to the queries that need them.
    ///
    /// - Returns: by query, why the trips cannot be had.
    func read(for queries: [RestatedQuery]) throws -> [String: String] {
        var reasons: [String: String] = [:]
        let needing = queries.filter { !$0.beside.isEmpty }
        for query in needing {
            do { try readRestated(for: query) } catch let problem as Problem {
                reasons[query.plan.name] = problem.message
            }
        }
        var groups: [Pass: [RestatedQuery]] = [:]
        for query in needing where reasons[query.plan.name] == nil {
            let times = Self.without(try restated(query).times, in: query.beside)
            if times.isEmpty { continue }
            switch try pass(of: query, times) {
            case .success(let pass): groups[pass, default: []].append(query)
            case .failure(let reason): reasons[query.plan.name] = reason.text
            }
        }
        for (pass, queries) in groups.sorted(by: { $0.value[0].plan.name < $1.value[0].plan.name }) {
            do { try read(pass, for: queries) } catch let problem as Problem
                where [.noInput, .badData, .usage].contains(problem.code)
            {
                for query in queries { reasons[query.plan.name] = problem.message }
            }
        }
        return reasons
    }

    private struct Reason: Error {
        var text: String
    }

    /// What is read at once: queries that need the same trips.
    private struct Pass: Hashable {
        var times: [Range<EventTime>]
        /// Where they stand in the source, by partition.
        var ends: [Int64]
        var passedOver: [PassedOver]
        var startedMs: EventTime?
    }

    private func restated(_ query: RestatedQuery) throws -> Restatements {
        try Restatements(of: query.plan.name, on: connection)
    }

    /// Times without those that lie in others.
    private static func without(_ others: [Range<EventTime>], in times: [Range<EventTime>]) -> [Range<EventTime>] {
        others.reduce(times) { rest, other in
            rest.flatMap { range -> [Range<EventTime>] in
                guard range.overlaps(other) else { return [range] }
                return [
                    range.lowerBound..<max(range.lowerBound, other.lowerBound),
                    min(range.upperBound, other.upperBound)..<range.upperBound,
                ].filter { !$0.isEmpty }
            }
        }
    }

    /// Trips of files that stand for times beside the period.
    private func readRestated(for query: RestatedQuery) throws {
        for part in try restated(query).parts {
            let times = query.beside.map { $0.clamped(to: part.times) }.filter { !$0.isEmpty }
            if times.isEmpty { continue }
            let source = try part.restatement.source.open(query.plan.fields, zone: zone)
            try read(source, upTo: .max, times, for: [query])
        }
    }

    private func read(_ pass: Pass, for queries: [RestatedQuery]) throws {
        let fields = queries.reduce(into: TripFieldSet()) { $0.formUnion($1.plan.fields) }
        switch origin {
        case .topic(let topic): try read(topic, pass, fields, for: queries)
        case .files(_, let open):
            let count = try read(open(fields, pass.startedMs), upTo: pass.ends[0], pass.times, for: queries)
            guard count == pass.ends[0] else {
                throw Problem(
                    .badData, "\(pass.ends[0]) trips were read by streams, and the files of --source hold \(count)")
            }
        }
    }

    /// The rows of a batch that lie in some times, closed up.
    private static func keep(
        _ times: [Range<EventTime>], of batch: TripBatch, from first: Int, until last: Int, fields: TripFieldSet,
        where isTaken: (Int) -> Bool = { _ in true }
    ) {
        var kept = 0
        for row in first..<max(first, last) where times.contains(where: { $0.contains(batch.eventTimes[row]) }) {
            guard isTaken(row) else { continue }
            if kept != row { batch.moveRow(row, to: kept, fields: fields) }
            kept += 1
        }
        batch.count = kept
    }

    /// - Returns: how many of the first `end` trips there are.
    @discardableResult
    private func read(
        _ source: TripSource, upTo end: Int64, _ times: [Range<EventTime>], for queries: [RestatedQuery]
    ) throws -> Int64 {
        let fields = queries.reduce(into: TripFieldSet()) { $0.formUnion($1.plan.fields) }
        let batch = TripBatch(capacity: 16384)
        var count: Int64 = 0
        while count < end, try source.next(into: batch) {
            let last = Int(min(Int64(batch.count), end - count))
            count += Int64(last)
            _ = source.takeRejects()
            Self.keep(times, of: batch, from: 0, until: last, fields: fields)
            if batch.count > 0 { for query in queries { query.add(batch) } }
        }
        return count
    }
}

// MARK: - Topics

extension TripsBeside {
    /// How the trips of some times can be read for a query.
    private func pass(of query: RestatedQuery, _ times: [Range<EventTime>]) throws -> Result<Pass, Reason> {
        let positions = query.checkpoint.positions
        func failure(_ text: String) -> Result<Pass, Reason> { .failure(Reason(text: text)) }
        if query.checkpoint.counts.lost ?? 0 > 0 {
            return failure("\(query.checkpoint.counts.lost ?? 0) records of its source were lost before they were read")
        }
        switch origin {
        case .topic(let topic):
            guard let position = positions[topic], positions.count == 1 else {
                return failure(
                    "its windows at the edge of the period hold trips of \(positions.keys.sorted().joined(separator: ", ")); name those files with --source"
                )
            }
            if let reason = try missing(topic, position, query) { return failure(reason) }
            let passedOver = try PassedOver.all(of: query.plan.name, source: topic, on: connection)
            return .success(Pass(times: times, ends: position.offsets, passedOver: passedOver))
        case .files(let identity, _):
            let counts = query.checkpoint.counts
            let consumed =
                counts.aggregated + counts.late + counts.skipped + counts.filtered + (counts.restated ?? 0)
            let position = positions[identity]
            let end = positions.count == 1 ? position?.offsets.first ?? consumed : consumed
            return .success(Pass(times: times, ends: [end], passedOver: [], startedMs: position?.startedMs))
        }
    }

    /// Why a topic does not hold all that a query has read; nil where it does.
    private func missing(
        _ topic: String, _ position: QueryCheckpoint.SourcePosition, _ query: RestatedQuery
    ) throws -> String? {
        guard try store.hasTopic(topic) else { return "topic \"\(topic)\" is not there any more" }
        let reader = try store.makeReader(topic: topic, untilEnd: true)
        do { try CopyCheck.require(position, in: reader) } catch let problem as Problem { return problem.message }
        let kept = try reader.offsets()
        if let gone = kept.indices.first(where: { kept[$0].lowerBound > 0 }) {
            return
                "topic \"\(topic)\" does not hold all of its trips any more: partition \(gone) begins at offset \(kept[gone].lowerBound)"
        }
        // Only the store whose offsets are records can tell that a stream began further on.
        guard store.keepsColumns else { return nil }
        let counts = query.checkpoint.counts
        let rejected = try connection.value(
            "SELECT sum(value) FROM ledger WHERE kind = 'stream' AND source = ? AND counter LIKE 'rejected:%'",
            .text(topic))
        let known =
            counts.aggregated + counts.late + counts.skipped + counts.filtered + (counts.restated ?? 0)
            + (rejected?.integer ?? 0)
        return known < position.offsets.reduce(0, +) ? "it has not read topic \"\(topic)\" from its beginning" : nil
    }

    private func read(_ topic: String, _ pass: Pass, _ fields: TripFieldSet, for queries: [RestatedQuery]) throws {
        let reader = try store.makeReader(topic: topic, untilEnd: true)
        _ = try reader.awaitAppends()
        let trips = TopicTrips(reader: reader, fields: fields)
        let starts = try reader.offsets().map(\.lowerBound)
        for partition in 0..<min(reader.partitionCount, pass.ends.count) {
            var offset = starts[partition]
            let end = pass.ends[partition]
            while offset < end {
                guard let stored = try trips.stored(partition: partition, from: offset) else {
                    let next = reader.next(partition: partition, after: offset)
                    guard next > offset else {
                        throw Problem(
                            .badData,
                            "topic \"\(topic)\" ends at offset \(offset) of partition \(partition), before \(end)")
                    }
                    offset = next
                    continue
                }
                guard stored.baseOffset < end else { break }
                offset = TopicTrips.offset(after: stored)
                // Of columns the bounds of a batch's event times are known.
                if stored.encoding == .trips, !pass.times.contains(where: { Self.touches($0, stored.times) }) {
                    continue
                }
                var rejects: [Reject] = []
                let (batch, first) = try trips.decode(stored, from: starts[partition], rejects: &rejects)
                var last = batch.count
                func place(_ row: Int) -> Int64 { TopicTrips.offset(ofRow: row, of: batch, in: stored) }
                while last > first, place(last - 1) >= end { last -= 1 }
                // Where rows close up, a row's own place is that behind it.
                let places = pass.passedOver.isEmpty ? [] : (first..<last).map(place)
                Self.keep(pass.times, of: batch, from: first, until: last, fields: fields) { row in
                    places.isEmpty
                        || pass.passedOver.reason(partition: partition, offset: places[row - first]) == nil
                }
                if batch.count > 0 { for query in queries { query.add(batch) } }
            }
        }
    }

    private static func touches(_ times: Range<EventTime>, _ batch: ClosedRange<EventTime>) -> Bool {
        times.lowerBound <= batch.upperBound && batch.lowerBound < times.upperBound
    }
}
