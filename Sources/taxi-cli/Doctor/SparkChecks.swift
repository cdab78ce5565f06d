import Basics
import CommandLine
import Foundation
import Problems
import Shipping

/// What `stream --engine spark` needs: Python, pyspark, Java, Spark, and executors that can run what is shipped to them.
struct SparkChecks {
    private let place: SparkPlace
    private let master: String?
    private let settings: [String]

    /// How long a task on each executor may take, with the time that a cluster needs to give executors out.
    private static let limitMs: Int64 = 300_000
    /// Spark starts executors again and again; so many that have ended say that none will stay.
    private static let fewestEnded = 10
    private static let oldest = (spark: 4, java: 17, python: [3, 9])

    /// - Throws: `.usage` for a setting without a value.
    init(_ arguments: ParsedArguments) throws(Problem) {
        place = SparkPlace(environment: arguments.environment, givenHome: arguments.text("spark-home"))
        master = arguments.text("master")
        settings = arguments.texts("spark-conf")
    }

    /// As an option's value: `name=value`.
    static func checkSetting(_ text: String) throws(Problem) {
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
            throw Problem(
                .usage, "\"\(text)\" is no setting", hint: "Write NAME=VALUE, such as spark.executor.memory=2g.")
        }
    }

    func findings() throws(Problem) -> [Finding] {
        let folder = try TemporaryFolder()
        var findings: [Finding] = []
        let (python, pyspark) = self.python(folder.path)
        findings.append(python)
        let home = place.givenHome ?? place.variable("SPARK_HOME") ?? pyspark
        let spark = self.spark(home)
        findings += [spark, java(folder.path)]
        let submit = home.map { "\($0)/bin/spark-submit" } ?? ""
        if spark.state != .fail {
            findings.append(
                access(submit, X_OK) == 0
                    ? Finding("spark-submit", .ok, submit)
                    : Finding(
                        "spark-submit", .fail(.unavailable), "\(submit) cannot be run",
                        advice: "This Spark is not whole: unpack it again, or name another with --spark-home."))
        }
        guard !findings.contains(where: { $0.state == .fail }) else {
            return findings + [
                Finding("executors", .warn, "not asked", advice: "Mend what fails above, then ask again.")
            ]
        }
        let path = "\(folder.path)/taxi-cli.tar.gz"
        let archive: WorkerArchive
        do throws(Problem) {
            archive = try WorkerArchive()
            let size = try archive.write(to: path)
            let detail =
                "\(archive.count) files, \(byteText(size)), for \(archive.architecture), with glibc \(archive.libcVersion)"
            findings.append(
                archive.missing.isEmpty
                    ? Finding("archive", .ok, detail)
                    : Finding(
                        "archive", .warn, "\(detail), without \(archive.missing.joined(separator: ", "))",
                        advice: "Workers cannot ask a schema registry: apt-get install libcurl4."))
        } catch { return findings + [Finding("archive", error)] }
        return findings + executors(submit, archive: path, archive.architecture, folder.path)
    }

    // MARK: this machine

    /// - Returns: also the folder of pyspark, where this Python has one.
    private func python(_ folder: String) -> (Finding, pyspark: String?) {
        let program = """
            import importlib.util, platform, sys
            found = importlib.util.find_spec("pyspark")
            print(platform.python_version(), sys.executable, sep="\\n")
            print(found.submodule_search_locations[0] if found and found.submodule_search_locations else "")
            """
        let advice = "Install it (apt-get install python3), or name one in PYSPARK_PYTHON."
        let run: ForeignRun
        do throws(Problem) {
            run = try ForeignRun(
                place.python, ["-c", program], environment: place.environment, folder: folder, limitMs: 30_000)
        } catch {
            return (Finding("python3", .fail(.unavailable), error.message, advice: advice), nil)
        }
        let lines = run.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard run.code == 0, lines.count > 2 else {
            let said = SparkSayings.lastLine(run.errors) ?? "it does not say its version"
            return (Finding("python3", .fail(.unavailable), "\(place.python): \(said)", advice: advice), nil)
        }
        let detail = "\(lines[0]), \(lines[1])"
        let isOld = Self.numbers(lines[0]).lexicographicallyPrecedes(Self.oldest.python)
        let finding =
            isOld
            ? Finding(
                "python3", .fail(.unavailable), detail,
                advice: "pyspark 4 wants Python 3.9 or newer; name one in PYSPARK_PYTHON.")
            : Finding("python3", .ok, detail)
        return (finding, lines[2].isEmpty ? nil : lines[2])
    }

    private func spark(_ home: String?) -> Finding {
        guard let home else {
            return Finding(
                "pyspark", .fail(.unavailable), "\(place.python) has none, and SPARK_HOME is not set",
                advice:
                    "Run: \(shellWord(place.python)) -m pip install 'pyspark>=4,<5'; or name a Spark with --spark-home."
            )
        }
        guard let version = SparkPlace.version(ofHome: home) else {
            return Finding(
                "pyspark", .fail(.noInput), "there is no Spark in \(home)",
                advice: "Name the folder that has bin/spark-submit with --spark-home or SPARK_HOME.")
        }
        guard Self.numbers(version).first == Self.oldest.spark else {
            return Finding(
                "pyspark", .fail(.unavailable), "\(version), \(home)",
                advice: "Workers want Spark 4: pip install 'pyspark>=4,<5', or name one with --spark-home.")
        }
        return Finding("pyspark", .ok, "\(version), \(home)")
    }

    private func java(_ folder: String) -> Finding {
        let advice = "Spark 4 wants Java 17 or newer: apt-get install openjdk-17-jre-headless, or set JAVA_HOME."
        let run: ForeignRun
        do throws(Problem) {
            run = try ForeignRun(
                place.java, ["-version"], environment: place.environment, folder: folder, limitMs: 30_000)
        } catch {
            return Finding("java", .fail(.unavailable), error.message, advice: advice)
        }
        // openjdk version "17.0.15" 2025-04-15; before 9 it was "1.8.0_292".
        let parts = run.errors.split(separator: "\"")
        guard run.code == 0, parts.count > 1 else {
            let said = SparkSayings.lastLine(run.errors) ?? "it does not say its version"
            return Finding("java", .fail(.unavailable), "\(place.java): \(said)", advice: advice)
        }
        let detail = "\(parts[1]), \(place.java)"
        guard let first = Self.numbers(String(parts[1])).first, first >= Self.oldest.java else {
            return Finding("java", .fail(.unavailable), detail, advice: advice)
        }
        return Finding("java", .ok, detail)
    }

    // MARK: the executors

    /// What a task said of the machine that it ran on.
    private struct Answer: Decodable {
        var host: String
        var machine: String
        var python: String
        var code: Int32
        var text: String
    }

    private func executors(
        _ submit: String, archive: String, _ architecture: String, _ folder: String
    ) -> [Finding] {
        let program = "\(folder)/ask.py"
        do throws(Problem) { try Files.replace(program, with: Array(Self.program.utf8), mode: 0o600) } catch {
            return [Finding("executors", error)]
        }
        // Only at this level Spark says what becomes of executors that never come.
        var words = [
            "--archives", "\(archive)#taxi", "--conf", "spark.ui.enabled=false", "--conf", "spark.log.level=INFO",
        ]
        if let master { words += ["--master", master] }
        for setting in settings { words += ["--conf", setting] }
        let name = master ?? "this machine"
        let run: ForeignRun
        do throws(Problem) {
            run = try ForeignRun(
                submit, words + [program], environment: place.environment, folder: folder, limitMs: Self.limitMs,
                isHopeless: { SparkSayings.endedExecutors($0).count >= Self.fewestEnded })
        } catch {
            return [Finding("executors", error)]
        }
        if run.code == nil, let ended = SparkSayings.endedExecutors(run.errors).last {
            return [
                Finding(
                    "executors", .fail(.unavailable), "\(name): executors end as soon as they start, \(ended)",
                    advice:
                        "Each wants Java 17 or newer, and to reach this machine; its stderr is in the folder \"work\" of Spark where it ran."
                )
            ]
        }
        let answers = run.output.split(separator: "\n").compactMap { line in
            try? JSONDecoder().decode(Answer.self, from: Data(line.utf8))
        }
        guard run.code == 0, !answers.isEmpty else {
            let ended = run.code.map { "spark-submit ended with \($0)" } ?? "no answer in \(Self.limitMs / 1000) s"
            let cause = run.code == nil ? SparkSayings.waiting(run.errors) : SparkSayings.reason(run.errors)
            let reason = cause.map { ": \($0)" } ?? ""
            return [
                Finding(
                    "executors", .fail(.unavailable), "\(name): \(ended)\(reason)",
                    advice: SparkSayings.isOfPython(cause)
                        ? "Executors need Python of this machine's minor version, under the path that PYSPARK_PYTHON names."
                        : "See that the master runs, can be reached, and has free cores; then its own logs.")
            ]
        }
        return answers.map { finding($0, architecture) }
    }

    private func finding(_ answer: Answer, _ architecture: String) -> Finding {
        let detail = "\(answer.host), \(answer.machine), Python \(answer.python): \(answer.text)"
        if answer.code == 0, answer.text == "taxi-cli \(TaxiCLI.version)" { return Finding("executor", .ok, detail) }
        let advice =
            answer.machine == architecture
            ? "Its machine must let programs run in the folder that Spark works in (no noexec), and have sh."
            : "This taxi-cli is for \(architecture): executors must have the processor of the machine that starts them."
        return Finding("executor", .fail(.unavailable), detail, advice: advice)
    }

    /// Each executor has several tasks, since Spark says nobody which will get one; who answers twice is shown once.
    private static let program = """
        import json, os, platform, subprocess, time
        from pyspark import SparkFiles
        from pyspark.sql import SparkSession


        def look(_):
            program = os.path.join(SparkFiles.getRootDirectory(), "taxi", "bin", "taxi-cli")
            try:
                done = subprocess.run([program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, env={})
                code, lines = done.returncode, done.stdout.decode("utf-8", "replace").strip().splitlines()
                text = lines[-1] if lines else "nothing said"
            except (OSError, subprocess.SubprocessError) as error:
                code, text = 127, str(error)
            # As long as one runs, its place is taken, and the next goes elsewhere.
            time.sleep(0.3)
            return {"host": platform.node(), "place": os.getcwd(), "machine": platform.machine(),
                    "python": platform.python_version(), "code": code, "text": text}


        spark = SparkSession.builder.appName("taxi-cli doctor").getOrCreate()
        context = spark.sparkContext
        # The first job waits until somebody can run it; after that all who were promised may have come.
        context.parallelize(range(1), 1).map(look).collect()
        tasks = 3 * max(1, context.defaultParallelism)
        seen = {}
        for answer in context.parallelize(range(tasks), tasks).map(look).collect(): seen[answer["host"], answer["place"]] = answer
        for key in sorted(seen): print(json.dumps(seen[key]), flush=True)
        spark.stop()
        """

    // MARK: what others say

    private static func numbers(_ version: String) -> [Int] {
        version.split { !$0.isNumber }.map { Int($0) ?? 0 }
    }
}

/// A folder of its own, which goes with its owner.
private final class TemporaryFolder {
    let path: String

    init() throws(Problem) {
        let parent = ProcessInfo.processInfo.environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        var name = Array("\(parent)/taxi-cli-doctor-XXXXXX".utf8CString)
        guard mkdtemp(&name) != nil else { throw Problem(.create, parent, errno) }
        path = name.withUnsafeBufferPointer { String(fileName: $0.baseAddress!) }
    }

    deinit { try? Files.remove(path) }
}
