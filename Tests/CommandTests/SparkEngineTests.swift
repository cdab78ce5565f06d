import CommandSupport
import Foundation
import Testing

/// `stream --engine spark`: its program and its workers are those that Spark gets; Spark itself is a stand-in of forty lines of Python, but for the last test.
@Suite struct SparkEngineTests {
    /// Does what the program asks of pyspark, in one process. Dies at the jobs whose numbers it is told; or answers garbage, of another kind each time.
    private static let standIn = """
        import os, signal

        class SparkConf:
            def setAppName(self, name): return self
            def setMaster(self, url): return self
            def set(self, name, value): return self

        class SparkFiles:
            @staticmethod
            def get(name): return name
            @staticmethod
            def getRootDirectory(): return "."

        earlier = []

        class Work:
            def __init__(self, items): self.items = items
            def map(self, body):
                self.body = body
                return self
            def collect(self):
                with open(os.environ["STANDIN_JOBS"], "a+") as jobs:
                    jobs.write("job\\n")
                    jobs.seek(0)
                    number = len(jobs.readlines())
                if str(number) in os.environ["STANDIN_DIES"].split():
                    os.kill(os.getpid(), signal.SIGKILL)
                garbage = os.environ["STANDIN_GARBAGE"].split()
                if str(number) in garbage:
                    kind = garbage.index(str(number)) % 4
                    # Other bytes, none, a frame that is no partial, and partials of other ranges.
                    if kind < 3: return [(b"P", [b"garbage", b"", request][kind]) for request, _ in self.items]
                    return earlier[:len(self.items)]
                earlier[:] = [self.body(item) for item in self.items]
                return list(earlier)

        class SparkContext:
            applicationId, version, defaultParallelism = "stand-in", "0", 2
            def __init__(self, conf): pass
            def addFile(self, path): pass
            def parallelize(self, items, count): return Work(items)
            def stop(self): pass

        """

    private static let views = [
        "sumfarewindow", "tripstotal", "hotspotcommunitywindow", "hotspotwindow", "faredistribution",
    ]

    /// Several replays, so that the topic has several batches: those are read whole.
    private func filled(_ partitions: Int = 3, replays: Int = 1) throws -> TaxiCLI {
        let taxi = try TaxiCLI()
        for replay in 1...replays {
            try taxi.succeed("data", "generate", "--rows", "600", "--seed", "\(replay)", "\(replay).csv", "-q")
            try taxi.succeed(
                "produce", "\(replay).csv", "--clock", "start", "--max-ahead", "3650d", "--partitions",
                "\(partitions)", "-q")
        }
        return taxi
    }

    private func results(_ taxi: TaxiCLI) throws -> [String] {
        try Self.views.map { try taxi.succeed("show", $0, "--format", "csv", "--limit", "1000000").text }
    }

    private func spark(_ taxi: TaxiCLI, dies: String = "", garbage: String = "") throws -> [String: String] {
        try FileManager.default.createDirectory(atPath: taxi("python/pyspark"), withIntermediateDirectories: true)
        try Self.standIn.write(toFile: taxi("python/pyspark/__init__.py"), atomically: true, encoding: .utf8)
        return [
            "PYTHONPATH": taxi("python"), "STANDIN_JOBS": taxi("jobs"), "STANDIN_DIES": dies,
            "STANDIN_GARBAGE": garbage, "PYTHONDONTWRITEBYTECODE": "1",
        ]
    }

    @Test func workersGiveTheSameThoughTheProgramIsKilledAndAnswersGarbage() throws {
        let local = try filled(replays: 6)
        try local.succeed("stream", "--until-end", "--max-ahead", "3650d", "-q")
        let taxi = try filled(replays: 6)
        let environment = try spark(taxi, dies: "2 9", garbage: "3 5 7 11")
        let ending = try taxi.succeed(
            "stream", "--until-end", "--max-ahead", "3650d", "--engine", "spark", "--epoch-records", "100",
            environment: environment)
        #expect(try String(contentsOfFile: taxi("jobs"), encoding: .utf8).split(separator: "\n").count > 11)
        #expect(ending.errors.contains("3,600 trips"))
        #expect(ending.errors.split(separator: "\n").count { $0.contains("asked again") } == 6)
        #expect(try results(taxi) == results(local))
        let audit = try taxi.run("audit", "--strict")
        #expect(audit.code == 0, "\(audit.text)\(audit.errors)")
        // The other engine stands where this one has stopped.
        let again = try taxi.succeed("stream", "--until-end", "--max-ahead", "3650d")
        #expect(again.errors.contains("0 trips in"))
    }

