import CommandLine
import Glibc
import Problems

/// Which Python, Java and Spark a run with `--engine spark` uses, as Spark's own scripts choose them.
struct SparkPlace {
    let environment: [String: String]
    /// What was given on the command line; nil leaves it to SPARK_HOME, else to pyspark of this Python.
    let givenHome: String?

    var python: String {
        variable("PYSPARK_DRIVER_PYTHON") ?? variable("PYSPARK_PYTHON") ?? "python3"
    }
    var java: String { variable("JAVA_HOME").map { "\($0)/bin/java" } ?? "java" }

    /// A variable that is set to something.
    func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }

    /// Spark's version as its own files say it, without starting a Java; nil where the folder is none of Spark.
    static func version(ofHome home: String) -> String? {
        // The first of a Spark that was unpacked, the second of a pyspark that was installed with pip.
        for path in ["\(home)/python/pyspark/version.py", "\(home)/version.py"] {
            guard let bytes = try? Files.contents(of: path, limitBytes: 1 << 20) else { continue }
            for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            where line.hasPrefix("__version__") {
                // __version__: str = "4.2.0"
                let parts = line.split(omittingEmptySubsequences: false) { $0 == "\"" || $0 == "'" }
                if parts.count > 1 { return String(parts[1]) }
            }
        }
        return nil
    }
}

/// A program of somebody else's, run to its end with what it says kept.
struct ForeignRun {
    /// As `ChildStart.exitCode` says it; nil where it was still running when its time was over.
    var code: Int32?
    var output: String
    var errors: String

    /// - Parameters:
    ///   - folder: where what it says is kept meanwhile.
    ///   - limitMs: it is ended after so long.
    ///   - isHopeless: asked each second of what it has said on stderr; then it is ended as well.
    /// - Throws: `.unavailable` where there is no such program.
    init(
        _ program: String, _ words: [String], environment: [String: String], folder: String, limitMs: Int64,
        isHopeless: ((String) -> Bool)? = nil
    ) throws(Problem) {
        func opened(_ name: String) throws(Problem) -> Int32 {
            let file = open("\(folder)/\(name)", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            guard file >= 0 else { throw Problem(.create, "\(folder)/\(name)", errno) }
            return file
        }
        let out = try opened("out")
        defer { close(out) }
        let err = try opened("err")
        defer { close(err) }
        let nothing = open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { close(nothing) }
        let pid: pid_t
        do throws(ChildStart.Refusal) {
            pid = try ChildStart.run(
                program, [program] + words, environment: environment, input: nothing, output: out, errors: err)
        } catch { throw Problem(.unavailable, "cannot run \(program): \(Problem.text(error.number))") }
        func text(_ name: String) -> String {
            String(decoding: (try? Files.contents(of: "\(folder)/\(name)", limitBytes: 64 << 20)) ?? [], as: UTF8.self)
        }
        code = Self.wait(for: pid, limitMs: limitMs) { isHopeless?(text("err")) ?? false }
        (output, errors) = (text("out"), text("err"))
    }

    private static func wait(for pid: pid_t, limitMs: Int64, isHopeless: () -> Bool) -> Int32? {
        let end = monotonicMs() + limitMs
        var status: Int32 = 0
        var nextLook = monotonicMs() + 1000
        while true {
            let ended = waitpid(pid, &status, WNOHANG)
            if ended == pid { return ChildStart.exitCode(ofStatus: status) }
            if ended < 0, errno != EINTR { return 127 }
            guard monotonicMs() < end else { break }
            if monotonicMs() >= nextLook {
                if isHopeless() { break }
                nextLook = monotonicMs() + 1000
            }
            poll(nil, 0, 20)
        }
        kill(pid, SIGTERM)
        for _ in 0..<250 {
            if waitpid(pid, &status, WNOHANG) == pid { return nil }
            poll(nil, 0, 20)
        }
        kill(pid, SIGKILL)
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return nil
    }
}
