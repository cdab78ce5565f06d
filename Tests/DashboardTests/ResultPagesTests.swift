import HTTPServer
import Testing

@testable import Dashboard

/// The page of windows: charts of any query, and stretches of time.
@Suite struct ResultPagesTests: HostilePages {
    let home: HostileHome
    init() throws { home = try HostileHome() }

    @Test func theLargestGroupsOfAQueryAreLines() {
        let page = text(server().answer(get("/t/chicago/windows?view=cashbycompany")))
        #expect(page.contains("<svg class=\"chart wide\"") && page.contains("<svg class=\"chart narrow\""))
        #expect(page.contains("The 6 of 10 groups with the largest sums of trips."))
        // The one with the most trips comes first, the one with the fewest is in the table alone.
        #expect(page.contains(">9&lt;script&gt;") && page.contains("class=\"k5\"") && !page.contains("class=\"k6\""))
        #expect(!page.contains("<script>"))
    }

    @Test func aTableWithoutGroupsHasAPanelForEachColumn() {
        let page = text(server().answer(get("/t/chicago/windows?view=sumfarewindow")))
        #expect(page.contains("<svg class=\"chart wide\"") && page.contains(">fare</text>"))
        #expect(text(server().answer(get("/assets/app.css"))).contains(".chart .k0{"))
    }

    @Test func aStretchOfTimeIsChosenByTheTenantsClock() {
        let server = server()
        let path = "windows?view=sumfarewindow&from=2024-04-01T00:00&to=2024-04-02T00:00"
        let page = text(server.answer(get("/t/chicago/\(path)")))
        #expect(home.acts.times == 1_711_947_600_000..<1_712_034_000_000)
        #expect(
            page.contains("value=\"2024-04-01T00:00\"") && page.contains("&amp;to=2024-01-01T00%3A00%3A00\">Earlier"))
        #expect(server.answer(get("/api/t/chicago/views/sumfarewindow?from=2024-04-01")).status == 200)
        #expect(home.acts.times?.lowerBound == 1_711_947_600_000)
        for query in ["from=garbage", "from=2024-04-02&to=2024-04-01"] {
            #expect(server.answer(get("/t/chicago/windows?\(query)")).status == 400)
        }
    }
}
