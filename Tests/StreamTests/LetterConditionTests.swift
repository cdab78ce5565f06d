import Problems
import Stream
import Testing
import Topics
import Trips

/// Conditions of `dead-letter --where`, against a letter of a file's row, one of a topic's record and one of somebody else's.
@Suite struct LetterConditionTests {
    private static let row = StoredLetter(
        place: .init(partition: 0, offset: 17),
        record: DeadLetter.record(
            of: Reject(
                reason: .badMoney, detail: "fare \"12.5O\" is not an amount",
                location: InputLocation(file: "in/trips.csv", line: 7, column: 1), bytes: Array("a,b".utf8)),
            from: .file(meantFor: "chicago_ingestData")))
    private static let record = StoredLetter(
        place: .init(partition: 1, offset: 3),
        record: DeadLetter.record(
            of: Reject(
                reason: .malformedJSON, detail: "it's none", location: InputLocation(file: "x", line: 5, column: 1),
                bytes: []),
            from: .topic("chicago_ingestData", partition: 2),
            original: TopicRecord(key: nil, value: Array("{".utf8), timestamp: 1000)))
    private static let stranger = StoredLetter(
        place: .init(partition: 0, offset: 18), record: TopicRecord(key: nil, value: [], timestamp: 2000))

    private func condition(_ text: String) throws(Problem) -> LetterCondition {
        try LetterConditionParser.parse(text, tenant: "chicago") { Int64($0) }
    }

    @Test(
        "whom a condition means: r of the row, t of the record, s of the stranger",
        arguments: [
            ("reason = 'bad_money'", "r"), ("reason <> 'bad_money'", "ts"),
            ("reason in ('bad_money', 'unknown')", "rs"), ("reason not in ('bad_money')", "ts"),
            ("topic = 'ingestData'", "rt"), ("topic = 'chicago_ingestData'", "rt"), ("topic != 'ingestData'", ""),
            ("not topic = 'ingestData'", ""), ("topic is null", "s"), ("topic is not null", "rt"),
            ("partition = 2", "t"), ("partition = 2 or partition is null", "rts"), ("offset < 5", ""),
            ("offset <= 5", "t"), ("offset > 5", ""), ("offset >= 5", "t"), ("offset between 5 and 9", "t"),
            ("offset not between 5 and 9", ""), ("offset between 9 and 5", ""), ("offset = -1", ""),
            ("line = 7 AND file = 'trips.csv'", "r"), ("file = 'in/trips.csv'", "r"), ("file = 'rips.csv'", ""),
            ("file contains 'rips'", "r"), ("file not contains 'rips'", ""), ("line is null", "ts"),
            ("letter = '0/17'", "r"), ("letter > '0/17'", "ts"), ("letter >= '0/18' and letter < '1/3'", "s"),
            ("letter between '0/17' and '0/18'", "rs"), ("letter is null", ""),
            ("time < '2000'", "rt"), ("time = '1000' or time = '2000'", "ts"), ("time > '1000'", "s"),
            ("time <= '9223372036854775807'", "rts"), ("detail contains '12.5O'", "r"), ("detail = 'it''s none'", "t"),
            ("was = 'malformed_json'", "t"), ("(reason = 'bad_money' or offset = 5) and not letter = '0/17'", "t"),
            ("reason = 'bad_money' or reason = 'malformed_json' and partition = 1", "r"),
            // Of what a letter does not have neither a comparison nor its opposite holds.
            ("line = 7 or not line = 7", "r"), ("line = 7 and reason = 'x' or reason = 'unknown'", "s"),
        ])
    func means(_ text: String, _ who: String) throws {
        let condition = try condition(text)
        let letters = [("r", Self.row), ("t", Self.record), ("s", Self.stranger)]
        let row = Self.row.record.timestamp
        // A row's time is that at which it was rejected; those of the table are of long ago.
        let expected = text.hasPrefix("time") ? who.filter { $0 != "r" || 2000 > row || text.contains("<= '9") } : who
        #expect(letters.filter { condition.holds(for: $0.1) }.map(\.0).joined() == expected)
    }

    @Test(
        "what is wrong is told with its place and a way out",
        arguments: [
            ("raeson = 'x'", 1, "Did you mean \"reason\"?"), ("reason = bad_money", 10, "single quotes"),
            ("reason > 'x'", 10, "which =, !=, in and contains compare"), ("offset = '5'", 10, "without quotes"),
            ("offset >= 5.5", 11, "not a whole number"), ("time = 'yesterday'", 8, "2024-01-22 13:45:00"),
            ("letter = '17'", 10, "0/17"), ("letter = 17", 10, "single quotes"), ("offset", 7, "expected a comparison"),
            ("offset = 5 offset = 6", 12, "expected \"and\""), ("reason = null", 10, "is null"),
            ("offset contains '5'", 17, "contains nothing"), ("offset not 5", 12, "\"between\""),
            ("reason in ('a'", 15, "\")\""), ("= 5", 1, "begins with one of"), ("reason = 'x", 10, "closing quote"),
            (String(repeating: "(", count: 65) + "offset = 5", 65, "64 deep"),
        ])
    func isRefused(_ text: String, _ column: Int, _ words: String) throws {
        let problem = try #require(throws: Problem.self) { try condition(text) }
        #expect(problem.code == .usage)
        #expect(problem.location?.column == column && problem.location?.line == 1, "\(problem)")
        #expect("\(problem)".contains(words), "\(problem)")
    }

    /// Options of earlier versions mean what they did, whatever a condition would read in them.
    @Test(arguments: [
        ("detail=it's none and nothing", false), ("detail=it's none", true), ("offset=5", true), ("offset=5..9", true),
        ("offset=5 and partition=2", true), ("offset='5'", nil), ("letter=1/3", true), ("letter = '1/3'", true),
        ("file=a and b or c.csv", false), ("time=..2000", true),
    ])
    func shortFormsStayWhatTheyWere(_ term: String, _ isMeant: Bool?) throws {
        let filter = try? DeadLetterFilter(reason: nil, terms: [term], tenant: "chicago", time: { Int64($0) }) {
            (text) throws(Problem) in
            try condition(text)
        }
        #expect(filter?.matches(Self.record) == isMeant)
    }
}
