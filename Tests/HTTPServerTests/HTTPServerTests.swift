import Foundation
import Problems
import Testing

@testable import HTTPServer

/// The web server against clients of every kind.
@Suite struct HTTPServerTests {
    private func serve(_ change: (inout HTTPServer.Options) -> Void = { _ in }) throws -> HTTPServer {
        var options = HTTPServer.Options(listen: "127.0.0.1:0")
        change(&options)
        return try HTTPServer(options) { request in
            switch request.path {
            case "/echo":
                HTTPServerResponse(
                    type: "text/plain", "\(request.method) \(request.parameter("a") ?? "-") \(request.body.count)")
            case "/empty": HTTPServerResponse(204, type: "text/plain", "")
            default: HTTPServerResponse(404, type: "text/plain", "no \(request.path)")
            }
        }
    }

    /// Sends bytes on a connection of its own; gives what comes back until the server closes it.
    private func talk(_ server: HTTPServer, _ bytes: String, seconds: Int = 20) throws -> String {
        let socket = try connect(server)
        defer { close(socket) }
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        _ = bytes.utf8CString.withUnsafeBytes {
            send(socket, $0.baseAddress, $0.count - 1, Int32(MSG_NOSIGNAL))
        }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while case let count = recv(socket, &buffer, buffer.count, 0), count > 0 { answer += buffer[..<count] }
        return String(decoding: answer, as: UTF8.self)
    }

    private func connect(_ server: HTTPServer) throws -> Int32 {
        let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = server.address.port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(file, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(code == 0, "\(errno)")
        return file
    }

    @Test func requestsAreAnswered() throws {
        let server = try serve()
        defer { server.stop() }
        let end = "Host: x\r\nConnection: close\r\n"
        #expect(try talk(server, "GET /echo?a=b%20c HTTP/1.1\r\n\(end)\r\n").hasSuffix("GET b c 0"))
        #expect(try talk(server, "POST /echo HTTP/1.1\r\n\(end)Content-Length: 5\r\n\r\nhello").hasSuffix("POST - 5"))
        #expect(try talk(server, "GET /../../etc/passwd HTTP/1.1\r\n\(end)\r\n").contains("404"))
        #expect(try talk(server, "HEAD /echo HTTP/1.1\r\n\(end)\r\n").hasSuffix("\r\n\r\n"))
        #expect(try talk(server, "GET /empty HTTP/1.1\r\n\(end)\r\n").hasPrefix("HTTP/1.1 204"))
    }

    @Test func brokenRequestsEndTheirConnectionsAlone() throws {
        let server = try serve()
        defer { server.stop() }
        for broken in [
            "\u{0}\u{1}\u{2}\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", "\r\n\r\n\r\n\r\n",
        ] {
            let answer = try talk(server, broken + "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", seconds: 1)
            #expect(!answer.hasPrefix("HTTP/1.1 200"))
        }
        #expect(try talk(server, "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").contains("200"))
    }

    @Test func bodiesAndHeadersHaveLimits() throws {
        let server = try serve { $0.bodyBytes = 1000 }
        defer { server.stop() }
        let body = String(repeating: "x", count: 1001)
        #expect(
            try talk(
                server, "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1001\r\n\r\n\(body)"
            ).hasPrefix("HTTP/1.1 413"))
        let header = "X: \(String(repeating: "y", count: 100_000))\r\n"
        #expect(
            try talk(server, "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\(header)\r\n").hasPrefix(
                "HTTP/1.1 4"))
    }

    /// One that sends a byte now and then is not idle, and would hold its connection for ever.
    @Test func aSlowLorisIsClosed() throws {
        let server = try serve { $0.requestSeconds = 1 }
        defer { server.stop() }
        let socket = try connect(server)
        defer { close(socket) }
        var time = timeval(tv_sec: 0, tv_usec: 200_000)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        let began = ContinuousClock.now
        var isClosed = false
        var letters = Array("GET /echo HTTP/1.1\r\nX: ".utf8)[...]
        var byte: UInt8 = 0
        while !isClosed, ContinuousClock.now - began < .seconds(30) {
            var next = letters.popFirst() ?? UInt8(ascii: "z")
            if send(socket, &next, 1, Int32(MSG_NOSIGNAL)) != 1 { isClosed = true }
            let count = recv(socket, &byte, 1, 0)
            if count == 0 || count < 0 && errno != EAGAIN { isClosed = true }
        }
        #expect(isClosed)
    }

    @Test func manyClientsOfAStreamGetEachEventAndTheServerStops() throws {
        let channel = EventChannel()
        let server = try HTTPServer(HTTPServer.Options(listen: "127.0.0.1:0")) { _ in
            HTTPServerResponse(events: channel)
        }
        let sockets = try (0..<200).map { _ in try connect(server) }
        defer { for socket in sockets { close(socket) } }
        let request = "GET /events HTTP/1.1\r\nHost: x\r\n\r\n"
        for socket in sockets { _ = request.withCString { send(socket, $0, strlen($0), 0) } }
        try wait { channel.clientCount == 200 }
        for number in 1...5 { channel.publish(event: "now", data: "{\"number\":\(number)}") }
        for socket in sockets {
            var time = timeval(tv_sec: 10, tv_usec: 0)
            setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
            var text = ""
            var buffer = [UInt8](repeating: 0, count: 65536)
            // A client may have read on between two of them; the last one comes to all.
            while !text.contains("\"number\":5"), case let count = recv(socket, &buffer, buffer.count, 0), count > 0 {
                text += String(decoding: buffer[..<count], as: UTF8.self)
            }
            #expect(text.contains("data: {\"number\":5}\n\n"))
        }
        for socket in sockets.prefix(50) { shutdown(socket, Int32(SHUT_RDWR)) }
        channel.publish(event: "now", data: "{}")
        server.stop()
        #expect(channel.clientCount == 0)
    }

    private func wait(_ condition: () -> Bool) throws {
        let began = ContinuousClock.now
        while !condition() {
            try #require(ContinuousClock.now - began < .seconds(30))
            poll(nil, 0, 5)
        }
    }

    @Test func aConnectionTooManyIsTurnedAway() throws {
        let server = try serve { $0.connectionsPerAddress = 10 }
        defer { server.stop() }
        let sockets = try (0..<40).map { _ in try connect(server) }
        defer { for socket in sockets { close(socket) } }
        var refused = 0
        for socket in sockets.dropFirst(20) {
            var time = timeval(tv_sec: 5, tv_usec: 0)
            setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
            var byte: UInt8 = 0
            // Closed, or reset.
            let count = recv(socket, &byte, 1, 0)
            if count == 0 || count < 0 && errno != EAGAIN { refused += 1 }
        }
        #expect(refused >= 10)
    }

    @Test(arguments: ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", ":80", "no such host.invalid:80"])
    func whatIsNoAddressIsRefused(_ text: String) {
        #expect(throws: Problem.self) { _ = try ListenAddress(text).open() }
    }

    @Test func aTakenPortSaysSo() throws {
        let server = try serve()
        defer { server.stop() }
        let problem = #expect(throws: Problem.self) { _ = try serve { $0.listen = "127.0.0.1:\(server.address.port)" } }
        #expect(problem?.code == .unavailable && problem?.message.contains("another program listens") == true)
    }
}
