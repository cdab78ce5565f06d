import HTTPServer
import Problems
import Testing

@testable import Dashboard

/// The pages of workflows and runs, and what their buttons answer.
@Suite struct WorkflowPagesTests: HostilePages {
    let home: HostileHome
    init() throws { home = try HostileHome() }

    @Test(arguments: [
        (Problem(.tryAgain, "1 run is under way", hint: "Wait."), 409, "1 run is under way\nWait.\n"),
        (Problem(.usage, "no interval is \"x\""), 400, "no interval is \"x\"\n"),
        (Problem(.noInput, "there is no workflow \"x\""), 404, "there is no workflow \"x\"\n"),
        (
            Problem(
                .configuration, "there is no step", at: InputLocation(file: "b.yaml", line: 5, column: 14),
                others: [Problem(.configuration, "unknown key", at: InputLocation(file: "b.yaml", line: 6, column: 3))]),
            400, "b.yaml:5:14: there is no step\nb.yaml:6:3: unknown key\n"
        ),
    ])
    func whatCannotBeDoneIsToldWithItsReason(_ problem: Problem, _ status: Int, _ said: String) {
        home.acts.refusal = problem
        let server = server()
        let path = "/t/chicago/workflows/monthly/run"
        let answer = press(server, path)
        #expect(answer.status == status && text(answer) == said)
        let page = press(server, path, accept: "text/html,*/*;q=0.8")
        #expect(page.status == status && text(page).contains("<h1>Not done</h1>"))
        #expect(text(page).contains("role=\"alert\"") && text(page).contains("href=\"/t/chicago/workflows/monthly\""))
    }

    @Test func whatWasDoneIsAPageForABrowser() {
        let server = server()
        let path = "/t/chicago/workflows/monthly/run"
        #expect(text(press(server, path)) == "done\n")
        let page = text(press(server, path, accept: "text/html"))
        #expect(page.hasPrefix("<!DOCTYPE html>") && page.contains("<p role=\"status\">done</p>"))
        let missing = server.answer(get("/t/chicago/topics/none", ["accept": "text/html"]))
        #expect(missing.status == 404 && text(missing).contains("there is no topic &quot;none&quot;"))
        // Nobody learns names of tenants by a foreign name.
        let foreign = server.answer(get("/t/chicago/", ["accept": "text/html", "host": "evil.example"]))
        #expect(foreign.status == 421 && !text(foreign).contains("springfield"))
    }

    @Test func aFileWithMistakesHasItsProblemInPlaceOfAButton() {
        let server = server()
        let list = text(server.answer(get("/t/chicago/workflows")))
        #expect(list.contains("broken.yaml:5:14: no step") && list.contains("Run monthly"))
        #expect(!list.contains("Run broken") && list.contains("href=\"/t/chicago/workflows/broken\""))
        let answer = server.answer(get("/t/chicago/workflows/broken"))
        let page = text(answer)
        #expect(answer.status == 200 && page.contains("broken.yaml:5:14: error: there is no step &lt;script&gt;"))
        #expect(!page.contains("data-action"))
    }

    @Test(arguments: [
        ("running", false, true), ("queued", false, true), ("interrupted", true, true), ("failed", true, false),
        ("cancelled", true, false), ("success", false, false),
    ])
    func aRunHasTheButtonsOfItsState(_ state: String, _ mayRetry: Bool, _ mayCancel: Bool) {
        home.acts.state = state
        let page = text(server().answer(get("/t/chicago/workflows/r1")))
        #expect(page.contains(">Retry<") == mayRetry && page.contains(">Cancel<") == mayCancel)
    }

    /// A picture that shrinks with the window would make the names unreadable.
    @Test func namesOfStepsAreNoPartOfThePicture() {
        let page = text(server().answer(get("/t/chicago/workflows/r1")))
        #expect(page.contains("<div class=\"gantt\"") && page.contains("<div><span>&lt;script&gt;"))
        #expect(!page.contains("<text"))
    }
}
