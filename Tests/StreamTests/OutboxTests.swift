import Database
import SQLite
import Testing
import Topics

@testable import Stream
import Time
@testable import Trips

/// What an earlier process had committed and not sent is looked through before it goes to a topic.
@Suite struct OutboxTests {
    /// Whole, with a company's name that is no UTF-8, and with times that are none of its records.
    @Test(arguments: [(false, 0, true), (true, 0, false), (false, 1, false)] as [(Bool, EventTime, Bool)])
    func onlyWhatEverybodyCanReadIsSent(isDamaged: Bool, later: EventTime, isSent: Bool) throws {
        let stream = try StoredStream()
        let batch = TripBatch(capacity: 1)
        batch.column(.company)[0] = batch.keep(Array("Flash Cab".utf8)).cell
        batch.eventTimes[0] = origin
        (batch.count, batch.fields) = (1, [.init(.company)])
        var encoder = TripColumnsEncoder()
        var payload = encoder.encode(batch)
        if isDamaged { payload[try #require(payload.firstIndex(of: UInt8(ascii: " ")))] = 0xff }
        try stream.database.connection.execute(
            "INSERT INTO outbox VALUES ('stream:fares', 1, ?, 0, 1, ?, ?, 2, ?)", .text(stream.topic),
            .integer(origin + later), .integer(origin + later), .blob(payload))
        func recover() throws {
            var check = try SentCheck(["fares"], results: stream.database.connection, topics: stream.store)
            try check.recover(stream.store.makeWriter(), topic: nil)
        }
        if isSent {
            try recover()
        } else {
            #expect { try recover() } throws: { ($0 as? SQLiteError)?.code == .corrupt }
        }
        #expect(try stream.store.describe(stream.topic).recordCount == (isSent ? 1 : 0))
    }
}
