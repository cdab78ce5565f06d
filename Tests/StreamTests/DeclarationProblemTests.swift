import Basics
import Problems
import Stream
import Testing

@Suite struct DeclarationProblemTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String { "\(line) at \(place)" }
        /// The third line of a query that is right but for it.
        var line: String
        /// Line and column.
        var place: String
        var says: String
        var hint = ""
    }

    private static func problem(of line: String) -> Problem? {
        let aggregates = line.contains("aggregates:") ? "" : "    aggregates: {n: count(), s: sum(fare)}\n"
        return #expect(throws: Problem.self) {
            try QueryCatalog.parse("queries:\n  - name: mine\n    \(line)\n\(aggregates)", file: "f")
        }
    }

    @Test(arguments: [
        Case(line: "where: fare >= 5.005", place: "3:20", says: "more than the 2 decimal places"),
        Case(line: "where: tip > 1", place: "3:12", says: "unknown column \"tip\"", hint: "\"tips\""),
        Case(
            line: "where: fare > 1 and (tips < 2 or compny = 'X')", place: "3:38", says: "\"compny\"",
            hint: "\"company\""),
        Case(line: "where: company = 5", place: "3:22", says: "\"company\" is text, \"5\" is not", hint: "'5'"),
        Case(line: "where: fare = 'a'", place: "3:19", says: "an amount of money", hint: "without quotes"),
        Case(line: "where: trip_seconds > 1.5", place: "3:27", says: "whole number"),
        Case(line: "where: fare = null", place: "3:19", says: "null", hint: "is null"),
        Case(line: "where: company = ''", place: "3:22", says: "empty text is a null", hint: "company is null"),
        Case(line: "where: fare = tips", place: "3:19", says: "another column"),
        Case(line: "where: 5 < fare", place: "3:12", says: "expected a column, found \"5\"", hint: "fare >= 5.00"),
        Case(line: "where: fare", place: "3:16", says: "expected a comparison, found its end"),
        Case(line: "where: fare == 5", place: "3:17", says: "expected a comparison, found \"==\""),
        Case(line: "where: fare > 5 tips > 1", place: "3:21", says: "expected \"and\", \"or\" or the end"),
        Case(line: "where: (fare > 5", place: "3:21", says: "expected \")\""),
        Case(line: "where: fare in (1, x)", place: "3:24", says: "expected a number"),
        Case(line: "where: fare in 1", place: "3:20", says: "expected \"(\""),
        Case(line: "where: company = 'it", place: "3:22", says: "no closing quote"),
        Case(line: "where: fare > 5 & tips > 1", place: "3:21", says: "unexpected \"&\""),
        Case(line: "where: fare > 99999999999999999999", place: "3:19", says: "too large"),
        Case(line: "where: day = '2024-02-30'", place: "3:18", says: "expected a day"),
        Case(
            line: "where: trip_start_timestamp > 'x'", place: "3:35", says: "expected a time",
            hint: "2024-01-22 13:45:00"),
        Case(line: #"where: "company = 'it''s' and tip > 1""#, place: "3:35", says: "\"tip\""),
        Case(line: "where: >-\n      fare > 1\n      and tip > 1", place: "5:11", says: "\"tip\""),
        Case(line: "where: [1]", place: "3:12", says: "expected text, found a list"),
        Case(line: "where: \(String(repeating: "(", count: 300))", place: "3:76", says: "nested more than 64"),
        Case(line: "group: [compny]", place: "3:13", says: "unknown column \"compny\"", hint: "\"company\""),
        Case(line: "group: [fare]", place: "3:13", says: "cannot group by \"fare\"", hint: "fare_bucket"),
        Case(line: "group: [day, day]", place: "3:18", says: "twice"),
        Case(line: "group: company", place: "3:12", says: "expected a list"),
        Case(line: "window: {tumbling: 5}", place: "3:24", says: "expected a length of time", hint: "5s"),
        Case(line: "window: {tumbling: 400d}", place: "3:24", says: "366 days"),
        Case(line: "window: {sliding: 1h, every: 25m}", place: "3:34", says: "no multiple"),
        Case(line: "window: {sliding: 1h}", place: "3:23", says: "needs \"every\""),
        Case(line: "window: {tumbling: 1h, every: 5m}", place: "3:35", says: "has no \"every\""),
        Case(line: "window: {sliding: 1d, every: 1s}", place: "3:34", says: "86400 windows"),
        Case(line: "window: {tumblng: 1h}", place: "3:14", says: "unknown key \"tumblng\"", hint: "\"tumbling\""),
        Case(line: "window: 5s", place: "3:13", says: "expected a window"),
        Case(line: "emit: append", place: "3:11", says: "has no window"),
        Case(line: "emit: apend", place: "3:11", says: "unknown emit mode", hint: "\"append\""),
        Case(line: "window: {tumbling: 5s}\n    emit: complete", place: "4:11", says: "never stops growing"),
        Case(line: "aggregates: {n: cuont()}", place: "3:21", says: "unknown aggregate \"cuont\"", hint: "\"count\""),
        Case(line: "aggregates: {n: sum(company)}", place: "3:25", says: "sum needs a number"),
        Case(line: "aggregates: {n: sum(farre)}", place: "3:25", says: "unknown column \"farre\"", hint: "\"fare\""),
        Case(line: "aggregates: {n: sum()}", place: "3:25", says: "expected a column"),
        Case(line: "aggregates: {n: sum(fare) x}", place: "3:31", says: "expected the end"),
        Case(line: "aggregates: {n: stddev(company)}", place: "3:28", says: "stddev needs a number"),
        Case(line: "aggregates: {n: distinct()}", place: "3:30", says: "expected a column"),
        Case(line: "aggregates: {n: quantile(fare, 1.5)}", place: "3:36", says: "share from 0 to 1"),
        Case(line: "aggregates: {n: quantile(fare)}", place: "3:34", says: "and the share", hint: "0.9"),
        Case(line: "aggregates: {n: quantile(pickup_centroid_latitude, 0.5)}", place: "3:30", says: "coordinate"),
        Case(line: "aggregates: {}", place: "3:17", says: "at least one aggregate"),
        Case(line: "aggregates: {a: sum(fare), a_n: count()}", place: "3:32", says: "column \"a_n\" is there already"),
        Case(
            line: "aggregates: {a: stddev(fare), a_sum_low: count()}", place: "3:35",
            says: "column \"a_sum_low\" is there already"),
        Case(line: "aggregates: {n: count(), N: count()}", place: "3:30", says: "column \"n\" is there already"),
        Case(line: "aggregates: {window_start: count()}", place: "3:18", says: "there already"),
        Case(line: "aggregates: {\"a b\": count()}", place: "3:18", says: "no name for an aggregate"),
        Case(line: "message: [n, t]", place: "3:18", says: "no aggregate \"t\""),
        Case(line: "message: [n, n]", place: "3:18", says: "twice"),
        Case(line: "key: [company]", place: "3:11", says: "does not group by \"company\"", hint: "the query has none"),
        Case(
            line: "group: [company, day]\n    key: [companny]", place: "4:11", says: "group by \"companny\"",
            hint: "company"),
        Case(line: "group: [day]\n    key: [day, day]", place: "4:16", says: "in the key twice"),
        Case(line: "group: [day]\n    key: []", place: "4:10", says: "the key has no group"),
        Case(line: "group: [day]\n    key: day", place: "4:10", says: "a list"),
        Case(line: "table: runs", place: "3:12", says: "taken in the database"),
        Case(line: "table: outbox_order", place: "3:12", says: "taken in the database"),
        Case(line: "topic: x_IngestData", place: "3:12", says: "is taken"),
        Case(line: "aggregates: {revision: count()}", place: "3:18", says: "there already"),
        Case(line: "aggregates: {period_kind: count()}", place: "3:18", says: "there already"),
        Case(line: "table: My", place: "3:12", says: "no name for a table"),
        Case(line: "topic: late", place: "3:12", says: "is taken"),
        Case(line: "windw: none", place: "3:5", says: "unknown key \"windw\"", hint: "\"window\""),
    ])
    func saysWhatIsWrongAndWhere(_ c: Case) {
        let problem = Self.problem(of: c.line)
        #expect(problem?.code == .configuration)
        #expect(problem?.location?.description == "f:\(c.place)")
        #expect(problem?.message.contains(c.says) == true, "\(problem?.message ?? "")")
        let hint = problem?.hint ?? ""
        #expect(c.hint.isEmpty || hint.contains(c.hint), "\(hint)")
        #expect(problem?.others.isEmpty == true, "\(problem?.others ?? [])")
    }

    @Test func collectsAllProblemsOfAFile() {
        let problem = #expect(throws: Problem.self) {
            try QueryCatalog.parse(
                """
                quries: []
                queries:
                  - name: 1st
                    where: fair > 1 and compny = 'x' and tips > 1.001
                    group: [fare, companny]
                    aggregates: {a: sum(fair), b: smu(fare)}
                  - name: second
                    emit: append
                    aggregates: {n: count()}
                  - aggregates: {n: count()}
                  - name: third
                    aggregates: {n: count()}
                  - name: Third
                    aggregates: {n: count()}
                """, file: "f")
        }
        let lines = ([problem].compactMap { $0 } + (problem?.others ?? [])).map { $0.location?.line }
        #expect(lines == [1, 3, 4, 4, 4, 5, 5, 6, 6, 8, 10, 13])
    }

    @Test func tablesAndTopicsMayNotMeet() {
        let problem = #expect(throws: Problem.self) {
            try QueryCatalog.parse(
                """
                queries:
                  - {name: a, table: t, topic: x, aggregates: {n: count()}}
                  - {name: b, table: t, topic: x, aggregates: {n: count()}}
                """, file: "f")
        }
        #expect(problem?.location?.description == "f:3:22")
        #expect(problem?.others.map(\.location?.description) == ["f:3:32"])
    }

    /// A broker refuses to make the second one.
    @Test func topicsDifferInMoreThanDotsAndUnderscores() {
        let problem = #expect(throws: Problem.self) {
            try QueryCatalog.parse(
                """
                queries:
                  - {name: a, topic: by.company, aggregates: {n: count()}}
                  - {name: b, topic: By_company, aggregates: {n: count()}}
                """, file: "f")
        }
        #expect(problem?.location?.description == "f:3:22")
        #expect(problem?.message == "query \"a\" has the topic \"by.company\" already")
        #expect(problem?.hint?.contains("Kafka takes") == true)
    }

    @Test func aWrongGroupIsToldOnceAndNotOfTheKeyAgain() {
        let problem = Self.problem(of: "group: [companny]\n    key: [companny]")
        #expect(problem?.message.contains("companny") == true)
        #expect(problem?.others.isEmpty == true)
    }

    @Test func whateverIsWrittenNeverTraps() {
        var random = SplitMix64(seed: 7)
        let pieces = [
            "fare", "company", "'", "'x'", "5", "-1.5", ".", "(", ")", ",", "and", "or", "not", "in", "is", "null", "=",
            "<>",
            "between", "hour", "day", "é", "*", "\"", "count", "sum", "99999999999999999999",
        ]
        for _ in 0..<300 {
            let text = (0..<Int.random(in: 1..<12, using: &random)).map { _ in pieces.randomElement(using: &random)! }
                .joined(separator: " ")
            let quoted = text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
            let yaml = "queries:\n  - name: q\n    where: '\(quoted)'\n    aggregates: {n: '\(quoted)'}\n"
            _ = try? QueryCatalog.parse(yaml, file: "f")
        }
    }

    /// Names of queries that come with taxi-cli are taken though these do not run, and those of analyses.
    @Test func namesOfOthersAreTaken() throws {
        func problem(_ query: String, _ more: String = "") throws -> Problem? {
            let file = "queries:\n  - {\(query), aggregates: {n: count()}}\n\(more)"
            do throws(Problem) {
                _ = try QueryCatalog.parse(
                    file, file: "f", defaults: true, analyses: ["payment_mix": "(shipped analyses)", "mine": "m.sql"])
                return nil
            } catch { return error }
        }
        let taken = [
            ("name: paymentByDay", "there is a query \"paymentByDay\" already"),
            ("name: SUMFAREWINDOW", "there is a query \"SUMFAREWINDOW\" already"),
            ("name: a, table: hotspotwindow", "query \"hotspotWindow\" has the table"),
            ("name: a, topic: TRIPSTOTALSTREAM", "query \"tripsTotal\" has the topic"),
            ("name: Payment_Mix", "there is an analysis \"payment_mix\" already, in (shipped analyses)"),
            ("name: a, table: mine", "there is an analysis \"mine\" already, in m.sql"),
            ("name: mine, table: a", "there is an analysis \"mine\" already, in m.sql"),
        ]
        for (query, message) in taken {
            let problem = try problem(query)
            #expect(problem?.message.hasPrefix(message) == true, "\(query): \(problem?.message ?? "taken for right")")
            #expect(problem?.location?.line == 2)
        }
        #expect(try problem("name: a, table: b") == nil)
        for name in ["runs", "Outbox", "payment_mix", "TRIPSTOTAL"] {
            let alert = "alerts:\n  - {name: \(name), on: sumFareWindow, if: trips > 1}\n"
            let problem = try problem("name: a", alert)
            #expect(problem?.message.hasPrefix("the name \"\(name)\" ") == true, "\(name)")
            #expect(problem?.location?.description == "f:4:12")
        }
    }

    /// An index is a name in the database too.
    @Test func theIndexOfOneQueryIsNotTheTableOfAnother() {
        let problem = #expect(throws: Problem.self) {
            try QueryCatalog.parse(
                """
                queries:
                  - {name: cash, group: [day, company], aggregates: {n: count()}}
                  - {name: cash_by_day, group: [company], aggregates: {n: count()}}
                """, file: "f")
        }
        #expect(problem?.location?.description == "f:3:12")
    }
}
