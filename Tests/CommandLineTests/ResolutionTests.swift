import Foundation
import Problems
import Testing

@testable import CommandLine

struct ResolutionTests {
    @Test func `flag wins over environment, environment over taxi.yaml, taxi.yaml over default`() async throws {
        try await Fixture.withConfiguration("# ours\nproduce:\n  rate: 3/s\n") { fixture, path in
            var fixture = fixture
            #expect(await fixture.run("produce", "a").output.contains("rate = 3/s (\(path):3)\n"))
            fixture.environment["FLEET_RATE"] = "2/s"
            #expect(await fixture.run("produce", "a").output.contains("rate = 2/s (environment FLEET_RATE)\n"))
            #expect(await fixture.run("produce", "a", "--rate", "1/s").output.contains("rate = 1/s (flag --rate)\n"))
            fixture.environment["FLEET_RATE"] = ""
            fixture.configurationPath = path + ".missing"
            #expect(await fixture.run("produce", "a").output.contains("rate = 1000/s (default)\n"))
        }
    }

    @Test func `of options that exclude each other the stronger source wins`() async throws {
        try await Fixture.withConfiguration("produce: {rate: 3/s}") { fixture, path in
            var fixture = fixture
            let flag = await fixture.run("produce", "a", "--speed", "60x").output
            #expect(flag.contains("speed = 60x (flag --speed)"))
            #expect(!flag.contains("rate ="))
            // A flag that is switched off chooses nothing.
            #expect(await fixture.run("produce", "a", "--max=false").output.contains("rate = 3/s"))
            fixture.environment = ["FLEET_RATE": "2/s", "FLEET_SPEED": "2x"]
            let both = await fixture.run("produce", "a")
            #expect(both.code == 64)
            #expect(
                both.errors.contains(
                    "rate (environment FLEET_RATE) and speed (environment FLEET_SPEED) exclude each other"))
            #expect(await fixture.run("produce", "a", "--max").code == 0)
        }
        try await Fixture.withConfiguration("produce: {rate: 3/s, speed: 2x}") { fixture, path in
            let both = await fixture.run("produce", "a")
            #expect(both.code == 78)
            #expect(both.errors.contains("rate (\(path):1) and speed (\(path):1) exclude each other"))
        }
    }

    @Test func `a flag that means nothing without another is refused; a variable is not heeded`() async throws {
        var fixture = Fixture()
        let alone = await fixture.run("produce", "a", "--burst", "5")
        #expect(alone.code == 64)
        #expect(alone.errors.contains("--burst means nothing without --speed"))
        #expect(await fixture.run("produce", "a", "--burst", "5", "--speed", "2x").code == 0)
        fixture.environment["FLEET_BURST"] = "5"
        #expect(await fixture.run("produce", "a").code == 0)
        // The other one is there, from wherever it comes.
        fixture.environment = ["FLEET_SPEED": "2x"]
        #expect(await fixture.run("produce", "a", "--burst", "5").code == 0)
    }

    @Test func `an empty value is none`() async {
        let ending = await Fixture().run("produce", "a", "--password", "")
        #expect(ending.code == 64)
        let query = await Fixture().run("stream", "--query", "")
        #expect(query.code == 64)
        #expect(query.errors.contains("the value is empty"))
    }

    @Test func `what is read is never written over, by whatever name, and nothing is written twice`() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("written-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Data("a".utf8).write(to: URL(fileURLWithPath: "\(folder)/trips.csv"))
        try FileManager.default.createSymbolicLink(atPath: "\(folder)/link.csv", withDestinationPath: "trips.csv")
        let trips = "\(folder)/trips.csv"
        for name in ["trips.csv", "./trips.csv", "link.csv"] {
            let ending = await Fixture().run("produce", trips, "--summary", "\(folder)/\(name)")
            #expect(ending.code == 64, "\(name)")
            #expect(ending.errors.contains("is read by this command, and would be written over"), "\(ending.errors)")
        }
        let twice = await Fixture().run("produce", trips, "--summary", "\(folder)/new", "--log", "\(folder)/new")
        #expect(twice.code == 64)
        #expect(twice.errors.contains("would be written twice"))
        for others in [
            ["--summary", "\(folder)/new"], ["--summary", "/dev/null", "--log", "/dev/null"],
            ["--summary", "-", "--log", "-"],
        ] {
            let ending = await Fixture().run(["produce", trips] + others)
            #expect(ending.code == 0, "\(ending.errors)")
        }
    }

    @Test func `a flag takes back what taxi.yaml says`() async throws {
        try await Fixture.withConfiguration("produce: {resume: yes}") { fixture, path in
            #expect(await fixture.run("produce", "a").output.contains("resume = yes (\(path):1)"))
            #expect(
                await fixture.run("produce", "a", "--resume=false").output.contains("resume = false (flag --resume)"))
        }
    }

    @Test func `lists come from repeated flags, commas and YAML`() async throws {
        try await Fixture.withConfiguration("stream:\n  query: [x, y]\n") { fixture, _ in
            var fixture = fixture
            #expect(await fixture.run("stream").output == "x+y")
            fixture.environment["FLEET_QUERY"] = "a,b,c"
            #expect(await fixture.run("stream").output == "a+b+c")
            #expect(await fixture.run("stream", "--query", "q").output == "q")
        }
    }

    @Test func `taxi.yaml is checked whole, for every command, with places and nearest names`() async throws {
        let text = """
            zone: UTC
            produce:
              rte: 5/s
              limit: many
              speed: [1x, 2x]
            fleet:
              rate: 1/s
            """
        try await Fixture.withConfiguration(text) { fixture, path in
            let outcome = await fixture.run("topic", "list")
            #expect(outcome.code == 78)
            let errors = outcome.errors
            #expect(
                errors.contains(
                    "\(path):3:3: error: unknown key \"produce.rte\"\n3 |   rte: 5/s\n  |   ^\nhint: Did you mean \"produce.rate\"?"
                ))
            #expect(
                errors.contains(
                    "\(path):4:10: error: \"produce.limit\": \"many\" is not a whole number\n4 |   limit: many\n"))
            #expect(errors.contains("\(path):5:10: error: \"produce.speed\" takes one value, not a list"))
            // The right word below the wrong heading.
            #expect(
                errors.contains(
                    "unknown key \"fleet.rate\"\n7 |   rate: 1/s\n  |   ^\nhint: Did you mean \"produce.rate\"?"))
        }
    }

    @Test(arguments: ["", "# nothing\n", "produce:\n", "produce:\n  rate:\n", "produce: {rate: ~}"])
    func `an empty key leaves the default`(text: String) async throws {
        try await Fixture.withConfiguration(text) { fixture, _ in
            #expect(await fixture.run("produce", "a").output.contains("rate = 1000/s (default)"))
        }
    }

    @Test(arguments: ["just text", "- a\n- b", "a: [", "produce: {rate: [{x: 1}]}"])
    func `what is no mapping of settings is refused with its place`(text: String) async throws {
        try await Fixture.withConfiguration(text) { fixture, path in
            let outcome = await fixture.run("produce", "a")
            #expect(outcome.code == 78)
            #expect(outcome.errors.hasPrefix("\(path):1:"), "\(outcome.errors)")
        }
    }

    @Test func `secrets come from the environment or a private file and are never shown`() async throws {
        var fixture = Fixture()
        fixture.environment["FLEET_PASSWORD"] = "hunter2"
        let shown = await fixture.run("produce", "a").output
        #expect(shown.contains("password = ******** (environment FLEET_PASSWORD)"))
        #expect(!shown.contains("hunter2"))
        try await Fixture.withConfiguration("produce: {password: hunter2}") { fixture, _ in
            #expect(await fixture.run("produce", "a").output.contains("password = ********"))
        }
        try await Fixture.withConfiguration("produce: {password: hunter2}", mode: 0o644) { fixture, path in
            let outcome = await fixture.run("produce", "a")
            #expect(outcome.code == 77)
            #expect(outcome.errors.contains("hint: Run: chmod 600 \(path)"))
            #expect(!outcome.errors.contains("hunter2"))
        }
    }

    @Test func `a default may depend on the environment`() async {
        var fixture = Fixture()
        fixture.environment["HOME"] = "/home/ada"
        #expect(await fixture.run("produce", "a").output.contains("home = /home/ada (default)"))
    }

    @Test func `values are read as their kinds`() async throws {
        let output = TextWriter.inMemory()
        let line = try ArgumentParser(root: Fixture().program.root, globals: []).parse(
            ["produce", "a", "--limit", "5k", "--from", "2024-01-22T00:00Z", "--rate", "30/m", "--resume"])
        let options = try Resolver(environment: [:], configuration: nil).resolve(
            Fixture.produce.options, given: line.occurrences)
        let arguments = ParsedArguments(
            program: Fixture().program, path: ["fleet", "produce"], positionals: line.positionals, options: options,
            occurrences: line.occurrences, declared: Fixture.produce.options, configuration: nil, environment: [:],
            terminal: Terminal(), output: output, errors: output)
        #expect(arguments.integer("limit") == 5000)
        #expect(arguments.number("rate") == 0.5)
        #expect(arguments.time("from")?.utcMs { _ in 0 } == 1_705_881_600_000)
        #expect(arguments.isOn("resume"))
        #expect(!arguments.isOn("max"))
        #expect(arguments.text("clock") == nil)
        #expect(arguments.number("speed") == nil)
        #expect("\(arguments.problem("rate", "too fast"))" == "error: option \"--rate\": too fast")
    }

    @Test func `the template is valid, shows every key once, and works when a line is taken out of its comment`()
        async throws
    {
        let template = ConfigurationTemplate(Fixture().program).text(title: "Settings.")
        for key in ["zone: UTC", "format: FORMAT", "rate: 1000/s", "query: [NAME]", "resume: true"] {
            #expect(
                template.split(separator: "\n").filter { $0.hasSuffix("# \(key)") }.count == 1, "\(key)\n\(template)")
        }
        try await Fixture.withConfiguration(template) { fixture, _ in
            #expect(await fixture.run("produce", "a").output.contains("rate = 1000/s (default)"))
        }
        let changed = template.split(separator: "\n").map { $0 == "  # rate: 1000/s" ? "  rate: 7/s" : String($0) }
            .joined(separator: "\n")
        try await Fixture.withConfiguration(changed) { fixture, path in
            #expect(await fixture.run("produce", "a").output.contains("rate = 7/s (\(path):"))
        }
    }
}
