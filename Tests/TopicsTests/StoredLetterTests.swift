import Problems
import Testing
import Trips

@testable import Topics

/// What the headers of dead letters say, and which letters are meant.
@Suite struct StoredLetterTests {
    private func letter(
        _ reason: RejectReason = .badMoney, _ detail: String = "fare \"12.5O\" is not an amount", line: Int = 7,
        column: Int = 3, bytes: String = "a,12.5O,b"
    ) -> StoredLetter {
        let location = InputLocation(file: "in/trips.csv", line: line, column: column)
        let reject = Reject(
            reason: reason, detail: detail, location: location, bytes: Array(bytes.utf8), columns: "A,Fare,B")
        let record = DeadLetter.record(
            of: reject, from: .file(meantFor: "chicago_ingestData", reading: "clock=end"), atMs: 5_000)
        return StoredLetter(place: .init(partition: 0, offset: 4), record: record)
    }

    @Test func aRowKnowsItsFileLineAndColumns() {
        let letter = letter()
        #expect(letter.origin == LetterOrigin(topic: "chicago_ingestData", file: "in/trips.csv", line: 7))
        #expect(letter.columns == "A,Fare,B" && letter.reading == "clock=end" && letter.column == 3)
        #expect(letter.ownHeaders.isEmpty && letter.replayCount == 0 && !letter.isCut)
        let quarantined = StoredLetter(
            place: .init(partition: 0, offset: 9), record: DeadLetter.quarantined(letter, since: "again"))
        #expect(quarantined.isQuarantined && quarantined.firstReason == "bad_money" && quarantined.detail == "again")
        #expect(quarantined.origin == letter.origin && quarantined.columns == letter.columns)
        #expect(quarantined.record.value == letter.record.value && quarantined.column == 3)
    }

    @Test func headersThatLookLikeOursStayWithTheRecord() {
        let own: [TopicRecord.Header] = [
            .init(name: "reason", value: [9]), .init(name: "taxi.replay.count", value: Array("2".utf8)),
        ]
        let reject = Reject(
            reason: .malformedJSON, detail: "d", location: .init(file: "t/0", line: 3, column: 1), bytes: [])
        let once = DeadLetter.record(
            of: reject, from: .topic("t", partition: 1),
            original: TopicRecord(key: nil, value: nil, headers: own, timestamp: 1))
        let letter = StoredLetter(place: .init(partition: 0, offset: 0), record: once)
        #expect(letter.ownHeaders == [own[0]] && letter.replayCount == 2 && letter.reason == "malformed_json")
        #expect(letter.origin == LetterOrigin(topic: "t", partition: 1, offset: 3) && letter.origin?.place == "t/1/3")
    }

    @Test(
        arguments: [
            ("fare \"b\" is not an amount", 3, "a,b,b", 2..<3), ("fare \"b\" is not an amount", 5, "a,b,b", 4..<5),
            ("fare \"b\" is not an amount", 1, "a,b,b", nil), ("fare \"b\" is not an amount", 1, "a,b,c", 2..<3),
            ("fare \"\" is empty", 1, "a,b", nil),
            ("expected a value at byte 3", nil, "{\"a", 2..<3), ("expected a value at byte 9", nil, "{\"a", nil),
            ("trip_seconds 1.5 is not a whole number", nil, "{\"x\":1.5,\"trip_seconds\":1.5}", 24..<27),
            ("trip_seconds 1.5 is not a whole number", nil, "{\"x\": 1.5, \"trip_seconds\" : 1.5}", 28..<31),
            ("fare \"1x\" is not an amount", nil, "{\"y\":\"1x\",\"fare\": \"1x\"}", 19..<21),
            ("schema 1 is not in the registry", nil, "\0\0\0\0\u{1}trip 1", 1..<5),
            ("pickup_community_area 78 is out of range", nil, "\0\0\0\0\u{1}a78b78", nil),
            ("25 fields where the header has 23", nil, "a,b", nil), ("it is not one row", 1, "a,b", nil),
            ("a quote is not closed on this line", 9, "a quote,\"b", 8..<9),
            ("it is not one row", 3, "a,\u{e9}", 2..<4),
            ("", nil, "", nil), ("at byte 0", nil, "x", nil),
        ] as [(String, Int?, String, Range<Int>?)]) func theFaultIsFound(
            _ detail: String, _ column: Int?, _ record: String, _ range: Range<Int>?
        )
    {
        #expect(StoredLetter.fault(detail, column: column, in: Array(record.utf8)) == range)
    }

    @Test(
        arguments: [
            (["topic=ingestData"], true), (["topic=chicago_ingestData", "line=7"], true), (["line=8.."], false),
            (["topic=other"], false), (["topic=chicago_chicago_ingestData"], false),
            (["line=..7"], true), (["file=trips.csv"], true), (["file=in/trips.csv"], true), (["file=rips.csv"], false),
            (["letter=4"], true), (["letter=0/2..3"], false), (["letter=1/4"], false), (["partition=0"], false),
            (["time=5..6"], true), (["time=..5"], false), (["time=5"], true), (["was=bad_money"], true),
            (["detail=12.5O"], true),
            (["detail=12.5O", "line=1..6"], false),
        ] as [([String], Bool)]) func conditionsChoose(_ terms: [String], _ isMeant: Bool) throws
    {
        let filter = try DeadLetterFilter(reason: nil, terms: terms, tenant: "chicago") { Int64($0).map { $0 * 1000 } }
        #expect(filter.matches(letter()) == isMeant)
    }

    @Test(arguments: [
        "", "topic", "topic=", "x=1", "line=a", "line=9..3", "offset=-1", "letter=a/1", "letter=-1/1", "time=x",
    ])
    func whatIsNoConditionIsRefused(_ term: String) {
        let problem = #expect(throws: Problem.self) {
            try DeadLetterFilter(reason: nil, terms: [term], tenant: "chicago") { Int64($0) }
        }
        #expect(problem?.code == .usage)
    }

    @Test func aRowThatWasCutIsKnownByItsLength() {
        #expect(letter(.oversized, "a row of more", bytes: String(repeating: "x", count: Reject.keptOfOversized)).isCut)
        #expect(!letter(.oversized, "fare is longer", bytes: "x").isCut)
    }
}
