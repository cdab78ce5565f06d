import Basics
import CommandLine
import Foundation
import Problems
import Stream

/// What `stream` says of who computes its records: its own threads, or Spark.
enum StreamEngines {
    static let options = [
        Option(
            "engine", value: .value("ENGINE"), kind: .choice(["local", "spark"]), default: "local",
            configKey: "stream.engine",
            help: "who computes the records: threads of this process, or tasks of Apache Spark",
            group: "Engine"),
        Option(
            "master", value: .value("URL"), default: "local[*]", configKey: "stream.master",
            help: "where Spark runs: local[N], spark://HOST:PORT, yarn, k8s://…; this process stays where it is",
            group: "Engine"),
        Option(
            "spark-conf", value: .repeated("KEY=VALUE"), kind: .custom(checkSetting), configKey: "stream.spark-conf",
            help: "a setting of Spark, such as spark.executor.cores=1", group: "Engine"),
        Option(
            "spark-home", value: .value("DIR"), kind: .directory, configKey: "stream.spark-home",
            help: "the folder of Spark; SPARK_HOME, or what python3 has as pyspark, unless said", group: "Engine"),
        Option(
            "parallel", value: .value("N"), kind: .integer(1...1024), configKey: "stream.parallel",
            help:
                "partitions of the topic, or parts of files, that Spark is asked for at once; all partitions, or as many parts as it has cores, unless said",
            group: "Engine"),
        Option(
            "archive", value: .value("FILE"), kind: .file, configKey: "stream.archive",
            help:
                "a tar.gz of bin/taxi-cli and its libraries for executors on other machines; else they run this very program",
            group: "Engine"),
    ]

    private static func checkSetting(_ text: String) throws(Problem) {
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
            throw Problem(.usage, "\"\(text)\" is no setting", hint: "Write KEY=VALUE.")
        }
    }

    /// nil for the process's own threads.
    ///
    /// - Throws: `.usage` for what that engine cannot read.
    static func engine(
        _ arguments: ParsedArguments, _ globals: GlobalOptions, _ inputs: [String]
    ) throws -> SparkEngine? {
        guard arguments.text("engine") == "spark" else {
            for name in ["master", "spark-conf", "spark-home", "parallel", "archive"]
            where { if case .flag = arguments.origin(name) { true } else { false } }() {
                throw arguments.problem(name, "it says nothing to the engine local", hint: "Add --engine spark.")
            }
            return nil
        }
        let master = arguments.text("master") ?? "local[*]"
        let isLocal = SparkOptions.isLocal(master: master)
        if inputs.isEmpty, globals.broker == .embedded, !isLocal {
            throw arguments.problem(
                "master", "embedded topics are a file of this machine, which executors elsewhere do not have",
                hint: "Use --master 'local[*]', or topics on Kafka with --broker.")
        }
        var words = ["--home", absolute(globals.home), "--tenant", globals.tenant]
        var files: [String] = []
        if case .kafka(let servers) = globals.broker { words += ["--broker", servers.joined(separator: ",")] }
        if let url = globals.registryURL { words += ["--registry", url] }
        for (name, path) in [
            ("broker-config", globals.brokerConfigPath), ("registry-config", globals.registryConfigPath),
        ] {
            guard let path = path.map(absolute) else { continue }
            if !isLocal { files.append(path) }
            words += ["--\(name)", isLocal ? path : "ship:" + URL(fileURLWithPath: path).lastPathComponent]
        }
        var options = SparkOptions(
            program: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"), words: words,
            tenant: globals.tenant, build: TaxiCLI.version, environment: ProcessInfo.processInfo.environment)
        options.master = master
        options.configuration = arguments.texts("spark-conf").map { text in
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
        }
        options.home = arguments.text("spark-home").map(absolute)
        options.parallel = arguments.integer("parallel").map(Int.init)
        options.archive = arguments.text("archive").map(absolute)
        if let archive = options.archive, !FileManager.default.isReadableFile(atPath: archive) {
            throw Problem(
                .noInput, "cannot read the archive \"\(archive)\"",
                hint: "taxi-cli spark archive FILE.tar.gz makes one, of this binary and its libraries.")
        }
        options.files = files
        return SparkEngine(options)
    }

    private static func absolute(_ path: String) -> String { URL(fileURLWithPath: path).path }

    /// What the engine is at, for the progress line.
    static func text(_ engine: SparkEngine?, _ progress: StreamProgress, ms: Int64) -> String {
        guard let state = engine?.state else { return "" }
        let rate = ms > 0 ? progress.summary.records * 1000 / ms : 0
        return "  \(state)  \(grouped(rate))/s"
    }
}
