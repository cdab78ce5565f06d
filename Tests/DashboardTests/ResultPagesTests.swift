import HTTPServer
import Reports
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

    /// Points that no line goes through would not be seen.
    @Test func groupsWhoseTimesLieApartAreBars() throws {
        let columns = ["window_start", "window_end", "place", "count"]
        // Of one group two rows stand beside each other, which makes the others no lines.
        let single = (12..<14).map { index -> [String?] in ["\(index)", "", "once", "1"] }
        let rows = (0..<12).map { index -> [String?] in ["\(index)", "", "p\(index % 3)", "2"] } + single
        func figure(_ instants: @escaping (Int64) -> Int64) throws -> Figure {
            try #require(
                Figure.rows("q", columns: columns, keys: ["place"], rows, instant: { Int64($0).map(instants) }) { $1 })
        }
        let bars = try figure { $0 }
        #expect(bars.pictures.contains("<title>p0: 8.00</title>") && bars.note.contains("Sums over the rows"))
        let all = rows.dropLast(2).flatMap { row in
            (0..<3).map { place -> [String?] in [row[0], "", "p\(place)", "2"] }
        }
        let lines = Figure.rows("q", columns: columns, keys: nil, all, instant: { Int64($0) }) { $1 }
        #expect(lines?.pictures.contains("class=\"k2\"") == true && lines?.note == "")
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
