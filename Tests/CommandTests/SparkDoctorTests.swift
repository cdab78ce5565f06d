import CommandSupport
import Foundation
import Testing

/// `doctor --engine spark`: what is not as Spark wants it, in one line each with what to do.
@Suite struct SparkDoctorTests {
    private struct Line {
        var state: String
        var detail: String
        var advice: String?
    }

    /// A machine of scripts that say what the real programs would.
    private final class Machine {
        let taxi: TaxiCLI
        var spark = "4.2.0"
        var java = "17.0.15"
        var python = "3.11.2"
        var submit = "echo Exception: no; exit 1"

        init() throws { taxi = try TaxiCLI() }

        private func write(_ path: String, _ text: String) throws {
            let path = taxi(path)
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        }

        func doctor(_ more: [String] = []) throws -> (lines: [String: Line], code: Int32) {
            try write("spark/python/pyspark/version.py", "# Version\n__version__: str = \"\(spark)\"\n")
            try write("spark/bin/spark-submit", "#!/bin/sh\n\(submit)\n")
            try write("java/bin/java", "#!/bin/sh\necho 'openjdk version \"\(java)\" 2025-04-15' >&2\n")
            try write("python3", "#!/bin/sh\necho \(python)\necho /usr/bin/python3\necho\n")
            let ending = try taxi.start(
                ["doctor", "--engine", "spark", "--spark-home", taxi("spark"), "--format", "jsonl"] + more,
                environment: ["JAVA_HOME": taxi("java"), "PYSPARK_PYTHON": taxi("python3")]
            ).wait()
            var lines: [String: Line] = [:]
            for text in ending.lines {
                let object = try jsonObject(text)
                let name = try #require(object["check"] as? String)
                lines[name] = Line(
                    state: try #require(object["state"] as? String), detail: try #require(object["detail"] as? String),
                    advice: object["advice"] as? String)
            }
            return (lines, ending.code)
        }
    }

    @Test func whatIsTooOldFailsAndNobodyElseIsAsked() throws {
        let machine = try Machine()
        (machine.java, machine.python) = ("1.8.0_292", "3.7.3")
        let (lines, code) = try machine.doctor()
        #expect(code == 69)
        #expect(lines["java"]?.state == "fail" && lines["java"]?.advice?.contains("openjdk-17") == true)
        #expect(lines["python3"]?.state == "fail" && lines["python3"]?.advice?.contains("3.9") == true)
        #expect(lines["pyspark"]?.state == "ok" && lines["spark-submit"]?.state == "ok")
        #expect(lines["executors"]?.detail == "not asked" && lines["archive"] == nil)

        (machine.java, machine.python, machine.spark) = ("21", "3.14.0", "3.5.1")
        let (others, _) = try machine.doctor()
        #expect(others["java"]?.state == "ok" && others["python3"]?.state == "ok")
        #expect(others["pyspark"]?.state == "fail" && others["pyspark"]?.detail.hasPrefix("3.5.1") == true)
    }

    @Test func whatIsNotThereIsNamed() throws {
        let machine = try Machine()
        let (lines, code) = try machine.doctor(["--spark-home", machine.taxi("none")])
        #expect(code == 66)
        #expect(lines["pyspark"]?.detail == "there is no Spark in \(machine.taxi("none"))")
        #expect(lines["spark-submit"] == nil)
        let ending = try machine.taxi.run(
            "doctor", "--engine", "spark", "--format", "jsonl",
            environment: ["PYSPARK_PYTHON": "/none/python3", "JAVA_HOME": "/none"])
        #expect(ending.code == 69)
        for text in ["cannot run /none/python3: no such file", "cannot run /none/bin/java: no such file"] {
            #expect(ending.text.contains(text), "\(ending.text)")
        }
    }

