import Stream
import Testing
import Topics

@testable import Audit

/// Messages are the same whether a backend keeps them as columns or as JSON records.
@Suite struct ResultMessagesTests {
    @Test func recordsSayWhatColumnsSay() throws {
        let tenant = try AuditedTenant()
        let plans = try allQueries()
        try tenant.produce(Trip.random(800, seed: 30))
        try tenant.stream(plans)
        for plan in plans {
            let reader = try tenant.store.makeReader(topic: "chicago_\(plan.topicSuffix)")
            let columns = try #require(try reader.read(partition: 0, from: 0))
            #expect(columns.encoding == .results)
            var records = columns
            records.encoding = .records
            records.payload = RecordBatch.encode(try columns.records())
            let messages = ResultMessages(plan)
            var (first, second): ([String], [String]) = ([], [])
            try messages.forEach(in: columns) { first.append("\($0) \($1 as Any)") }
            try messages.forEach(in: records) { second.append("\($0) \($1 as Any)") }
            #expect(first.count == columns.count)
            #expect(first == second, "\(plan.name)")
            #expect(!first.contains { $0.hasSuffix(" nil") })
        }
    }

    @Test(arguments: [#""99999999999999999-1-1""#, #""2024-99999999999999999-1""#, #""2024-1-9223372036854775807""#])
    func aDayThatIsNoneIsNoMessage(day: String) throws {
        let plan = try #require(try QueryCatalog.load().first { $0.name == "tripsTotal" })
        let record = TopicRecord(key: nil, value: Array("{\"day\":\(day)}".utf8), timestamp: 0)
        let batch = StoredBatch(
            partition: 0, baseOffset: 0, count: 1, times: 0...0, encoding: .records,
            payload: RecordBatch.encode([record]))
        try ResultMessages(plan).forEach(in: batch) { #expect($0 == 0 && $1 == nil) }
    }

    @Test(arguments: [
        "", "{", "[]", #"{"count":}"#, #"{"count":1"#, #"{"count":true}"#,
        #"{"window":{"start":"x","end":"y"},"count":1}"#,
        #"{"count":1}x"#, String(repeating: #"{"a":"#, count: 300_000),
    ])
    func whatIsNoMessageIsTold(text: String) throws {
        let plan = try #require(try QueryCatalog.load().first { $0.name == "hotspotWindow" })
        let record = TopicRecord(key: nil, value: Array(text.utf8), timestamp: 0)
        let batch = StoredBatch(
            partition: 0, baseOffset: 7, count: 1, times: 0...0, encoding: .records,
            payload: RecordBatch.encode([record]))
        var isMessage: Bool?
        try ResultMessages(plan).forEach(in: batch) { offset, message in
            #expect(offset == 7)
            isMessage = message != nil
        }
        #expect(isMessage == false)
    }
}
