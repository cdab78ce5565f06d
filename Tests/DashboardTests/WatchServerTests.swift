import Database
import Foundation
import HTTPServer
import Monitoring
import Problems
import Testing

@testable import Dashboard

/// What the pages answer, and to whom.
@Suite struct WatchServerTests: HostilePages {
    let home: HostileHome

    init() throws { home = try HostileHome() }

    private static let pages = [
        "/", "/t/chicago/", "/t/chicago/windows", "/t/chicago/windows?view=cashbycompany", "/t/chicago/map",
        "/t/chicago/analytics", "/t/chicago/workflows",
        "/t/chicago/workflows/r1", "/t/chicago/workflows/broken", "/t/chicago/models", "/t/chicago/topics",
        "/t/chicago/topics/t/1/7", "/t/chicago/dead-letters", "/t/chicago/dead-letters?reason=bad_money",
        "/t/chicago/schemas",
        "/t/chicago/settings",
    ]

    @Test func aRunsPageAsksForNoOtherWorkflow() {
        let server = server()
        for _ in 0..<3 { #expect(server.answer(get("/t/chicago/workflows/r1")).status == 200) }
        #expect(home.acts.asked == 0)
        #expect(server.answer(get("/t/chicago/workflows/monthly")).status == 200)
        #expect(home.acts.asked > 0)
    }

    @Test func aMistakeInTheModelsFileStandsAboveTheirBatches() {
        home.acts.hasMistakes = true
        let response = server().answer(get("/t/chicago/models"))
        let html = text(response)
        #expect(response.status == 200 && html.contains("ml.yaml:3: &lt;script&gt;") && html.contains("Batches"))
        #expect(!html.contains(hostileText))
    }

    @Test func aForecastThatIsWorseThanTheSimpleOneIsToldInWords() {
        let html = text(server().answer(get("/t/chicago/models")))
        #expect(html.contains("is worse than naive: it is off by 3.5 on the mean, the simple one by 2.5."))
        #expect(html.contains("<td>Near North Side</td>") && html.contains("<td>worse</td>"))
        #expect(html.contains("<td>8</td>") && !html.contains("Near North Side: "))
    }

    @Test(arguments: pages) func everyPageIsWholeAndSafe(_ path: String) {
        let response = server().answer(get(path))
        let html = text(response)
        #expect(response.status == 200, "\(html)")
        #expect(html.hasPrefix("<!DOCTYPE html>") && html.hasSuffix("</html>"))
        #expect(!html.contains("<script>") && !html.contains("\u{1B}"))
        #expect(html.utf8.count < 100_000 || path.hasSuffix("map"))
        let policy = response.headers.filter { $0.name == "Content-Security-Policy" }.map(\.value)
        #expect(policy.count == 1 && policy[0].contains("script-src 'self'") && !policy[0].contains("unsafe"))
        #expect(!html.contains(" style=") && !html.contains(" onclick="))
    }

    @Test func textsOfTheDataAreShownAsTheyAre() {
        let html = text(server().answer(get("/t/chicago/workflows")))
        #expect(html.contains("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;'"))
    }

    @Test func deadLettersAreSentAgainOnlyBehindTheirFigures() {
        #expect(!text(server().answer(get("/t/chicago/dead-letters"))).contains("dead-letters/replay"))
        let html = text(server().answer(get("/t/chicago/dead-letters?dry-run=1")))
        #expect(
            html.contains("<td class=\"n\">7</td>") && html.contains("data-action=\"/t/chicago/dead-letters/replay\""))
        let readOnly = server { $0.isReadOnly = true }
        #expect(!text(readOnly.answer(get("/t/chicago/dead-letters?dry-run=1"))).contains("data-action"))
        #expect(readOnly.answer(get("/t/chicago/dead-letters/replay", method: "POST")).status == 403)
        let mine = server()
        #expect(
            mine.answer(get("/t/chicago/dead-letters/replay", method: "POST")).status == 403 && home.acts.all.isEmpty)
        let headers = ["x-taxi-session": mine.sessionToken, "origin": "http://127.0.0.1:8787"]
        #expect(mine.answer(get("/t/chicago/dead-letters/replay", headers, method: "POST")).status == 200)
        #expect(home.acts.all == [.replayDeadLetters])
    }

    @Test(arguments: ["evil.example", "evil.example:8787", "127.0.0.1.evil.example:8787", "[::2]:1", ""])
    func aNameOfSomebodyElseIsNotAnswered(_ host: String) {
        #expect(server().answer(get("/metrics", ["host": host])).status == 421)
    }

    @Test(arguments: ["localhost", "LOCALHOST:1", "127.0.0.1:8787", "127.1.2.3", "[::1]:8787"])
    func namesOfThisMachineAreAnswered(_ host: String) {
        #expect(server().answer(get("/metrics", ["host": host])).status == 200)
    }

    @Test func actionsNeedTheSessionAndThisOrigin() {
        let server = server()
        let path = "/t/chicago/workflows/monthly/run"
        let session = ["x-taxi-session": server.sessionToken]
        func status(_ headers: [String: String]) -> Int { server.answer(get(path, headers, method: "POST")).status }
        #expect(status([:]) == 403)
        let other = (server.sessionToken.hasPrefix("0") ? "1" : "0") + server.sessionToken.dropFirst()
        #expect(status(["x-taxi-session": other]) == 403)
        #expect(status(session.merging(["origin": "http://evil.example"]) { $1 }) == 403)
        #expect(status(session.merging(["origin": "null"]) { $1 }) == 403)
        #expect(status(session.merging(["sec-fetch-site": "cross-site"]) { $1 }) == 403)
        #expect(home.acts.all.isEmpty)
        #expect(
            status(session.merging(["origin": "http://127.0.0.1:8787", "sec-fetch-site": "same-origin"]) { $1 }) == 200)
        #expect(home.acts.all == [.run(workflow: "monthly")])
        #expect(server.answer(get(path)).status == 404, "an action is no page")
    }

    /// What a browser sends that runs no scripts.
    @Test func formsOfPagesDoWithoutScripts() {
        let server = server()
        let page = text(server.answer(get("/t/chicago/workflows/monthly")))
        #expect(page.contains("<svg") && page.contains("name=\"interval\""))
        for field in ["method=\"post\"", "value=\"\(server.sessionToken)\""] { #expect(page.contains(field)) }
        let headers = [
            "content-type": "application/x-www-form-urlencoded", "origin": "http://127.0.0.1:8787",
        ]
        var request = get("/t/chicago/workflows/monthly/backfill", headers, method: "POST")
        request.body = Array("interval=2024-Q1&session=\(server.sessionToken)".utf8)
        #expect(server.answer(request).status == 200)
        #expect(home.acts.all == [.backfill(workflow: "monthly", interval: "2024-Q1")])
    }

    @Test func aServerThatOnlyShowsHasNoButtons() {
        let server = server { $0.isReadOnly = true }
        #expect(!text(server.answer(get("/t/chicago/workflows/monthly"))).contains("<button"))
        let headers = ["x-taxi-session": server.sessionToken]
        #expect(server.answer(get("/t/chicago/workflows/r/cancel", headers, method: "POST")).status == 403)
        #expect(!text(server.answer(get("/t/chicago/workflows"))).contains("<button"))
        #expect(home.acts.all.isEmpty)
    }

    @Test func whoDoesNotKnowTheTokenSeesNothing() {
        let server = server(isLoopback: false) { $0.token = "correct horse" }
        #expect(server.answer(get("/metrics")).status == 401)
        #expect(server.answer(get("/metrics", ["authorization": "Bearer correct hors"])).status == 401)
        #expect(
            server.answer(get("/metrics", ["authorization": "Bearer correct horse", "host": "taxi.example"])).status
                == 200)
        #expect(server.answer(get("/t/chicago/", ["accept": "text/html"])).status == 303)
        var login = get("/login", ["content-type": "application/x-www-form-urlencoded"], method: "POST")
        login.body = Array("token=wrong".utf8)
        #expect(server.answer(login).status == 403)
        login.body = Array("token=correct+horse".utf8)
        let answer = server.answer(login)
        let cookie = answer.headers.first { $0.name == "Set-Cookie" }?.value ?? ""
        #expect(answer.status == 303 && cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"))
        let pair = String(cookie.prefix { $0 != ";" })
        #expect(server.answer(get("/t/chicago/", ["cookie": "other=1; \(pair)"])).status == 200)
    }

    // MARK: Schemas

    private func ask(
        _ server: WatchServer, _ method: String, _ path: String, _ body: String = "", _ headers: [String: String] = [:]
    )
        -> String
    {
        var request = get(path, headers, method: method)
        request.body = Array(body.utf8)
        let response = server.answer(request)
        return "\(response.status) \(text(response))"
    }

    /// Its folder is made, as that of a tenant that something was written of.
    private func filled() throws -> String {
        try home.tenantHome.create()
        return home.tenantHome.path
    }

    @Test func servesTheRegistryOfEachTenant() throws {
        let folder = try filled()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let server = server()
        let schema = #"{"schema":"\"int\""}"#
        #expect(ask(server, "GET", "/registry/subjects") == "200 []")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        #expect(ask(server, "POST", "/t/chicago/registry/subjects/a/versions", schema) == #"200 {"id":1}"#)
        #expect(
            ask(server, "POST", "/registry/subjects/a%2Fb/versions/".removingPercentEncoding!, schema)
                == #"200 {"id":1}"#)
        #expect(ask(server, "GET", "/registry/subjects/") == #"200 ["a","a/b"]"#)
        #expect(
            ask(server, "PUT", "/registry/config", #"{"compatibility":"NONE"}"#) == #"200 {"compatibility":"NONE"}"#)
        #expect(ask(server, "GET", "/registry") == "200 {}")
        #expect(ask(server, "GET", "/registry/none") == #"404 {"error_code":404,"message":"HTTP 404 Not Found"}"#)
        #expect(ask(server, "GET", "/t/nobody/registry/subjects").hasPrefix(#"404 {"error_code":404,"message":""#))
        #expect(
            ask(server, "GET", "/registry/subjects", "", ["host": "evil.example"]).hasPrefix(#"421 {"error_code":421,"#)
        )
        #expect(
            ask(server, "POST", "/registry/subjects/a", schema, ["origin": "http://evil.example"]).hasPrefix(
                #"403 {"error_code":403,"#))
        let shown = self.server { $0.isReadOnly = true }
        #expect(ask(shown, "DELETE", "/registry/subjects/a").hasPrefix(#"422 {"error_code":42205,"#))
        #expect(ask(shown, "GET", "/registry/subjects/a/versions") == "200 [1]")
        let metrics = self.server { $0.isMetricsOnly = true }
        #expect(ask(metrics, "GET", "/registry/subjects").hasPrefix("404"))
    }

    @Test func asksClientsOfTheRegistryForTheToken() {
        let server = server(isLoopback: false) { $0.token = "correct horse" }
        for path in ["/registry/subjects", "/t/chicago/registry/subjects", "/t/nobody/registry/subjects"] {
            #expect(ask(server, "GET", path).hasPrefix(#"401 {"error_code":401,"message":""#))
        }
        let basic = ["authorization": "Basic \(Data("me:correct horse".utf8).base64EncodedString())"]
        for given in [basic, ["authorization": "Bearer correct horse"], ["cookie": "taxi_token=correct%20horse"]] {
            #expect(ask(server, "GET", "/registry/subjects", "", given) == "200 []")
        }
    }

    @Test func showsSchemasAndWhatTheyChanged() throws {
        let folder = try filled()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let server = server()
        let subject = "<script>x</script>-value"
        func register(_ more: String) -> String {
            let schema =
                #"{\"type\":\"record\",\"name\":\"T\",\"doc\":\"<script>alert(1)</script>\u009b\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}\#(more)]}"#
            return ask(server, "POST", "/registry/subjects/\(subject)/versions", #"{"schema":"\#(schema)"}"#)
        }
        #expect(register("") == #"200 {"id":1}"#)
        #expect(register(#",{\"name\":\"b\",\"type\":\"long\",\"default\":0}"#) == #"200 {"id":2}"#)
        let list = ask(server, "GET", "/t/chicago/schemas")
        #expect(list.contains("&lt;script&gt;x&lt;/script&gt;-value</a>") && list.contains("BACKWARD"))
        for parameters in ["", "?version=2&against=1", "?version=nothing&against=99"] {
            let page = ask(server, "GET", "/t/chicago/schemas/\(subject)\(parameters)")
            #expect(
                page.contains(
                    "<ins>+     {&quot;name&quot;:&quot;b&quot;,&quot;type&quot;:&quot;long&quot;,&quot;default&quot;:0}</ins>"
                ))
            #expect(!page.contains("<script>") && !page.contains("\u{9b}"))
        }
        let first = ask(server, "GET", "/t/chicago/schemas/\(subject)?version=1")
        #expect(first.contains("1 of 2") && !first.contains("<ins>"))
        #expect(ask(server, "GET", "/t/chicago/schemas/none").hasPrefix("404"))
    }

    @Test func tokensAreComparedWhole() {
        for (given, wanted, isSame) in [
            ("abc", "abc", true), ("", "abc", false), ("abcd", "abc", false), ("ab", "abc", false),
            ("abd", "abc", false),
        ] {
            #expect(AccessRules.isSame(given, wanted) == isSame)
        }
    }

    @Test(arguments: [
        "/t/nobody/", "/t/chicago/nothing", "/api/t/nobody/now", "/api/nothing", "/t/chicago/../../etc/passwd",
        "/assets/../app.css",
    ])
    func whatIsNotThereIsSaid(_ path: String) { #expect(server().answer(get(path)).status == 404) }

    @Test(arguments: ["PUT", "DELETE", "OPTIONS", "TRACE"]) func otherMethodsAreRefused(_ method: String) {
        #expect(server().answer(get("/", method: method)).status == 405)
    }

    @Test func metricsAloneShowNoPages() {
        let server = server { $0.isMetricsOnly = true }
        #expect(server.answer(get("/metrics")).status == 200 && server.answer(get("/readyz")).status == 200)
        #expect(server.answer(get("/t/chicago/")).status == 404 && server.answer(get("/assets/app.js")).status == 404)
    }

    @Test func theDescriptionNamesEachAddressOfTheAPI() throws {
        let server = server()
        let document =
            try JSONSerialization.jsonObject(with: Data(text(server.answer(get("/api/openapi.json"))).utf8))
            as? [String: Any]
        let paths = try #require(document?["paths"] as? [String: Any])
        for path in paths.keys {
            let asked = path.replacing("{tenant}", with: "chicago").replacing("{view}", with: "sumfarewindow")
                .replacing("{run}", with: "r").replacing("{topic}", with: "t")
            let answer = server.answer(get(asked))
            let isThere = answer.status == 200 || text(answer).contains("yet")
            #expect(isThere, "\(asked): \(text(answer))")
        }
        #expect(
            server.answer(get("/api/tenants", ["x-taxi-session": server.sessionToken], method: "POST")).status != 500)
    }

    @Test func openMetricsIsGivenToWhoAsksForIt() {
        let classic = server().answer(get("/metrics"))
        #expect(
            classic.headers.contains { $0.name == "Content-Type" && $0.value.hasPrefix("text/plain; version=0.0.4") })
        let open = server().answer(
            get("/metrics", ["accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"]))
        #expect(text(open).hasSuffix("# EOF\n") && text(open).contains("taxi_build_info{version=\"1.2.3\"} 1"))
    }

    @Test func numbersAreWrittenForPeople() {
        #expect(Shown.count(1_234_567) == "1,234,567" && Shown.count(-1000) == "-1,000" && Shown.count(999) == "999")
        #expect(Shown.money(4842.03) == "$4,842.03" && Shown.number(.infinity) == "never")
        #expect(Shown.duration(seconds: 0.0544) == "54 ms" && Shown.duration(seconds: 11_100) == "3 h 05 min")
        #expect(
            Shown.bytes(27552) == "26.9 KiB" && Shown.time("2024-01-22T19:45:00.000-06:00") == "2024-01-22 19:45:00")
    }
}
