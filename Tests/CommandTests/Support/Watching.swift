import CommandSupport
import Foundation
import Glibc
import HTTP
import ServerSupport
import Testing

/// A command that serves pages or metrics, and what a client gets from it.
struct WatchedCommand {
    let program: RunningProgram
    /// `http://127.0.0.1:PORT`
    let url: String

    /// Starts it at a free port, and waits until it has said at which.
    init(_ taxi: TaxiCLI, _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation) throws {
        program = try taxi.start(arguments + ["--listen", "127.0.0.1:0"])
        let address = /http:\/\/127\.0\.0\.1:\d+/
        var found: String?
        let program = program
        let hasSaid = eventually(within: 60) {
            found = (program.text + program.errors).firstMatch(of: address).map { String($0.output) }
            return found != nil || !program.isRunning
        }
        url = try #require(hasSaid ? found : nil, "\(program.errors)", sourceLocation: sourceLocation)
    }

    func get(_ path: String, _ headers: HTTPRequest.Header...) throws -> HTTPResponse {
        var request = HTTPRequest("GET", url + path, headers: headers)
        request.timeoutMs = 30_000
        return try request.send()
    }

    /// As a browser sends a form.
    func post(_ path: String, form: String) throws -> HTTPResponse {
        var request = HTTPRequest(
            "POST", url + path,
            headers: [.init("Content-Type", "application/x-www-form-urlencoded"), .init("Origin", url)],
            body: .bytes(Array(form.utf8)))
        request.timeoutMs = 30_000
        return try request.send()
    }

    /// The samples of `/metrics`, by name and labels as they are written there.
    func samples() throws -> [String: Double] {
        let response = try get("/metrics")
        try #require(response.status == 200, "\(response.text)")
        var samples: [String: Double] = [:]
        for line in response.text.split(separator: "\n") where !line.hasPrefix("#") {
            let space = try #require(line.lastIndex(of: " "))
            samples[String(line[..<space])] = Double(line[line.index(after: space)...])
        }
        return samples
    }

    /// The status of `/healthz` and the rules that do not hold, with what they say.
    func health() throws -> (status: Int, failing: [String: String]) {
        let response = try get("/healthz")
        let report = try jsonObject(response.text)
        var failing: [String: String] = [:]
        for tenant in report["tenants"] as? [[String: Any]] ?? [] {
            for finding in tenant["failing"] as? [[String: Any]] ?? [] {
                failing[finding["rule"] as? String ?? ""] = finding["what"] as? String
            }
        }
        return (response.status, failing)
    }

    /// Ends it as a service manager does.
    func stop() -> Ending {
        program.signal(SIGTERM)
        return program.wait()
    }
}

/// Programs beside ours, that tests of metrics ask.
enum WatchTools {
    static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    /// Debian's package prometheus has both.
    static let hasPrometheus = isThere("/usr/bin/prometheus") && isThere("/usr/bin/promtool")
    static let hasSystemd = isThere("/usr/bin/systemd-analyze")

    private static func isThere(_ program: String) -> Bool { access(program, X_OK) == 0 }

    /// A Python that reads Prometheus' formats; nil where it cannot be had.
    static let python: String? = {
        do {
            return try TestServer.output(of: "\(repository)/scripts/watch-python", [])
                .trimmingCharacters(in: .whitespacesAndNewlines)
        } catch {
            print("skipped: no Python that reads metrics: \(error)")
            return nil
        }
    }()

    /// A port that nobody listens at now.
    static func freePort() throws -> UInt16 {
        let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(file) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(file, $0, size) == 0 && getsockname(file, $0, &size) == 0
            }
        }
        try #require(isBound)
        return UInt16(bigEndian: address.sin_port)
    }
}

/// Debian's Prometheus, which reads a dashboard once a second; gone with the value.
final class PrometheusServer {
    private let program: RunningProgram
    private let url: String

    /// - Parameters:
    ///   - target: `http://host:port` of what it reads.
    ///   - tokenFile: with what it says who it is.
    init(_ taxi: TaxiCLI, target: String, tokenFile: String, rules: String) throws {
        let configuration = """
            global: {scrape_interval: 1s, evaluation_interval: 1s}
            rule_files: ["\(rules)"]
            scrape_configs:
              - job_name: taxi-cli
                authorization: {credentials_file: "\(tokenFile)"}
                static_configs: [{targets: ["\(target.dropFirst("http://".count))"]}]
            """
        try configuration.write(toFile: taxi("prometheus.yml"), atomically: true, encoding: .utf8)
        let port = try WatchTools.freePort()
        url = "http://127.0.0.1:\(port)"
        program = try taxi.start(
            [
                "--config.file=\(taxi("prometheus.yml"))", "--storage.tsdb.path=\(taxi("tsdb"))",
                "--web.listen-address=127.0.0.1:\(port)", "--log.level=warn",
            ], executable: "/usr/bin/prometheus")
        let (program, ready) = (program, url + "/-/ready")
        let isReady = eventually(within: 60) {
            (try? HTTPRequest("GET", ready).send().status) == 200 || !program.isRunning
        }
        try #require(isReady && program.isRunning, "\(program.errors)")
    }

    deinit { program.killAtOnce() }

    /// The data of an answer of its API.
    func ask(_ path: String) throws -> [String: Any] {
        let response = try HTTPRequest("GET", "\(url)/api/v1/\(path)").send()
        let answer = try jsonObject(response.text)
        try #require(answer["status"] as? String == "success", "\(path): \(response.text)")
        return answer["data"] as? [String: Any] ?? [:]
    }

    /// The values of an expression now, by one of the labels of each.
    func query(_ expression: String, by label: String = "tenant") throws -> [String: Double] {
        let text = try #require(expression.addingPercentEncoding(withAllowedCharacters: .alphanumerics))
        var values: [String: Double] = [:]
        for row in try ask("query?query=\(text)")["result"] as? [[String: Any]] ?? [] {
            let value = (row["value"] as? [Any])?.last as? String
            values[(row["metric"] as? [String: String])?[label] ?? ""] = value.flatMap(Double.init)
        }
        return values
    }
}
