import HTTPServer
import Testing

@testable import Dashboard

/// The pages of topics, records and dead letters, and the same of the API.
@Suite struct TopicPagesTests: HostilePages {
    let home: HostileHome
    init() throws { home = try HostileHome() }

    @Test(
        arguments: [
            ("", nil, nil, nil), ("?partition=2&offset=17", 2, .offset(17), nil), ("?key=a%2Cb", nil, nil, "a%2Cb"),
            ("?time=2024-04-01T00:00", nil, .time(1_711_947_600_000), nil),
            ("?time=2024-04-01", nil, .time(1_711_947_600_000), nil),
            ("?time=2024-04-01T05:00:00.250Z", nil, .time(1_711_947_600_250), nil), ("?at=-5", nil, .time(-5), nil),
            ("?partition=&offset=&time=&key=", nil, nil, nil),
        ] as [(String, Int?, TopicPlace?, String?)])
    func recordsAreChosenByPlaceAndKey(_ query: String, _ partition: Int?, _ place: TopicPlace?, _ key: String?) {
        #expect(server().answer(get("/api/t/chicago/topics/t\(query)")).status == 200)
        #expect(
            home.acts.records == [RecordsAsked(topic: "t", partition: partition, place: place, key: key, limit: 100)])
    }

    @Test(arguments: [
        "/topics/t?offset=abc", "/topics/t?partition=x", "/topics/t?offset=-1", "/topics/t?time=garbage",
        "/topics/t?time=2024-13-01T00:00", "/topics/t?offset=1&time=2024-01-01", "/topics/t?limit=many",
        "/topics/t?tmie=2024-01-01", "/views/v?at=1", "/now?limit=3", "/map?at=noon", "/dead-letters?limit=0",
        "/history?step=x",
    ])
    func whatMeansNothingIsSaid(_ path: String) {
        let answer = server().answer(get("/api/t/chicago\(path)"))
        #expect(answer.status == 400, "\(path): \(answer.status) \(text(answer))")
        #expect(home.acts.records.isEmpty)
    }

    @Test func aParameterThatIsNotKnownIsToldWithThoseThatAre() {
        let answer = server().answer(get("/api/t/chicago/topics/t?tiem=1"))
        #expect(
            text(answer)
                == "/api/t/chicago/topics/t has no parameter \"tiem\": it has partition, offset, time, at, key, limit\n"
        )
    }

    @Test func aRecordIsATableOfItsMembersAndHeaders() {
        let answer = server().answer(get("/t/chicago/topics/t/1/7"))
        let page = text(answer)
        #expect(answer.status == 200 && page.contains("Its members") && page.contains("<h2>Headers</h2>"))
        #expect(page.contains("<mark>&lt;script&gt;") && !page.contains("<script>"))
        #expect(page.contains("href=\"/t/chicago/topics/t/1/6\"") && page.contains("href=\"/t/chicago/topics/t/1/8\""))
        #expect(home.acts.records.map(\.limit) == [1] && home.acts.records[0].place == .offset(7))
        #expect(server().answer(get("/t/chicago/topics/t/1/9")).status == 404)
        #expect(server().answer(get("/t/chicago/topics/t/1/x")).status == 400)
    }

    @Test func reasonsAreLinksThatChoose() {
        let all = text(server().answer(get("/t/chicago/dead-letters")))
        #expect(all.contains("href=\"/t/chicago/dead-letters?reason=bad_money\">1,200 bad_money</a>"))
        #expect(all.contains("a,<mark>12.&lt;x</mark>,b") && all.contains("<td>&lt;b&gt;</td>"))
        #expect(all.contains("href=\"/t/chicago/topics/chicago_deadLetter/1/5\""))
        let some = text(server().answer(get("/t/chicago/dead-letters?reason=bad_money")))
        #expect(some.contains("aria-current=\"true\">1,200 bad_money"))
        #expect(some.contains("<mark>") && some.contains("1 &lt;b&gt;</a>") && !some.contains("<td>&lt;b&gt;</td>"))
        let none = text(server().answer(get("/t/chicago/dead-letters?reason=other")))
        #expect(none.contains("No record was rejected with this reason."))
    }

    /// Of a record that is wider than any window the marked bytes are what is shown.
    @Test func anExcerptIsWhatStandsAroundTheMark() {
        let long = String(repeating: "x", count: 300)
        let text = MarkedText(long, marked: "!", after: long).excerpt(letters: 60)
        #expect(text.before.count == 61 && text.marked == "!" && text.after.count == 61)
        #expect(
            MarkedText("a", marked: "b", after: "c").excerpt(letters: 60) == MarkedText("a", marked: "b", after: "c"))
        #expect(MarkedText(long).excerpt(letters: 60).before.count == 121)
    }
}
