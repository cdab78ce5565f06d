import Database
import Problems
import Testing
import Topics
import Trips

@testable import Stream

@Suite struct StreamStatusTests {
    private let appending =
        "  - {name: byCompany, group: [company], window: {tumbling: 5s}, aggregates: {n: count()}}\n"
    private let updating =
        "  - {name: fares, where: fare > 1.00, window: {tumbling: 5s}, aggregates: {n: count()}, emit: update}\n"

    @Test func isEmptyWithoutDatabaseAndTopics() throws {
        let status = try StreamStatus(tenant: "chicago", database: nil, store: nil, plans: [])
        #expect(status.state == .empty)
        #expect(status.ingest == nil && status.queries.isEmpty && status.reasons.isEmpty)
    }

    @Test func isEmptyBeforeTheFirstRecord() throws {
        let stored = try StoredStream()
        let plans = try plans(updating)
        try stored.stream(plans)
        let status = try stored.status(plans)
        #expect(status.state == .empty)
        #expect(status.queries.map(\.state) == [.empty])
        #expect(status.ingest?.records == 0)
    }

    @Test func isIdleWhenResultsHaveGoneOutAndNothingRuns() throws {
        let stored = try StoredStream(partitions: 2)
        let plans = try plans(appending + updating)
        try stored.produce([0, 1000, 6000])
        try stored.produce([30_000], partition: 1)
        try stored.stream(plans, untilEnd: true)
        try stored.produce([40_000, 41_000], partition: 1)
        let status = try stored.status(plans)
        #expect(status.state == .idle && status.reasons.isEmpty)
        #expect(status.ingest?.records == 6)
        #expect(status.ingest?.lastEvent == origin + 41_000 && status.ingest?.lastAppend == 77)
        #expect(status.runs.map(\.command) == ["stream"])
        #expect(status.queries.map(\.name) == ["byCompany", "fares"])
        #expect(status.queries.map(\.lag) == [2, 2])
        #expect(status.queries.map(\.consumed) == [4, 4])
        #expect(status.queries.map(\.newestWindow) == [origin + 30_000, origin + 30_000])
        #expect(status.queries.allSatisfy { $0.results == 3 && $0.late == 0 && $0.state == .idle })
    }

    @Test func isOkWhileAStreamRuns() throws {
        let stored = try StoredStream()
        let plans = try plans(updating)
        try stored.produce([0, 1000])
        try stored.stream(plans, outcome: nil)
        let status = try stored.status(plans)
        #expect(status.state == .ok && status.queries.map(\.state) == [.ok])
    }

    @Test func warnsWhereRecordsCameInAndNoStreamHasReadThem() throws {
        let stored = try StoredStream()
        try stored.produce([0, 1000])
        let status = try stored.status(plans(updating))
        #expect(status.state == .idle && status.reasons == [])
        #expect(status.warnings == ["2 records came in, and no stream has read them"])
    }

    @Test func failsWhereNoRecordGivesAResult() throws {
        let stored = try StoredStream()
        let plans = try plans(appending + updating)
        try stored.produce([0, 1000], fields: #""fare":5,"company":null"#)
        try stored.stream(plans)
        let status = try stored.status(plans)
        #expect(status.state == .failing)
        #expect(status.queries.map(\.state) == [.failing, .idle])
        #expect(status.queries[0].skipped == 2)
        #expect(status.reasons.count == 1 && status.reasons[0].contains("\"byCompany\""))
    }

    @Test func doesNotFailForAFilterThatLeavesEverythingOutNorForOpenWindows() throws {
        let stored = try StoredStream()
        let plans = try plans(appending + updating)
        try stored.produce([0, 1000], fields: #""fare":0.5,"company":"A""#)
        try stored.stream(plans)
        let status = try stored.status(plans)
        #expect(status.queries.map(\.results) == [0, 0])
        #expect(status.state == .idle)
    }

    @Test(arguments: [RunRecord.Outcome.success, .failed, .interrupted]) func failsAfterAFailedRun(
        _ outcome: RunRecord.Outcome
    ) throws {
        let stored = try StoredStream()
        let plans = try plans(updating)
        try stored.produce([0])
        try stored.stream(plans)
        let id = try stored.log.begin("batch", at: 5000)
        try stored.log.end(id, outcome, summary: #"{"error":"the disk is full"}"#, at: 6000)
        let status = try stored.status(plans)
        #expect(status.reasons == (outcome == .failed ? ["the last batch failed: the disk is full"] : []))
        #expect(status.state == (outcome == .failed ? .failing : .idle))
        // A later run that succeeds makes up for it.
        try stored.log.end(stored.log.begin("batch", at: 7000), .success, summary: nil, at: 8000)
        #expect(try stored.status(plans).state == .idle)
    }

    @Test func failsWhereMoreThanHalfIsRejected() throws {
        let stored = try StoredStream()
        let plans = try plans(updating)
        try stored.produce([0, 1000])
        try stored.append(["{", "no JSON"], [0, 0])
        try stored.stream(plans, outcome: nil)
        #expect(try stored.status(plans).reasons == [])
        #expect(try stored.status(plans).rejected == ["malformed_json": 2])
        try stored.append(["{"], [0])
        try stored.append(["{"], [0])
        try stored.stream(plans, outcome: nil)
        let status = try stored.status(plans)
        #expect(status.reasons == ["the last stream rejected 2 of 2 records, most with malformed_json"])
        #expect(status.state == .failing)
    }

    @Test func countsAProducersRejectsFromItsSummary() throws {
        let stored = try StoredStream()
        let plans = try plans(updating)
        try stored.produce([0])
        try stored.stream(plans)
        for (rejects, state) in [(5, StreamStatus.State.idle), (6, .failing)] {
            let id = try stored.log.begin("produce", at: 5000 + Int64(rejects))
            try stored.log.end(
                id, .success, summary: #"{"read":10,"rejected":{"bad_money":\#(rejects)}}"#, at: 9000)
            let status = try stored.status(plans)
            #expect(status.rejected == ["bad_money": Int64(rejects)])
            #expect(status.state == state)
        }
    }

    @Test func listsQueriesThatAreNotDeclaredAnyMore() throws {
        let stored = try StoredStream()
        try stored.produce([0])
        try stored.stream(plans(updating))
        let status = try stored.status([])
        #expect(status.queries.map(\.name) == ["fares"])
        #expect(status.queries[0].newestWindow == nil)
    }
}
