import Foundation
import Glibc
import Problems
import Telemetry

/// One Spark program at work: a Python process with Spark's gateway below it, spoken to over a pair of sockets. Used by one thread.
final class SparkProcess {
    struct Message {
        var kind: UInt8
        var index: Int
        var payload: [UInt8]
    }

    /// That it is gone: whoever wants something of it starts another.
    struct Gone: Error {}

    private let pid: pid_t
    private let socket: Int32
    private var status: Int32?
    private let script: String
    private let talk = SparkTalk()
    private var received: [UInt8] = []
    private static let maximumMessage = 1 << 30

    /// - Throws: `Problem`: `.configuration` where there is no Python or Spark, `.tryAgain` where no process can be had.
    init(_ options: SparkOptions) throws {
        script = FileManager.default.temporaryDirectory.path + "/taxi-spark-\(UUID().uuidString).py"
        let descriptor = open(script, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Problem(.cannotCreate, "cannot write \"\(script)\": \(Problem.text(errno))")
        }
        let isWritten = SparkProgram.text.utf8.withContiguousStorageIfAvailable {
            Glibc.write(descriptor, $0.baseAddress, $0.count) == $0.count
        }
        Glibc.close(descriptor)
        guard isWritten == true else {
            unlink(script)
            throw Problem(.inputOutput, "cannot write \"\(script)\"", hint: "See that the folder of TMPDIR has room.")
        }
        var sockets: [Int32] = [0, 0]
        var errors: [Int32] = [0, 0]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &sockets) == 0,
            pipe(&errors) == 0,
            fcntl(errors[0], F_SETFD, FD_CLOEXEC) == 0, fcntl(errors[1], F_SETFD, FD_CLOEXEC) == 0
        else {
            unlink(script)
            throw Problem(.tryAgain, "cannot start Spark: \(Problem.text(errno))")
        }
        socket = sockets[0]
        var environment = options.environment
        let python = Self.prepare(&environment, options)
        do throws(ChildStart.Refusal) {
            pid = try ChildStart.run(
                python, [python, script], environment: environment, input: sockets[1],
                output: sockets[1], errors: errors[1], leadsGroup: true)
        } catch {
            for descriptor in sockets + errors { Glibc.close(descriptor) }
            unlink(script)
            throw Problem(
                error.number == ENOENT ? .configuration : .tryAgain,
                "cannot start \(python): \(Problem.text(error.number))",
                hint: "Spark needs Python 3 and pyspark; PYSPARK_DRIVER_PYTHON or PYSPARK_PYTHON names another one.")
        }
        Glibc.close(sockets[1])
        Glibc.close(errors[1])
        talk.listen(errors[0])
        try? send("S", Self.settings(options))
    }

    deinit {
        Glibc.close(socket)
        // It sees that, and stops Spark; one that is in the middle of a job does not look. The gateway ends with its Python, and cleans up.
        for _ in 0..<30 where status == nil {
            look(WNOHANG)
            if status == nil { usleep(100_000) }
        }
        if status == nil { kill(pid, SIGKILL) }
        look(0)
        unlink(script)
    }

    private func look(_ options: Int32) {
        while status == nil {
            var found: Int32 = 0
            let ended = waitpid(pid, &found, options)
            if ended == 0 { return }
            if ended == pid || errno != EINTR { status = found }
        }
    }

    /// The interpreter, and in the environment where it finds pyspark.
    private static func prepare(_ environment: inout [String: String], _ options: SparkOptions) -> String {
        let python = environment["PYSPARK_DRIVER_PYTHON"] ?? environment["PYSPARK_PYTHON"] ?? "python3"
        if let home = options.home {
            environment["SPARK_HOME"] = home
        }
        if let home = environment["SPARK_HOME"], !home.isEmpty {
            let library = home + "/python/lib"
            let bridges = ((try? FileManager.default.contentsOfDirectory(atPath: library)) ?? []).filter {
                $0.hasPrefix("py4j-") && $0.hasSuffix(".zip")
            }
            let paths = bridges.isEmpty ? [] : [home + "/python"] + bridges.sorted().map { library + "/" + $0 }
            environment["PYTHONPATH"] = (paths + [environment["PYTHONPATH"] ?? ""]).filter { !$0.isEmpty }
                .joined(separator: ":")
        }
        // Threads of Spark's own process start their Python by name: it must be the same.
        if SparkOptions.isLocal(master: options.master), environment["PYSPARK_PYTHON"] == nil {
            environment["PYSPARK_PYTHON"] = python
        }
        return python
    }

    static let archiveName = "taxi-cli-archive"

    private static func settings(_ options: SparkOptions) -> [UInt8] {
        let settings: [String: Any] = [
            "name": "taxi-cli \(options.tenant)", "master": options.retryingMaster, "program": options.program,
            "words": options.words, "files": options.files, "archive": options.archive == nil ? "" : archiveName,
            "archive_path": options.archive ?? "", "conf": options.configuration.map { [$0.name, $0.value] },
        ]
        let data = try? JSONSerialization.data(withJSONObject: settings)
        return Array(data ?? Data())
    }

    /// The last lines that Spark has said, for a message.
    var lastWords: [String] { talk.lastLines }

    func send(_ kind: Character, _ payload: [UInt8]) throws {
        var bytes: [UInt8] = Array(kind.utf8)
        withUnsafeBytes(of: UInt32(0)) { bytes += $0 }
        withUnsafeBytes(of: UInt32(payload.count).littleEndian) { bytes += $0 }
        bytes += payload
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Gone() }
            sent += count
        }
    }

    /// The next message; nil where none is whole within so many ms.
    func receive(timeoutMs: Int32) throws -> Message? {
        if let message = try takeMessage() { return message }
        var waiting = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, timeoutMs) > 0 else { return nil }
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        let count = read(socket, &buffer, buffer.count)
        if count < 0, errno == EINTR { return nil }
        guard count > 0 else { throw Gone() }
        received += buffer[..<count]
        return try takeMessage()
    }

    private func takeMessage() throws -> Message? {
        guard received.count >= 9 else { return nil }
        func number(_ from: Int) -> Int { received[from..<from + 4].reversed().reduce(0) { $0 << 8 | Int($1) } }
        let length = number(5)
        guard length <= Self.maximumMessage else { throw Gone() }
        guard received.count >= 9 + length else {
            received.reserveCapacity(9 + length)
            return nil
        }
        let message = Message(kind: received[0], index: number(1), payload: Array(received[9..<9 + length]))
        received.removeFirst(9 + length)
        return message
    }
}
