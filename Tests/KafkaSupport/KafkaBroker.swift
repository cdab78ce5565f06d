public import Foundation
import Glibc
import Synchronization

/// A real Kafka of one broker, for as long as this process lives: ../shared/kafka/kafka.sh beside the repository runs it.
///
/// A shell that is nobody's child looks whether this process lives: however the tests end, by a kill too, the broker is stopped and its
/// folder removed.
public final class KafkaBroker: Sendable {
    /// `host:port` of the listener without protection.
    public let servers: String
    /// The listener that wants the user `taxi` with the password `taxi-secret` (SASL, PLAIN or SCRAM-SHA-512).
    public let saslServers: String
    /// The listener with TLS; its certificate's authority is `authorityPath`.
    public let tlsServers: String
    public let authorityPath: String
    /// Where the Prometheus agent tells of its beans, if there is one.
    public let metricsURL: String
    private let folder: String

    /// Starts a broker on free ports and waits until it answers.
    ///
    /// - Parameters:
    ///   - properties: further ones of the broker.
    ///   - metricsConfiguration: of the Prometheus JMX agent, where the broker shall have one; see `agentPath`.
    public init(properties: [String] = [], metricsConfiguration: String? = nil) throws {
        guard let script = Self.script else { throw KafkaBrokerFailure(description: "there is no kafka.sh") }
        folder = NSTemporaryDirectory() + "/taxi-kafka-\(getpid())-\(UUID().uuidString.prefix(8))"
        let port = try Self.freePorts()
        servers = "127.0.0.1:\(port)"
        saslServers = "127.0.0.1:\(port + 2)"
        tlsServers = "127.0.0.1:\(port + 3)"
        authorityPath = "\(folder)/ca.pem"
        metricsURL = "http://127.0.0.1:\(port + 4)/metrics"

        // Not a child of ours: one that nobody waits for would keep Swift Testing from noticing its own.
        let watch = #"while kill -0 "$1" && [ -d "$2" ]; do sleep 0.5; done; "$3" clean -d "$2"; rm -rf "$2""#
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try runProgram(
            "/bin/sh",
            [
                "-c", #"setsid sh -c "$@" >/dev/null 2>&1 </dev/null &"#, "sh", watch, "sh", "\(getpid())", folder,
                script,
            ])
        // The script splits what it gets as the heap into words. JAVA_TOOL_OPTIONS would give the agent to keytool too.
        var heap = "384m"
        if let metricsConfiguration, let agent = Self.agentPath {
            heap += " -javaagent:\(agent)=127.0.0.1:\(port + 4):\(metricsConfiguration)"
        }
        let said = try runProgram(
            "/usr/bin/env",
            [
                "KAFKA_HEAP=\(heap)", "KAFKA_EXTRA=\(properties.joined(separator: "\\n"))", script, "start", "-d",
                folder,
                "-p", "\(port)", "--sasl", "--ssl",
            ])
        guard said.hasPrefix(servers) else {
            throw KafkaBrokerFailure(description: "Kafka did not start on port \(port); its folder was \(folder)")
        }
    }

    deinit {
        guard let script = Self.script else { return }
        // One that is paused would not hear that it shall end.
        try? resume()
        _ = try? runProgram(script, ["clean", "-d", folder])
    }

    /// `kill -9` of the broker; its data stays.
    public func kill() throws { try script("kill", "1", "-d", folder) }
    /// Starts it again after `kill`, and waits until it answers.
    public func revive() throws { try script("revive", "1", "-d", folder) }
    /// SIGSTOP: its connections stay, and nothing is answered.
    public func pause() throws { try script("pause", "1", "-d", folder) }
    /// SIGCONT.
    public func resume() throws { try script("resume", "1", "-d", folder) }

    /// Runs one of Kafka's own tools, such as `console-consumer`.
    ///
    /// - Returns: its standard output.
    /// - Throws: `KafkaBrokerFailure` with what it said where it failed.
    @discardableResult
    public static func tool(_ name: String, _ arguments: [String], input: String? = nil) throws -> String {
        guard let script else { throw KafkaBrokerFailure(description: "there is no kafka.sh") }
        return try runProgram(script, ["run", name] + arguments, input: input.map { Data($0.utf8) })
    }

    private func script(_ arguments: String...) throws {
        guard let script = Self.script else { return }
        try runProgram(script, arguments)
    }
}

// MARK: - Where there is one

