import Foundation
import Glibc
import Problems
import Telemetry
package import Time

/// Spark as the engine of a stream: each range is a task that runs `taxi-cli worker`. Whatever dies is started again, and asked again.
package final class SparkEngine: RangeEngine {
    private let options: SparkOptions
    private let clock: any WallClock
    private(set) var process: SparkProcess?
    private let log = Logger("spark")
    private(set) var cluster: Cluster?
    /// Ranges of the last job, and how long it took.
    private var lastJob: (tasks: Int, ms: Int64)?
    /// Told when Spark is started, and when it has started.
    package var onNotice: ((String) -> Void)?

    /// So often Spark may fail in a row before the stream gives up.
    private static let attempts = 5
    private static let startTimeoutMs: Int64 = 180_000

    struct Cluster: Codable {
        var executors: Int
        var application: String
        var spark: String
        /// How many tasks run at the same time.
        var cores: Int?
    }

    package init(_ options: SparkOptions, clock: any WallClock = SystemClock()) {
        (self.options, self.clock) = (options, clock)
    }

    package var parallel: Int? { options.parallel }
    package var build: String { options.build }
    package var cores: Int? { cluster?.cores }

    package var state: String? {
        guard let cluster else { return process == nil ? nil : "Spark is starting" }
        let tasks = lastJob.map { "\($0.tasks) task\($0.tasks == 1 ? "" : "s") on " } ?? ""
        return "\(tasks)\(cluster.executors) executor\(cluster.executors == 1 ? "" : "s")"
    }

    package func close() { process = nil }

    package func prepare(shouldStop: () -> Bool) throws -> Bool {
        try retrying(shouldStop) { true } ?? false
    }

    package func compute<Partial>(
        plan: [UInt8], tasks: [RangeTask], shouldStop: () -> Bool, read: (Int, [UInt8]) throws -> Partial
    ) throws -> [Partial]? {
        let requests: [(input: [UInt8], source: [UInt8])] = try tasks.map { task in
            (plan + task.range, try task.source.map { Array(try JSONEncoder().encode($0)) } ?? [])
        }
        return try retrying(shouldStop) { try run(requests, shouldStop: shouldStop, read: read) }
    }

    /// Does something with Spark, and again where that has died.
    func retrying<Result>(_ shouldStop: () -> Bool, _ body: () throws -> Result?) throws -> Result? {
        var failures = 0
        while true {
            do {
                guard try start(shouldStop: shouldStop) else { return nil }
                return try body()
            } catch let problem as Problem where problem.code != .unavailable {
                close()
                throw problem
            } catch {
                let isGone = error is SparkProcess.Gone
                let words = process?.lastWords ?? []
                failures += 1
                // A job that has failed leaves Spark as it was, unless it fails again.
                if isGone || failures > 1 { close() }
                let reason = (error as? Problem)?.message ?? "the Spark program ended"
                guard failures < Self.attempts else {
                    throw Problem(
                        .unavailable, "\(reason); tried \(failures) times" + (isGone ? Self.said(words) : ""),
                        hint:
                            "What was committed stays, and the next start goes on there, with this engine or with --engine local."
                    )
                }
                log.warning("\(reason); the ranges since the last commit are asked again")
                let pauseUntil = clock.monotonicMs + Int64(500 << failures)
                while clock.monotonicMs < pauseUntil {
                    if shouldStop() { return nil }
                    usleep(50_000)
                }
            }
        }
    }

    private static func said(_ words: [String]) -> String {
        words.last.map { ". It said last: \($0)" } ?? ""
    }

    /// - Returns: false where it was to stop.
    private func start(shouldStop: () -> Bool) throws -> Bool {
        if process != nil { return true }
        onNotice?("starting Spark at \(options.master)")
        let process = try SparkProcess(options)
        self.process = process
        cluster = nil
        let until = clock.monotonicMs + Self.startTimeoutMs
        while true {
            if shouldStop() {
                close()
                return false
            }
            guard clock.monotonicMs < until else {
                throw Problem(.unavailable, "Spark at \(options.master) has not started within 3 minutes")
            }
            guard let message = try process.receive(timeoutMs: 100) else { continue }
            guard message.kind == UInt8(ascii: "H") else { throw failure(message) }
            note(message)
            if let cluster {
                onNotice?(
                    "Spark \(cluster.spark) runs as \(cluster.application), \(cluster.executors) executors so far")
            }
            return true
        }
    }

    private func note(_ message: SparkProcess.Message) {
        cluster = (try? JSONDecoder().decode(Cluster.self, from: Data(message.payload))) ?? cluster
    }

    private func run<Partial>(
        _ requests: [(input: [UInt8], source: [UInt8])], shouldStop: () -> Bool,
        read: (Int, [UInt8]) throws -> Partial
    ) throws -> [Partial]? {
        guard let process else { throw SparkProcess.Gone() }
        let began = clock.monotonicMs
        var payload: [UInt8] = []
        func add(_ count: Int) { withUnsafeBytes(of: UInt32(count).littleEndian) { payload += $0 } }
        add(requests.count)
        for request in requests {
            add(request.input.count)
            payload += request.input
            add(request.source.count)
            payload += request.source
        }
        try process.send("J", payload)
        var partials = [Partial?](repeating: nil, count: requests.count)
        var garbage: Problem?
        while true {
            if shouldStop() {
                // Tasks under way would only take the cluster's time: nothing of them counts.
                close()
                return nil
            }
            guard let message = try process.receive(timeoutMs: 100) else { continue }
            switch message.kind {
            case UInt8(ascii: "P"):
                guard partials.indices.contains(message.index) else { throw SparkProcess.Gone() }
                do {
                    partials[message.index] = try read(message.index, message.payload)
                } catch let problem as Problem where problem.code == .badData {
                    // Something broke down where it was made. The job's other answers come before it is asked again.
                    garbage = Problem(.unavailable, "a worker answered with what is no partial: \(problem.message)")
                }
            case UInt8(ascii: "A"):
                if let garbage { throw garbage }
                let whole = partials.compactMap(\.self)
                guard whole.count == requests.count else { throw SparkProcess.Gone() }
                note(message)
                lastJob = (requests.count, clock.monotonicMs - began)
                return whole
            case UInt8(ascii: "E"), UInt8(ascii: "F"): throw failure(message)
            default: throw SparkProcess.Gone()
            }
        }
    }

    /// The error that a message says: an exit code, a space, and what was the matter.
    func failure(_ message: SparkProcess.Message) -> any Error {
        let text = String(decoding: message.payload, as: UTF8.self)
        let parts = text.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, let number = Int32(parts[0]), let code = Problem.Code(rawValue: number) else {
            return SparkProcess.Gone()
        }
        var reason = String(parts[1])
        if message.kind == UInt8(ascii: "E") {
            reason = "a worker on Spark: " + (reason.split(separator: "\n").first.map(String.init) ?? "")
        }
        let hint: String? =
            switch code {
            case .configuration:
                reason.contains("scheme")
                    ? "s3a:// needs Hadoop's library of the same version: --spark-conf spark.jars.packages=org.apache.hadoop:hadoop-aws:VERSION."
                    : "Spark needs Python 3 with pyspark (pip install pyspark), or --spark-home, and Java 17; executors need --archive or this same program."
            case .inputOutput:
                "What was stored before is whole. Run it again when nobody writes to the file; executors elsewhere must see the same files."
            case .noInput:
                "Check the name. Executors elsewhere need files that they can reach: s3a://, hdfs://, or a folder that all machines share."
            case .unavailable: "See that the master runs and may be reached, and that java (17 or newer) is found."
            default: nil
            }
        return Problem(code, reason, hint: hint)
    }
}