    @Test func filesAreReadByTasksAndOnlyThoseThatAreNew() throws {
        func files() throws -> TaxiCLI {
            let taxi = try TaxiCLI()
            for seed in 1...3 {
                try taxi.succeed("data", "generate", "--rows", "600", "--seed", "\(seed)", "\(seed).csv", "-q")
            }
            return taxi
        }
        let local = try files()
        try local.succeed("stream", "--max-ahead", "3650d", "-q", "--input", "1.csv", "2.csv")
        try local.succeed("stream", "--max-ahead", "3650d", "-q", "--input", "3.csv")
        let taxi = try files()
        try FileManager.default.moveItem(atPath: taxi("3.csv"), toPath: taxi("later"))
        // What Spark has shipped lies open to others, until a task uses it.
        try "sasl.password=secret\n".write(toFile: taxi("sasl.properties"), atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: taxi("sasl.properties"))
        let environment = try spark(taxi, dies: "2", garbage: "3")
        let words = [
            "stream", "--max-ahead", "3650d", "--engine", "spark", "--epoch-records", "200", "--input", "?.csv",
        ]
        func run(_ more: String...) throws -> Ending {
            let ending = try taxi.start(words + more, environment: environment).wait(timeout: 120)
            try #require(ending.code == 0, "\(ending.errors)")
            return ending
        }
        let first = try run("--master", "spark://nowhere:7077", "--broker-config", "sasl.properties")
        #expect(first.errors.contains("1,200 trips") && first.errors.contains("asked again"))
        #expect(try String(contentsOfFile: taxi("jobs"), encoding: .utf8).split(separator: "\n").count > 4)
        let mode = try FileManager.default.attributesOfItem(atPath: taxi("sasl.properties"))[.posixPermissions] as? Int
        #expect(mode == 0o600)
        try FileManager.default.moveItem(atPath: taxi("later"), toPath: taxi("3.csv"))
        let second = try run()
        #expect(second.errors.contains("600 trips") && second.errors.contains("2 files were read by an earlier run"))
        #expect(try results(taxi) == results(local))
        #expect(try run().errors.contains("no trip that an earlier run has not read"))
        // The other engine knows them.
        let known = try taxi.succeed("stream", "--max-ahead", "3650d", "--input", "3.csv")
        #expect(known.errors.contains("no trip that an earlier run has not read"))
    }

    @Test func whatIsMissingIsSaidInOneLine() throws {
        let taxi = try filled(1)
        try FileManager.default.createDirectory(atPath: taxi("none"), withIntermediateDirectories: true)
        try "raise ImportError('none here')".write(toFile: taxi("none/pyspark.py"), atomically: true, encoding: .utf8)
        let ending = try taxi.run(
            "stream", "--until-end", "--engine", "spark", environment: ["PYTHONPATH": taxi("none")])
        #expect(ending.code == 78)
        #expect(ending.errors.contains("there is no pyspark"))
        // As pyspark says it where there is no Java.
        let noJava = Self.standIn.replacing(
            "def __init__(self, conf): pass", with: "def __init__(self, conf): raise Exception('[JAVA_GATEWAY_EXITED]')"
        )
        try noJava.write(toFile: taxi("none/pyspark.py"), atomically: true, encoding: .utf8)
        let gateway = try taxi.run(
            "stream", "--until-end", "--engine", "spark", environment: ["PYTHONPATH": taxi("none")])
        #expect(gateway.code == 78)
        #expect(gateway.errors.contains("Java"))
        let other = try taxi.run(
            "stream", "--until-end", "--engine", "spark", environment: ["PYSPARK_DRIVER_PYTHON": taxi("no-python")])
        #expect(other.code == 78)
        #expect(other.errors.contains("no-python"))
    }

    @Test func whatItCannotReadIsRefusedBeforeSparkStarts() throws {
        let taxi = try filled(1)
        let refused = [
            ["--input", "-", "--engine", "spark"], ["--input", "1.csv", "--limit", "5", "--engine", "spark"],
            ["--engine", "spark", "--master", "spark://localhost:7077"],
            ["--master", "local[2]"], ["--engine", "spark", "--spark-conf", "nothing"],
        ]
        for words in refused {
            let ending = try taxi.start(["stream", "--until-end"] + words).wait(timeout: 60)
            #expect(ending.code == 64, "\(words): \(ending.errors)")
            #expect(ending.errors.contains("hint: "))
        }
    }

    @Test func aWorkerRefusesWhatIsNoRequest() throws {
        let taxi = try filled(1)
        for request in ["", "garbage", "TXWK" + String(repeating: "\u{7f}", count: 100)] {
            let ending = try taxi.run("worker", input: request)
            #expect(ending.code == 65, "\(request): \(ending.errors)")
            #expect(ending.text.isEmpty)
        }
        #expect(try taxi.run("worker", "--request", "nothing-there").code == 66)
    }

    @Test(.enabled(if: SparkPython.path != nil)) func sparkItselfGivesTheSame() throws {
        let local = try filled()
        try local.succeed("stream", "--until-end", "--max-ahead", "3650d", "-q")
        let taxi = try filled()
        try taxi.succeed(
            "stream", "--until-end", "--max-ahead", "3650d", "--engine", "spark", "--master", "local[2]",
            "--epoch-records", "1000", environment: ["PYSPARK_PYTHON": SparkPython.path ?? ""], timeout: 300)
        #expect(try results(taxi) == results(local))
    }
}