extension KafkaBroker {
    /// The broker that all tests of this process share; started by whoever asks first.
    public static func shared() throws -> KafkaBroker { try sharedBroker.get() }

    /// The address to test with: `TAXI_TEST_KAFKA`, else the shared broker's.
    public static func sharedServers() throws -> String {
        if let named { return named }
        return try shared().servers
    }

    /// Whether tests that need some broker can run; says so where not.
    public static let isAvailable = named != nil || isStartable
    /// Whether tests that need a broker of their own can run: with passwords, with certificates, to be killed.
    public static let isStartable: Bool = {
        guard script != nil else {
            print("skipped: there is no ../shared/kafka/kafka.sh beside the repository to test on a real Kafka with")
            return false
        }
        guard let version = try? runProgram("/bin/sh", ["-c", "java -version 2>&1"]), let major = javaMajor(version),
            major >= 17
        else {
            print("skipped: a real Kafka to test on needs Java 17 or newer (apt install openjdk-17-jre-headless)")
            return false
        }
        return true
    }()

    private static let named = ProcessInfo.processInfo.environment["TAXI_TEST_KAFKA"]
    private static let sharedBroker = Result { try KafkaBroker() }

    /// The JMX agent for Prometheus, beside kafka.sh; nil where it is not there.
    public static let agentPath: String? = {
        guard let script else { return nil }
        let folder = URL(fileURLWithPath: script).deletingLastPathComponent().appendingPathComponent("agent").path
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.first { $0.hasPrefix("jmx_prometheus_javaagent") }.map { "\(folder)/\($0)" }
    }()

    private static let script: String? = {
        // Tests/KafkaSupport/… → the repository → the folder that it lies in; a worktree lies one deeper.
        var folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        for _ in 0..<6 {
            folder.deleteLastPathComponent()
            let candidate = folder.appendingPathComponent("shared/kafka/kafka.sh").path
            if access(candidate, X_OK) == 0 { return candidate }
        }
        return nil
    }()

    /// `openjdk version "17.0.15" …`
    private static func javaMajor(_ text: String) -> Int? {
        text.split(separator: "\"").dropFirst().first?.split(separator: ".").first.flatMap { Int($0) }
    }

    /// The first of five ports in a row that nobody listens on, below those that the system gives to clients.
    private static func freePorts() throws -> UInt16 {
        for _ in 0..<200 {
            let port = UInt16.random(in: 2000...3200) * 10
            if (port..<port + 5).allSatisfy(isFree) { return port }
        }
        throw KafkaBrokerFailure(description: "there are no five free ports in a row")
    }

    private static func isFree(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        } == 0
    }
}

public struct KafkaBrokerFailure: Error, CustomStringConvertible {
    public var description: String
}

/// Runs a program to its end.
///
/// - Returns: its standard output.
/// - Throws: `KafkaBrokerFailure` with its last words where its exit code is not 0.
@discardableResult
public func runProgram(_ path: String, _ arguments: [String], input: Data? = nil) throws -> String {
    let name = NSTemporaryDirectory() + "/taxi-run-\(UUID().uuidString)"
    defer { for suffix in ["in", "out", "err"] { unlink("\(name).\(suffix)") } }
    for suffix in ["in", "out", "err"] {
        try (suffix == "in" ? input ?? Data() : Data()).write(to: URL(fileURLWithPath: "\(name).\(suffix)"))
    }
    // Not Foundation's Process: it takes a program for running as long as a broker that it started holds what it had inherited.
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "\(name).in", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, "\(name).out", O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 2, "\(name).err", O_WRONLY, 0)
    // And nothing else that is open here: a pipe of another test would not end before the broker does, which ends after all tests.
    let closing = #"for f in /proc/self/fd/*; do n=${f##*/}; ((n > 2)) && eval "exec $n>&-"; done; exec "$@""#
    var words = (["/bin/bash", "-c", closing, "bash", path] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var pid: pid_t = 0
    let failure = posix_spawn(&pid, "/bin/bash", &actions, nil, &words, environ)
    guard failure == 0 else { throw KafkaBrokerFailure(description: "\(path): \(String(cString: strerror(failure)))") }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    let (output, errors) = (
        try String(contentsOfFile: "\(name).out", encoding: .utf8),
        try String(contentsOfFile: "\(name).err", encoding: .utf8)
    )
    guard status == 0 else {
        throw KafkaBrokerFailure(
            description:
                "\(path) \(arguments.joined(separator: " ")) ended with wait status \(status): \(errors.suffix(2000))"
        )
    }
    return output
}
