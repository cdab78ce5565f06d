import CommandLine
import Problems

enum DoctorCommand {
    static let command = Command(
        name: "doctor", summary: "check what would fail, before it does",
        discussion: """
            Looks at libraries, home, disk, memory, settings, databases, time zone, broker and terminal; reads the databases \
            through, and sees whether results and topics belong together. Every line is ok, warn or fail; the exit code is 0 unless \
            something fails. With --engine spark also whether Spark is here, and whether a task on each of its executors can run what is shipped.
            """,
        examples: [
            Example("taxi-cli doctor", "is everything here that a run needs"),
            Example(
                "taxi-cli doctor --broker localhost:9092 --format jsonl",
                "also whether Kafka answers, for a script to read"),
            Example(
                "taxi-cli doctor --engine spark --master spark://host:7077",
                "also whether workers could run on that cluster"),
        ],
        options: [
            Option(
                "timeout", value: .value("TIME"), kind: .duration, default: "3s", environment: "TAXI_DOCTOR_TIMEOUT",
                configKey: "doctor.timeout", help: "how long to wait for each broker"),
            Option(
                "skip-databases", help: "do not read the databases through, which takes a while where they are large"),
            Option(
                "engine", value: .value("ENGINE"), kind: .choice(["local", "spark"]), default: "local",
                help: "also what this engine needs"),
            Option("master", value: .value("URL"), help: "Spark's master, such as spark://host:7077, yarn or local[2]"),
            Option(
                "spark-home", value: .value("DIR"), kind: .directory,
                help: "the folder of Spark; SPARK_HOME or pyspark's own unless said"),
            Option(
                "spark-conf", value: .repeated("NAME=VALUE"), kind: .custom(SparkChecks.checkSetting),
                help: "a setting of Spark, such as spark.executor.memory=2g"),
        ],
        group: "Setting up", readsConfiguration: false, run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let isSpark = arguments.text("engine") == "spark"
        if !isSpark { try requireNoSparkOptions(arguments) }
        var findings: [Finding]
        do throws(Problem) {
            let globals = try GlobalOptions(arguments)
            findings = MachineChecks(arguments, home: globals.home).findings()
            findings += TenantChecks(arguments, globals).findings()
        } catch {
            findings = MachineChecks(arguments, home: nil).findings() + [Finding("home", error)]
        }
        if isSpark { findings += try SparkChecks(arguments).findings() }
        if arguments.format == .table {
            for finding in findings { try arguments.output.write(text(of: finding, terminal: arguments.terminal)) }
        } else {
            var table = Table(columns: ["state", "check", "detail", "advice"].map { Column($0) })
            for finding in findings {
                table.rows.append([
                    .text(finding.state.rawValue), .text(finding.name), .text(finding.detail),
                    .optional(finding.advice),
                ])
            }
            try arguments.write(table)
        }
        let failure = findings.compactMap { finding in if case .fail(let code) = finding.verdict { code } else { nil } }
            .first
        return ExitStatus(code: failure?.rawValue ?? 0)
    }

    private static func requireNoSparkOptions(_ arguments: ParsedArguments) throws(Problem) {
        let given = ["master", "spark-home"].first { arguments.text($0) != nil }
        guard let name = given ?? (arguments.texts("spark-conf").isEmpty ? nil : "spark-conf") else { return }
        throw arguments.problem(name, "it is for Spark alone", hint: "Say --engine spark as well.")
    }

    /// Advice is for reading, so it stands on lines of its own and is never cut.
    private static func text(of finding: Finding, terminal: Terminal) -> String {
        let style = terminal.outputStyle
        let word = finding.state.rawValue
        let mark =
            switch finding.state {
            case .ok: style.green(word)
            case .warn: style.yellow(word)
            case .fail: style.red(word)
            }
        let blanks = String(repeating: " ", count: 5 - word.count)
        let name = finding.name + String(repeating: " ", count: max(1, 14 - finding.name.count))
        let advice = finding.advice.map { "\n" + String(repeating: " ", count: 19) + $0 } ?? ""
        return "\(mark)\(blanks)\(name)\(printable(finding.detail))\(advice)\n"
    }
}

/// What one check found.
struct Finding: Sendable {
    enum Verdict: Sendable, Equatable {
        case ok
        /// It works, but not for long or not well.
        case warn
        /// A run would end with this code.
        case fail(Problem.Code)
    }
    enum State: String, Sendable { case ok, warn, fail }

    var name: String
    var verdict: Verdict
    var detail: String
    /// What to do; nil where all is well.
    var advice: String?

    init(_ name: String, _ verdict: Verdict, _ detail: String, advice: String? = nil) {
        (self.name, self.verdict, self.detail, self.advice) = (name, verdict, detail, advice)
    }

    /// A failure told by a problem.
    init(_ name: String, _ problem: Problem) {
        let place = problem.location.map { "\($0): " } ?? ""
        let more = problem.others.isEmpty ? "" : " (and \(problem.others.count) more)"
        self.init(name, .fail(problem.code), place + problem.message + more, advice: problem.hint)
    }

    var state: State {
        switch verdict {
        case .ok: .ok
        case .warn: .warn
        case .fail: .fail
        }
    }
}