    @Test func anotherProcessorIsSaid() throws {
        let machine = try Machine()
        machine.submit = """
            case "$*" in *"--conf a.b=c=d"*) ;; *) exit 1 ;; esac
            echo 'words of a log'
            echo '{"host":"far","machine":"s390x","python":"3.11.2","code":126,"text":"Exec format error"}'
            """
        let (lines, code) = try machine.doctor(["--master", "spark://far:7077", "--spark-conf", "a.b=c=d"])
        #expect(code == 69)
        #expect(lines["executor"]?.detail == "far, s390x, Python 3.11.2: Exec format error")
        #expect(lines["executor"]?.advice?.contains("executors must have the processor") == true)
        #expect(lines["archive"]?.state == "ok")
    }

    @Test func optionsOfSparkWantSpark() throws {
        let taxi = try TaxiCLI()
        for words in [["--master", "yarn"], ["--spark-home", "/"], ["--spark-conf", "a=b"]] {
            let ending = try taxi.start(["doctor"] + words).wait()
            #expect(ending.code == 64 && ending.errors.contains("--engine spark"), "\(ending.errors)")
        }
        let ending = try taxi.run("doctor", "--engine", "spark", "--spark-conf", "memory")
        #expect(ending.code == 64 && ending.errors.contains("NAME=VALUE"), "\(ending.errors)")
    }

    @Test func whatIsWrongWithExecutorsIsOneLine() throws {
        let machine = try Machine()
        func executors(_ log: String, then end: String) throws -> Line? {
            machine.submit = "cat >&2 <<'END'\n\(log)\nEND\n\(end)"
            let (lines, code) = try machine.doctor(["--master", "spark://far:7077"])
            #expect(code == 69)
            return lines["executors"]
        }
        let gone = try executors(
            """
            26/11/30 17:21:10 WARN TaskSetManager: Lost task 0.0: java.io.IOException: Cannot run program "/none/python3": error=2, No such file or directory
            Caused by: java.io.IOException: error=2, No such file or directory
            """, then: "exit 1")
        #expect(
            gone?.detail.hasSuffix("Cannot run program \"/none/python3\": error=2, No such file or directory") == true)
        #expect(gone?.advice?.contains("PYSPARK_PYTHON") == true)
        let other = try executors(
            """
            Caused by: org.apache.spark.api.python.PythonException: Traceback (most recent call last):
            pyspark.errors.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.10 than that in driver: 3.11.
            """, then: "exit 1")
        #expect(other?.detail.contains("3.10 than that in driver: 3.11") == true, "\(other?.detail ?? "")")
        // It would start them for ever; what it runs on is not waited for.
        let started = (0..<10).map { number in
            """
            26/11/30 17:21:10 INFO StandaloneSchedulerBackend: Granted executor ID app-1/\(number) on hostPort far:38179 with 1 core(s), 1024.0 MiB RAM
            26/11/30 17:21:10 INFO StandaloneAppClient$ClientEndpoint: Executor updated: app-1/\(number) is now EXITED (Command exited with code 1)
            """
        }
        let ended = try executors(started.joined(separator: "\n"), then: "exec sleep 300")
        #expect(
            ended?.detail.hasSuffix("executors end as soon as they start, far:38179: Command exited with code 1")
                == true)
        #expect(ended?.advice?.contains("Java 17") == true)
    }

    @Test(.enabled(if: SparkPython.path != nil)) func aRealExecutorRunsIt() throws {
        let taxi = try TaxiCLI()
        let ending = try taxi.run(
            "doctor", "--engine", "spark", "--master", "local[2]", "--format", "jsonl",
            environment: ["PYSPARK_PYTHON": SparkPython.path ?? ""], timeout: 240)
        #expect(ending.code == 0, "\(ending.text)\(ending.errors)")
        let version = try taxi.succeed("--version").text.trimmingCharacters(in: .whitespacesAndNewlines)
        let executors = try ending.lines.map { try jsonObject($0) }.filter { $0["check"] as? String == "executor" }
        #expect(executors.count == 1)
        for executor in executors { #expect((executor["detail"] as? String)?.hasSuffix(version) == true) }
    }
}
