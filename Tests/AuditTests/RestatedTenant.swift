import Batch
import Database
import Foundation
import Problems
import SQLite
import Testing
import Topics
import Time
import Trips

@testable import Audit
@testable import Stream

extension Trip {
    /// A file of these trips, as the City publishes them; times are whole seconds.
    static func csv(_ trips: [Trip], zone: ZoneClock) -> String {
        let header =
            "Trip ID,Taxi ID,Trip Start Timestamp,Trip Miles,Pickup Community Area,Fare,Tips,Trip Total,Company,Pickup Centroid Location"
        let rows = trips.enumerated().map { index, trip in
            let text: (String?) -> String = { value in
                guard let value = value?.replacingOccurrences(of: "\\\"", with: "\"") else { return "" }
                return "\"\(value.replacingOccurrences(of: "\"", with: "\"\""))\""
            }
            return [
                "t\(index)", trip.taxi ?? "", String(zone.iso(ms: trip.time).prefix(19)), trip.miles ?? "",
                trip.area.map { "\($0)" } ?? "", trip.fare ?? "", trip.tips ?? "", "", text(trip.company),
                text(trip.location),
            ].joined(separator: ",")
        }
        return ([header] + rows).joined(separator: "\n") + "\n"
    }

    /// Random ones at whole seconds.
    static func wholeSeconds(
        _ count: Int, from start: EventTime = origin, spanMs: Int64 = 3_600_000, lateMs: Int64 = 0, seed: UInt64
    ) -> [Trip] {
        random(count, from: start, spanMs: spanMs, lateMs: lateMs, seed: seed).map { trip in
            var trip = trip
            trip.time = trip.time / 1000 * 1000
            return trip
        }
    }
}

extension AuditedTenant {
    func runner(_ plans: [QueryPlan], run id: String) -> StreamRunner {
        var options = StreamOptions(tenant: "chicago", zone: zone)
        options.untilEnd = true
        return StreamRunner(
            plans: plans, options: options, database: database, store: store, source: .topic(Self.topic), runID: id)
    }

    /// Restates a period from a file of these trips, as the command does.
    @discardableResult
    func restate(
        _ plans: [QueryPlan], _ period: Range<EventTime>, _ trips: [Trip], name: String = UUID().uuidString
    ) throws -> PreparedRestatement {
        let file = "\(path)/\(name).csv"
        try Trip.csv(trips, zone: zone).write(toFile: file, atomically: true, encoding: .utf8)
        let content = try #require(try ContentHash.hash(of: file))
        let id = try begin("restate")
        let runner = runner(plans, run: id)
        let batch = BatchRunner(database, zone: zone)
        let restating = Restating(
            period: period,
            source: .init(
                files: [.init(path: file, content: content)], clock: "start", spread: "none", seed: 1, clean: nil,
                takesMissing: false, latestMs: origin + 1 << 40),
            origin: .topic(Self.topic)
        ) { madeMs in try batch.keepAnswers(as: "before", nowMs: madeMs) }
        let prepared = try runner.prepare(restating)
        #expect(prepared.impossible.map(\.reason) == [])
        #expect(try runner.commit(prepared, of: restating) == nil)
        try end(id, .success, summary: "{}")
        return prepared
    }

    /// Everything that anybody can see of the queries: views, and the last message of each row.
    func visible(_ plans: [QueryPlan], batch: Bool = false) throws -> [String: [String]] {
        var found: [String: [String]] = [:]
        var views = plans.map(\.table)
        if batch { views += Analysis.allCases.map(\.view) + [Coverage.view] }
        for view in views {
            found[view] = try database.connection.rows("SELECT * FROM \(view)") { row in
                (0..<row.columnCount).map { "\(row.value($0))" }.joined(separator: "|")
            }.sorted()
        }
        for plan in plans {
            let reader = try store.makeReader(topic: "chicago_\(plan.topicSuffix)")
            let messages = ResultMessages(plan)
            var last: [String: (revision: Int64, text: String)] = [:]
            var offset: Int64 = 0
            while let batch = try reader.read(partition: 0, from: offset) {
                try messages.forEach(in: batch) { _, message in
                    guard let message else { return #expect(Bool(false), "no message of \(plan.name)") }
                    let key = "\(message.window) \(message.parts)"
                    if plan.emit == .append, let before = last[key] {
                        #expect(message.revision > before.revision, "\(plan.name) \(key)")
                    }
                    let text = message.isWithdrawn ? "" : "\(key) \(message.windowEnd) \(message.values)"
                    last[key] = (message.revision, text)
                }
                offset = batch.baseOffset + Int64(batch.count)
            }
            found["topic of \(plan.name)"] = last.values.map(\.text).filter { !$0.isEmpty }.sorted()
        }
        return found
    }
}

/// Says what differs, a few lines of it.
func expectSame(
    _ found: [String: [String]], _ expected: [String: [String]], _ comment: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    for (name, rows) in expected.sorted(by: { $0.key < $1.key }) {
        let mine = Set(found[name] ?? [])
        let missing = rows.filter { !mine.contains($0) }
        let others = mine.subtracting(rows)
        #expect(
            missing.isEmpty && others.isEmpty && rows.count == found[name]?.count,
            "\(comment) \(name): \(missing.count) missing, \(others.count) too many: \(missing.prefix(2)) \(others.sorted().prefix(2))",
            sourceLocation: sourceLocation)
    }
}
