import Foundation
import Glibc

/// A real Kafka for tests: one broker for the whole test process, started when the first test wants it.
///
/// `TAXI_TEST_KAFKA=host:port` names one that runs already. Otherwise ../shared/kafka/kafka.sh starts one beside the project; where that
/// or Java is missing, tests that need a broker are skipped, aloud.
public struct KafkaServer: Sendable {
    /// `host:port` of the plain listener.
    public let bootstrap: String
    /// Of the listener that wants SASL PLAIN (user `taxi`, password `taxi-secret`); nil where it is not known.
    public let saslBootstrap: String?
    /// Of the TLS listener; nil where it is not known.
    public let sslBootstrap: String?
    /// The certificate that the TLS listener's is signed with.
    public let authorityPath: String?
    /// Where `kafka.sh` keeps the cluster; nil for somebody else's.
    public let folder: String?

    /// The project's root.
    public static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path
    public static let script = "\(root)/../shared/kafka/kafka.sh"

    /// Whether tests can have a broker; says so once where they cannot.
    public static let isAvailable: Bool = {
        if ProcessInfo.processInfo.environment["TAXI_TEST_KAFKA"] != nil { return true }
        let hasJava = (try? run("/bin/sh", "-c", "command -v java")) != nil
        if access(script, X_OK) == 0, hasJava { return true }
        FileHandle.standardError.write(
            Data(
                "SKIPPED: tests against a real Kafka: no ../shared/kafka/kafka.sh or no Java, and no TAXI_TEST_KAFKA\n"
                    .utf8))
        return false
    }()

    /// The broker of this process. A failure to start it fails each test that wants it.
    public static func shared() throws -> KafkaServer { try started.get() }

    private static let started = Result { try start(brokers: 1, options: ["--sasl", "--ssl"]) }

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// Starts a cluster of its own, which goes away with this process.
    public static func start(brokers: Int, options: [String] = []) throws -> KafkaServer {
        if brokers == 1, let given = ProcessInfo.processInfo.environment["TAXI_TEST_KAFKA"] {
            return KafkaServer(
                bootstrap: given, saslBootstrap: nil, sslBootstrap: nil, authorityPath: nil, folder: nil)
        }
        let folder = "\(NSTemporaryDirectory())/taxi-kafka-\(UUID().uuidString)"
        let port = try freePorts(count: brokers * 10)
        // Whatever becomes of this process, the brokers end with it.
        let watch =
            "trap '' INT; while kill -0 \(getpid()) 2>/dev/null; do sleep 0.5; done; \"$0\" clean -d \"$1\""
        _ = try ChildProcess("/bin/sh", ["-c", watch, script, folder])
        _ = try run(
            "/usr/bin/env",
            ["KAFKA_HEAP=384m", script, "start", "-d", folder, "-p", "\(port)", "-n", "\(brokers)"] + options)
        var values: [String: String] = [:]
        for line in try run(script, "env", "-d", folder).split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
        }
        guard let bootstrap = values["BOOTSTRAP"] else { throw Failure(description: "the cluster tells no address") }
        return KafkaServer(
            bootstrap: bootstrap, saslBootstrap: values["BOOTSTRAP_SASL"], sslBootstrap: values["BOOTSTRAP_SSL"],
            authorityPath: values["CA_PEM"], folder: folder)
    }

    /// Runs one of Kafka's own tools, such as `consumer-groups`.
    public func tool(_ words: String...) throws -> String { try Self.run(Self.script, ["run"] + words) }

    /// Tells the script something about this cluster, such as `kill 1`.
    public func control(_ words: String...) throws { _ = try Self.run(Self.script, words + ["-d", folder ?? ""]) }

    @discardableResult
    public static func run(_ program: String, _ words: String...) throws -> String { try run(program, words) }

    /// - Returns: what it wrote to stdout.
    public static func run(_ program: String, _ words: [String], input: String? = nil) throws -> String {
        let child = try ChildProcess(program, words, input: input)
        let code = child.wait()
        guard code == 0 else {
            throw Failure(description: "\(program) \(words.joined(separator: " ")) ended with \(code): \(child.output)")
        }
        return child.output
    }

    /// The first of so many ports in a row that nobody listens on.
    private static func freePorts(count: Int) throws -> Int {
        for _ in 0..<50 {
            let first = Int.random(in: 2000..<5900) * 10
            if (first..<first + count).allSatisfy(isFree) { return first }
        }
        throw Failure(description: "no free ports")
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}

/// A child that inherits nothing but its three streams, which are files.
///
/// Foundation's `Process` notices the end of a child by a socket that the child's own children inherit: with a broker among them it
/// would never end, and neither would other children that are started at the same time.
final class ChildProcess {
    private let pid: pid_t
    private let outputPath: String

    init(_ program: String, _ words: [String], input: String? = nil) throws {
        let stem = "\(NSTemporaryDirectory())/kafka-support-\(UUID().uuidString)"
        let inputPath = input == nil ? "/dev/null" : "\(stem).in"
        outputPath = "\(stem).out"
        if let input { try Data(input.utf8).write(to: URL(fileURLWithPath: inputPath)) }
        defer { if input != nil { unlink(inputPath) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, inputPath, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, outputPath, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        // There is no call for it that Swift sees.
        let closing = #"for f in /proc/self/fd/*; do n=${f##*/}; ((n > 2)) && eval "exec $n>&-"; done; exec "$@""#
        var arguments: [UnsafeMutablePointer<CChar>?] = (["/bin/bash", "-c", closing, "bash", program] + words).map {
            strdup($0)
        }
        defer { for argument in arguments { free(argument) } }
        arguments.append(nil)
        var pid: pid_t = 0
        let code = posix_spawn(&pid, "/bin/bash", &actions, nil, arguments, environ)
        guard code == 0 else {
            throw KafkaServer.Failure(description: "cannot start \(program): \(String(cString: strerror(code)))")
        }
        self.pid = pid
    }

    /// Waits for its end; gives the exit code, or minus the signal's number.
    func wait() -> Int32 {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) == -1, errno == EINTR {}
        return status & 0x7f == 0 ? (status >> 8) & 0xff : -(status & 0x7f)
    }

    private(set) lazy var output: String = {
        defer { unlink(outputPath) }
        return (try? String(contentsOfFile: outputPath, encoding: .utf8)) ?? ""
    }()
}
