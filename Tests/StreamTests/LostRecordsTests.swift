import Database
import Foundation
import Problems
import SQLite
import Testing
import Topics
import Time
import Trips

@testable import Stream

/// Records that retention has removed before a stream came to read them.
@Suite struct LostRecordsTests {
    static let minutes = """
          - name: perMinute
            window: {tumbling: 1m}
            aggregates: {trips: count()}
        """

    /// A tenant whose topic keeps records of an hour: each call of `produce` makes a batch, and later ones push earlier ones out.
    private func forgetfulTenant(partitions: Int = 1) throws -> StoredStream {
        let tenant = try StoredStream()
        try tenant.store.deleteTopic(tenant.topic)
        try tenant.store.createTopic(tenant.topic, partitions: partitions, retentionMs: Self.hour)
        return tenant
    }

    private static let hour: Int64 = 3_600_000

    private func rows(_ tenant: StoredStream) throws -> [[Int64]] {
        try tenant.database.connection.rows("SELECT window_start_ms, trips FROM stored_perminute ORDER BY 1") {
            row throws(SQLiteError) in [row.integer(0) - origin, row.integer(1)]
        }
    }

    private func lost(_ tenant: StoredStream) throws -> [String] {
        try tenant.database.connection.rows(
            "SELECT query, partition, sum(value) FROM ledger WHERE counter = 'lost' GROUP BY 1, 2 ORDER BY 1, 2"
        ) { row throws(SQLiteError) in "\(row.text(0)) \(row.integer(1)) \(row.integer(2))" }
    }

    @Test func recordsThatWereRemovedBetweenTwoRunsAreNamedAndNothingChanges() throws {
        let tenant = try forgetfulTenant(partitions: 2)
        let plans = try plans(Self.minutes)
        try tenant.produce([0, 1000])
        try tenant.produce([0], partition: 1)
        try tenant.stream(plans)
        let before = try rows(tenant)
        try tenant.produce([2000, 3000, 4000])
        try tenant.produce([2000], partition: 1)
        try tenant.produce([5 * Self.hour])
        try tenant.produce([5 * Self.hour], partition: 1)
        try tenant.store.applyRetention()
        let problem = #expect(throws: Problem.self) { try tenant.stream(plans, outcome: .failed) }
        #expect(problem?.code == .badData)
        #expect(
            problem?.message.hasSuffix("before they were read: offsets 2 to 4 of partition 0, offset 1 of partition 1")
                == true, "\(String(describing: problem))")
        #expect(problem?.hint?.contains("--skip-lost") == true && problem?.hint?.contains("--from-beginning") == true)
        #expect(try rows(tenant) == before && lost(tenant).isEmpty)
    }

    @Test func whatIsSkippedIsCountedOnce() throws {
        let tenant = try forgetfulTenant()
        let plans = try plans(Self.minutes)
        try tenant.produce([0, 1000])
        try tenant.stream(plans)
        try tenant.produce([2000, 3000, 4000])
        try tenant.produce([5 * Self.hour])
        try tenant.store.applyRetention()
        let summary = try tenant.stream(plans) { $0.skipsLost = true }
        #expect(summary.lost == 3 && summary.records == 1)
        #expect(summary.json(zone: try ZoneClock(identifier: "America/Chicago")).hasSuffix(#","lost":3}"#))
        #expect(try tenant.stream(plans) { $0.skipsLost = true }.lost == 0)
        #expect(try rows(tenant) == [[0, 2], [5 * Self.hour, 1]])
        #expect(try lost(tenant) == ["perMinute 0 3"])
        #expect(try CheckpointStore(connection: tenant.database.connection).load("perMinute")?.counts.lost == 3)
    }

    @Test func lostRecordsAreCountedWhereNothingFollowsThem() throws {
        let tenant = try forgetfulTenant(partitions: 2)
        let plans = try plans(Self.minutes)
        try tenant.produce([0])
        try tenant.stream(plans)
        try tenant.produce([1000, 2000])
        // Retention goes by the topic's newest time, and the batch that has it lies in the other partition.
        try tenant.produce([5 * Self.hour], partition: 1)
        try tenant.store.applyRetention()
        #expect(try tenant.stream(plans) { $0.skipsLost = true }.lost == 2)
        #expect(try lost(tenant) == ["perMinute 0 2"])
        #expect(try tenant.stream(plans).lost == 0, "and no run meets them again")
    }

    @Test(arguments: [false, true]) func aReaderThatIsOvertakenWhileItRunsSaysSo(_ skips: Bool) throws {
        let tenant = try forgetfulTenant()
        let plans = try plans(Self.minutes)
        try tenant.produce([0, 1000])
        func run() throws -> StreamSummary {
            try tenant.stream(plans, outcome: skips ? .success : .failed, rounds: 3) {
                $0.skipsLost = skips
            } between: { round in
                guard round == 2 else { return }
                try tenant.produce([2000, 3000, 4000])
                try tenant.produce([5 * Self.hour])
                try tenant.store.applyRetention()
            }
        }
        if skips {
            let summary = try run()
            #expect(summary.lost == 3 && summary.records == 3)
            #expect(try rows(tenant) == [[0, 2], [5 * Self.hour, 1]])
        } else {
            let problem = #expect(throws: Problem.self) { try run() }
            #expect(problem?.code == .badData)
            #expect(
                problem?.message.hasSuffix("offsets 2 to 4 of partition 0") == true, "\(String(describing: problem))")
            #expect(try rows(tenant) == [[0, 2]], "what was read before stays")
        }
    }

    @Test func aQueryThatIsNewBeginsWithWhatIsThere() throws {
        let tenant = try forgetfulTenant()
        try tenant.produce([0, 1000])
        try tenant.produce([5 * Self.hour])
        try tenant.store.applyRetention()
        let first = try tenant.stream(try plans(Self.minutes))
        #expect(first.records == 1 && first.lost == 0)
        let second = try plans(Self.minutes + "\n  - {name: ever, aggregates: {trips: count()}}")
        #expect(try tenant.stream(second).lost == 0)
        #expect(try lost(tenant).isEmpty)
    }

    @Test func statusAndNextRunsCountWhatWasReadAlone() throws {
        let tenant = try forgetfulTenant()
        let plans = try plans(Self.minutes)
        try tenant.produce([0])
        try tenant.stream(plans)
        try tenant.produce((1...50).map { $0 * 1000 })
        try tenant.produce([5 * Self.hour], fields: #""fare":10,"pickup_community_area":999"#)
        try tenant.produce([5 * Self.hour])
        try tenant.store.applyRetention()
        // The run is still going on, so that its records come from the ledger: one of two was rejected, which is not most of them.
        try tenant.stream(plans, outcome: nil) { $0.skipsLost = true }
        #expect(try tenant.status(plans).queries.first?.consumed == 2)
        #expect(try tenant.status(plans).rejected.values.reduce(0, +) == 1)
    }

    @Test func stretchesAreNamedAsPeopleCount() {
        #expect(
            LostRecords.text([
                .init(partition: 0, offsets: 100..<250), .init(partition: 3, offsets: 7..<8),
            ]) == "offsets 100 to 249 of partition 0, offset 7 of partition 3")
    }
}
