import Foundation
import HTTP
import Problems
import Testing

@Suite struct HTTPRequestTests {
    @Test func namesAPlaceWithoutItsSecrets() {
        #expect(HTTPRequest("GET", "https://me:hush@host:8/a/b?key=hush#c").place == "https://host:8/a/b")
        #expect(HTTPRequest("GET", "http://host?key=hush").place == "http://host")
    }

    @Test(arguments: [
        HTTPRequest("GET", "ftp://host/hush"), HTTPRequest("GET IT", "http://host"),
        HTTPRequest("GET", "http://host", headers: [.init("a b", "c")]),
        HTTPRequest("GET", "http://host", headers: [.init("a", "hush\r\nb: c")]),
    ])
    func refusesWhatIsNoRequest(_ request: HTTPRequest) {
        let problem = #expect(throws: Problem.self) { try request.send() }
        #expect(problem?.code == .configuration)
        #expect(problem?.message.contains("hush") == false)
    }

    /// Port 1 of this machine: nobody listens there.
    @Test func saysWhoDoesNotAnswer() {
        let problem = #expect(throws: Problem.self) { try HTTPRequest("GET", "http://127.0.0.1:1/?key=hush").send() }
        #expect(problem?.code == .unavailable)
        #expect(problem?.message.hasPrefix("could not connect to http://127.0.0.1:1/: ") == true)
        #expect(problem?.message.contains("hush") == false)
    }
}
