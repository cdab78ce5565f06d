import Foundation
import Glibc
import HTTP

/// A server in Python for as long as this process lives: nobody's child, so that Swift Testing does not wait for it.
package final class TestServer: Sendable {
    /// `http://127.0.0.1:PORT`
    package let url: String
    /// Signs for `ask`; nil for a server that asks for no signature.
    private let credentials: AWSCredentials?

    private init(_ python: String, _ script: String, _ arguments: [String]) throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
        let port = try Self.output(of: python, ["\(folder)/\(script)", "\(getpid())"] + arguments)
        guard let number = UInt16(port.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw TestServerFailure(description: "\(script) did not say its port: \(port)")
        }
        url = "http://127.0.0.1:\(number)"
        credentials =
            arguments.count > 1
            ? AWSCredentials(accessKeyID: arguments[0], secretAccessKey: arguments[1]) : nil
    }

    /// Answers plain requests; shared by all tests of this process.
    package static func web() throws -> TestServer { try shared.get() }
    private static let shared = Result { try TestServer("python3", "web.py", []) }

    /// S3 and SNS, empty; refuses what these keys have not signed.
    package static func aws(key: String, secret: String, token: String = "") throws -> TestServer {
        try TestServer(python.get(), "aws.py", [key, secret, token])
    }

    /// The text of a 2xx answer to a request that is signed for a service where one is named.
    package func ask(
        _ method: String, _ path: String, service: String? = nil, region: String = "us-east-1"
    ) throws -> String {
        var request = HTTPRequest(method, url + path)
        if let service, let credentials {
            request.signature = AWSSignature(credentials, region: region, service: service)
        }
        let response = try request.send()
        guard response.isSuccess else {
            throw TestServerFailure(description: "\(method) \(path): status \(response.status), \(response.text)")
        }
        return response.text
    }

    /// Whether moto is there; says so where it is not and cannot be had.
    package static let hasAWS: Bool = {
        do {
            _ = try python.get()
            return true
        } catch {
            print("skipped: no moto to test S3 and SNS with: \(error)")
            return false
        }
    }()

    /// The interpreter that knows moto.
    private static let python = Result {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try output(of: root.appendingPathComponent("scripts/moto").path, [])
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// What a program writes on stdout; stderr goes where ours goes.
    package static func output(of program: String, _ arguments: [String]) throws -> String {
        let file = NSTemporaryDirectory() + "/taxi-server-\(UUID().uuidString)"
        defer { unlink(file) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, file, O_WRONLY | O_CREAT, 0o600)
        var words = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var pid: pid_t = 0
        let failure = posix_spawnp(&pid, program, &actions, nil, &words, environ)
        guard failure == 0 else {
            throw TestServerFailure(description: "\(program): \(String(cString: strerror(failure)))")
        }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else { throw TestServerFailure(description: "\(program) ended with wait status \(status)") }
        return try String(contentsOfFile: file, encoding: .utf8)
    }
}

package struct TestServerFailure: Error, CustomStringConvertible {
    package var description: String
}
