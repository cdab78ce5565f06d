import Foundation
import HTTP
import Problems
import ServerSupport
import Testing

@Suite struct TransferTests {
    private let url: String
    private let folder: String

    init() throws {
        url = try TestServer.web().url
        folder = NSTemporaryDirectory() + "http-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    private func cleanUp() { try? FileManager.default.removeItem(atPath: folder) }

    @Test func sendsMethodHeadersAndBody() throws {
        var request = HTTPRequest("PATCH", "\(url)/echo/a%20b?c=d", body: .bytes(Array("hällo".utf8)))
        request.headers = [.init("X-One", "1"), .init("X-Empty", "")]
        let response = try request.send()
        #expect(response.status == 200)
        #expect(response["x-kind"] == "test")
        let answer = try #require(JSONSerialization.jsonObject(with: Data(response.body)) as? [String: Any])
        #expect(answer["method"] as? String == "PATCH")
        #expect(answer["path"] as? String == "/echo/a%20b?c=d")
        #expect(answer["body"] as? String == "hällo")
        let headers = try #require(answer["headers"] as? [String: String])
        #expect(headers["x-one"] == "1")
        #expect(headers["x-empty"] == "")
        #expect(headers["content-length"] == "6")
    }

    @Test(arguments: ["POST", "PUT", "PATCH"]) func anEmptyBodyHasALength(_ method: String) throws {
        for body in [HTTPRequest.Body.none, .bytes([])] {
            let response = try HTTPRequest(method, "\(url)/echo", body: body).send()
            #expect(response.text.contains("\"content-length\": \"0\""))
            #expect(response.text.contains("\"method\": \"\(method)\""))
        }
    }

    @Test func givesEveryStatusBack() throws {
        for status in [204, 404, 503] {
            let response = try HTTPRequest("GET", "\(url)/status/\(status)").send()
            #expect(response.status == status)
        }
        let head = try HTTPRequest("HEAD", "\(url)/big/10").send()
        #expect(head.body.isEmpty)
        #expect(head["Content-Length"] == "10")
        let redirect = try HTTPRequest("GET", "\(url)/redirect").send()
        #expect(redirect.status == 302)
    }

    @Test func keepsNoMoreOfABodyThanItMay() throws {
        var request = HTTPRequest("GET", "\(url)/big/3000000")
        request.bodyLimitBytes = 1000
        let response = try request.send()
        #expect(response.body.count == 1000)
        #expect(response.bodyBytes == 3_000_000)
        #expect(!response.bodyIsWhole)
    }

    @Test func sendsAFileAndReceivesOne() throws {
        defer { cleanUp() }
        try "from a file".write(toFile: "\(folder)/in", atomically: true, encoding: .utf8)
        var request = HTTPRequest("PUT", "\(url)/echo", body: .file(path: "\(folder)/in"))
        request.destination = "\(folder)/out"
        let response = try request.send()
        #expect(response.body.isEmpty)
        let text = try String(contentsOfFile: "\(folder)/out", encoding: .utf8)
        #expect(text.contains("\"body\": \"from a file\""))
        #expect(text.utf8.count == Int(response.bodyBytes))
        let left = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        #expect(left == ["in", "out"])
    }

    /// What was refused is no file, and does not replace one.
    @Test func aRefusalLeavesTheFileAlone() throws {
        defer { cleanUp() }
        try "before".write(toFile: "\(folder)/out", atomically: true, encoding: .utf8)
        var request = HTTPRequest("GET", "\(url)/status/404")
        request.destination = "\(folder)/out"
        let response = try request.send()
        #expect(response.text == "status 404\nsecond line")
        let text = try String(contentsOfFile: "\(folder)/out", encoding: .utf8)
        #expect(text == "before")
    }

    @Test func endsInTimeAndWhenStopped() {
        var request = HTTPRequest("GET", "\(url)/never")
        request.timeoutMs = 20
        let late = #expect(throws: Problem.self) { try request.send() }
        #expect(late?.code == .unavailable)
        request.timeoutMs = nil
        let stopped = #expect(throws: Problem.self) { try request.send(isStopped: { true }) }
        #expect(stopped?.code == .tryAgain)
    }

    /// A server that speaks no TLS.
    @Test func trustsNobodyWithoutACertificate() {
        let secure = "https" + url.dropFirst(4)
        let problem = #expect(throws: Problem.self) { try HTTPRequest("GET", secure).send() }
        #expect(problem?.code == .unavailable)
        #expect(problem?.message.hasPrefix("no trusted connection to \(secure): ") == true)
    }

    @Test func saysWhichFileIsMissing() {
        let problem = #expect(throws: Problem.self) {
            try HTTPRequest("PUT", "\(url)/echo", body: .file(path: "/nowhere/file")).send()
        }
        #expect(problem?.code == .noInput)
        #expect(problem?.message.contains("/nowhere/file") == true)
    }
}
