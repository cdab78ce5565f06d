import SQLite
import Stream
import Testing
import Topics
import Trips

@testable import Audit

/// One thing is wrong, and the audit names it and nothing else.
@Suite struct FaultTests {
    /// A change to `results.db`, and the difference that it makes.
    struct Fault: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var sql: String
        /// What the only difference says, from its beginning.
        var says: String
        /// What has differences.
        var kinds = ["view"]
    }

    static let faults = [
        Fault(
            testDescription: "a changed cell of a window without groups",
            sql:
                "UPDATE stored_sumfarewindow SET total_fare_sum = total_fare_sum + 7 WHERE rowid = (SELECT min(rowid) FROM stored_sumfarewindow)",
            says: "sumfarewindow 2023-11-14T16:00:00.000-06:00: total_fare is "),
        Fault(
            testDescription: "a changed number behind a cell",
            sql:
                "UPDATE stored_sumfarewindow SET tips_fare_n = tips_fare_n + 1 WHERE rowid = (SELECT min(rowid) FROM stored_sumfarewindow WHERE tips_fare_n > 0)",
            says: "sumfarewindow 2023-11-14T16:"),
        Fault(
            testDescription: "a changed cell of a day",
            sql: "UPDATE stored_tripstotal SET trips_total = trips_total - 1",
            says: "tripstotal 2023-11-14: trips_total is 1499, should be 1500"),
        Fault(
            testDescription: "a changed group of a packed window",
            sql: """
                UPDATE stored_hotspotwindow SET groups = json_set(groups, '$.' || (SELECT '"' || key || '"' FROM json_each(groups) LIMIT 1), 99)
                WHERE window_start_ms = (SELECT max(window_start_ms) FROM stored_hotspotwindow)
                """,
            says: "hotspotwindow 2023-11-14T16:59:30.000-06:00 \"POINT (-87."),
        Fault(
            testDescription: "a row that is missing",
            sql: "DELETE FROM stored_sumfarewindow WHERE rowid = (SELECT max(rowid) FROM stored_sumfarewindow)",
            says: "sumfarewindow 2023-11-14T16:59:5"),
        Fault(
            testDescription: "a group that is missing",
            sql:
                "UPDATE stored_faredistribution SET groups = json_remove(groups, '$.\"' || (SELECT key FROM json_each(groups) LIMIT 1) || '\"')",
            says: "faredistribution 2023-11-14T16:00:00.000-06:00 -"),
        Fault(
            testDescription: "a row too many",
            sql: "INSERT INTO stored_sumfarewindow VALUES (1600000000000, 1, 3, 100, 1, 0, 0, 100, 1)",
            says: "sumfarewindow 2020-09-13T07:26:40.000-05:00: there should be no such row (trips is 3)"),
        Fault(
            testDescription: "a window that is open and should not be",
            sql:
                "UPDATE stored_hotspotcommunitywindow SET closed = 0 WHERE window_start_ms = (SELECT min(window_start_ms) FROM stored_hotspotcommunitywindow)",
            says: "hotspotcommunitywindow 2023-11-14T15:59:30.000-06:00: closed is 0, should be 1"),
        Fault(
            testDescription: "a histogram", sql: "UPDATE stored_days SET p10 = json_set(p10, '$.\"-2\"', 1000)",
            says: "days 2023-11-14T00:00:00.000-06:00: "),
        Fault(
            testDescription: "groups that are no JSON",
            sql:
                "UPDATE stored_places SET groups = '{\"0\":[1,x]}' WHERE window_start_ms = (SELECT min(window_start_ms) FROM stored_places)",
            says: "places 2023-11-14T15:59:00.000-06:00: groups are damaged at byte 8"),
        Fault(
            testDescription: "a key of a group",
            sql: "UPDATE keys_hours SET company = 'Another' WHERE id = 1", says: "hours "),
        Fault(
            testDescription: "a view that shows something else",
            sql: """
                DROP VIEW tripstotal; CREATE VIEW tripstotal AS SELECT date(group_id * 86400, 'unixepoch') AS day, trips_total,
                fare_total_sum / 10.0 AS fare_total, 0 AS tips_avg, 0 AS trip_total_avg FROM stored_tripstotal
                """,
            says: "tripstotal 2023-11-14: fare_total is shown as "),
        Fault(
            testDescription: "a row of the ledger",
            sql: "UPDATE ledger SET value = value + 1 WHERE query = 'hotspotWindow' AND counter = 'aggregated'",
            says: "hotspotWindow aggregated is ", kinds: ["ledger", "ledger"]),
        Fault(
            testDescription: "a partition of the ledger",
            sql: "UPDATE ledger SET partition = 3 WHERE query = 'tripsTotal' AND counter = 'aggregated'",
            says: "tripsTotal partition 0: 0 trips were consumed, the source has 1500", kinds: ["ledger"]),
        Fault(
            testDescription: "a source of the ledger",
            sql: "UPDATE ledger SET source = 'another' WHERE query = 'days'",
            says: "sumFareWindow the ledger names a source \"another\"", kinds: Array(repeating: "ledger", count: 10)),
        Fault(
            testDescription: "a run of the ledger",
            sql: "UPDATE ledger SET run_id = '19710101T000000000Z-00000000' WHERE query = 'tripsTotal'",
            says: "runs 19710101T000000000Z-00000000: the ledger counts for a run that there is not", kinds: ["ledger"]),
        Fault(
            testDescription: "a count of a checkpoint",
            sql:
                "UPDATE checkpoints SET state = json_set(state, '$.counts.skipped', 1) WHERE stream = 'fareDistribution'",
            says: "fareDistribution skipped is ", kinds: ["ledger"]),
        Fault(
            testDescription: "an offset of a checkpoint",
            sql:
                "UPDATE checkpoints SET state = json_set(state, '$.positions.chicago_ingestData.offsets[0]', 1400) WHERE stream = 'tripsTotal'",
            says: "tripstotal 2023-11-14: ", kinds: ["view", "topic", "ledger"]),
    ]

    @Test(arguments: faults)
    func isNamed(_ fault: Fault) throws {
        let (tenant, plans) = try Self.filled()
        try tenant.execute(fault.sql)
        let report = try tenant.audit(plans)
        #expect(report.differences > 0)
        #expect(report.first.first?.hasPrefix(fault.says) == true, "\(report.first)")
        let wrong = report.checks.filter { $0.differences > 0 }
        #expect(wrong.map(\.kind) == fault.kinds, "\(report.first)")
    }

    @Test func aChangedCellIsTheOnlyDifference() throws {
        let (tenant, plans) = try Self.filled()
        try tenant.execute("UPDATE stored_tripstotal SET trips_total = trips_total - 1")
        let report = try tenant.audit(plans)
        #expect(report.first == ["tripstotal 2023-11-14: trips_total is 1499, should be 1500"])
        #expect(report.differences == 1)
    }

    // MARK: messages

    @Test(arguments: ["hotspotWindow", "cashByCompany"])
    func aMessageThatComesAgainIsNamed(query: String) throws {
        let (tenant, plans) = try Self.filled()
        let topic = "chicago_\(query)Stream"
        let reader = try tenant.store.makeReader(topic: topic)
        let first = try #require(try reader.read(partition: 0, from: 0))
        let end = try reader.offsets()[0].upperBound
        let message = try #require(try first.records().first)
        let again = try #require(PendingBatch(topic: topic, partition: 0, records: [message]))
        try tenant.store.makeWriter().append([again], mark: nil)
        let report = try tenant.audit(plans)
        #expect(report.differences == 1)
        #expect(report.first.first?.hasSuffix(": comes again at offset \(end)") == true, "\(report.first)")
    }

    @Test func aMessageThatSaysOtherwiseIsNamed() throws {
        let (tenant, plans) = try Self.filled()
        let topic = "chicago_tripsTotalStream"
        let text = #"{"day":"2023-11-14","trips_total":1501,"fare_total":1}"#
        let wrong = TopicRecord(key: nil, value: Array(text.utf8), timestamp: 0)
        let batch = try #require(PendingBatch(topic: topic, partition: 0, records: [wrong]))
        try tenant.store.makeWriter().append([batch], mark: nil)
        let report = try tenant.audit(plans)
        #expect(report.differences == 1)
        #expect(
            report.first.first?.hasPrefix(
                "chicago_tripsTotalStream 2023-11-14: trips_total is 1501 in the last message") == true,
            "\(report.first)")
    }

    @Test func eachOfSomebodyElsesMessagesIsNamed() throws {
        let (tenant, plans) = try Self.filled()
        let topic = "chicago_tripsTotalStream"
        let end = try tenant.store.makeReader(topic: topic).offsets()[0].upperBound
        let strays = (1...3).map { TopicRecord(key: nil, value: Array(#"{"a":\#($0)}"#.utf8), timestamp: 0) }
        try tenant.store.makeWriter().append(
            [try #require(PendingBatch(topic: topic, partition: 0, records: strays))], mark: nil)
        let report = try tenant.audit(plans)
        #expect(report.differences == 3)
        let named = (1...3).map {
            "\(topic) offset \(end + Int64($0) - 1): is of a row that there should not be: {\"a\":\($0)}"
        }
        #expect(Set(report.first) == Set(named))
    }

    @Test func aMessageOfNoRowIsNamed() throws {
        let (tenant, plans) = try Self.filled()
        let topic = "chicago_tripsTotalStream"
        let stray = TopicRecord(key: nil, value: Array(#"{"day":"2001-01-01","trips_total":1}"#.utf8), timestamp: 0)
        let batch = try #require(PendingBatch(topic: topic, partition: 0, records: [stray]))
        try tenant.store.makeWriter().append([batch], mark: nil)
        let report = try tenant.audit(plans)
        #expect(report.differences == 1)
        #expect(
            report.first.first?.hasSuffix(
                #"is of a row that there should not be: {"day":"2001-01-01","trips_total":1}"#) == true,
            "\(report.first)")
    }

    @Test func messagesThatAreLostAreNamed() throws {
        let (tenant, plans) = try Self.filled()
        try tenant.store.deleteTopic("chicago_hotspotWindowStream")
        try tenant.store.createTopic("chicago_hotspotWindowStream", partitions: 1)
        let report = try tenant.audit(plans)
        #expect(report.checks.filter { $0.differences > 0 }.map(\.name) == ["chicago_hotspotWindowStream"])
        let rows = try tenant.number("SELECT count(*) FROM hotspotwindow")
        #expect(report.differences == rows)
        #expect(report.first.first?.hasSuffix(": no message is there") == true, "\(report.first)")
    }

    // MARK: partitions whose late records nobody can name

    @Test func rowsThatLackMoreThanWasLateAreNoticed() throws {
        let tenant = try AuditedTenant(partitions: 2)
        let plans = try allQueries()
        try tenant.produce(Trip.random(3000, lateMs: 120_000, seed: 21), partitions: 2)
        try tenant.stream(plans)
        #expect(try tenant.audit(plans).first == [])
        try tenant.execute(
            "UPDATE stored_sumfarewindow SET trips = trips - 1 WHERE window_start_ms = (SELECT max(window_start_ms) FROM stored_sumfarewindow WHERE trips > 1)"
        )
        let report = try tenant.audit(plans)
        #expect(report.checks.filter { $0.differences > 0 }.map(\.name) == ["sumfarewindow"], "\(report.first)")
    }

    /// 1,500 trips of one hour and all queries over them.
    private static func filled() throws -> (AuditedTenant, [QueryPlan]) {
        let tenant = try AuditedTenant()
        let plans = try allQueries()
        try tenant.produce(Trip.random(1500, seed: 20))
        try tenant.stream(plans)
        return (tenant, plans)
    }
}
