import Foundation
import Problems
import Testing

@testable import CommandLine

struct ProgramTests {
    @Test func `options stand before, between and after arguments`() async {
        for words in [
            ["produce", "--rate", "5/s", "a", "b"], ["produce", "a", "--rate=5/s", "b"],
            ["produce", "a", "b", "-r5/s"], ["produce", "a", "b", "-r", "5/s"],
        ] {
            let outcome = await Fixture().runAll(words)
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("file a\nfile b\nrate = 5/s (flag --rate)\n"))
        }
    }

    @Test func `two dashes end the options, one dash is an argument`() async {
        let outcome = await Fixture().run("produce", "--", "--rate", "-", "-x")
        #expect(outcome.output.hasPrefix("file --rate\nfile -\nfile -x\n"))
        let dash = await Fixture().run("produce", "-")
        #expect(dash.output.hasPrefix("file -\n"))
    }

    @Test func `short flags may stand together and the last value counts`() async {
        let outcome = await Fixture().run("produce", "-qvr1/s", "a", "--rate", "2/s")
        #expect(outcome.output.contains("rate = 2/s"))
        #expect(outcome.output.contains("quiet = true"))
        #expect(outcome.output.contains("verbose = true"))
    }

    @Test func `global options stand before the command as well`() async {
        let outcome = await Fixture().run("--home", "/h", "-q", "produce", "a")
        #expect(outcome.output.contains("home = /h (flag --home)"))
    }

    @Test(arguments: [
        (["prodce"], "there is no command \"fleet prodce\"", "Did you mean \"produce\"?"),
        (["topic", "lst"], "there is no command \"fleet topic lst\"", "Did you mean \"list\"?"),
        (["stream", "explan"], "there is no command \"fleet stream explan\"", "Did you mean \"explain\"?"),
        (["produce", "--rte", "5"], "unknown option \"--rte\"", "Did you mean \"--rate\"?"),
        (["produce", "--rat=5"], "unknown option \"--rat=5\"", "written in full"),
        (
            ["produce", "--spee", "5x", "a"], "unknown option \"--spee\"",
            "Did you mean \"--speed\"? Options are written in full."
        ),
        (["produce", "a", "--rat"], "unknown option \"--rat\"", "Did you mean \"--rate\"?"),
        (["produce", "-z"], "unknown option \"-z\"", "\"fleet produce --help\" lists the options."),
        (["produce", "-qz"], "unknown option \"-z\"", "--help"),
        (["produce", "-clock", "now"], "unknown option \"-clock\"", "Did you mean \"--clock\"?"),
        (["--rate", "5", "produce"], "unknown option \"--rate\"", "\"--rate\" is an option of \"fleet produce\""),
        (["produce", "a", "--rate"], "option \"--rate\" needs a value", "Write --rate RATE."),
        (["produce", "a", "-r"], "option \"--rate\" needs a value", "Write --rate RATE."),
        (["produce", "a", "--rate", "fast"], "option \"--rate\": \"fast\" is not a rate", "1000/s"),
        (["produce", "a", "--clock", "strat"], "option \"--clock\": there is no \"strat\"", "Did you mean \"start\"?"),
        (
            ["produce", "a", "--resume=maybe"], "option \"--resume\": \"maybe\" is neither true nor false",
            "true or false"
        ),
        (["produce"], "\"fleet produce\" needs FILE: CSV files", "See \"fleet produce --help\"."),
        (["produce", ""], "FILE: the path is empty", "Name a file"),
        (["stream", "explain", "now"], "\"fleet stream explain\" takes no argument, but was given \"now\"", "--help"),
        (["stream", "--", "now"], "there is no command \"fleet stream now\"", "--help"),
        (["stream", "--query", "a", "explain"], "\"fleet stream explain\" has no option \"--query\"", "--help"),
        (
            ["produce", "a", "--rate", "5", "--speed", "2x"], "--rate and --speed exclude each other",
            "one of --rate, --speed, --max"
        ),
        (
            ["produce", "a", "--password", "x"], "\"password\" is not given as an option",
            "Set FLEET_PASSWORD or produce.password in taxi.yaml."
        ),
        (["stream", "--zone", "UTC"], "\"zone\" is not given as an option", "Set zone in taxi.yaml."),
    ])
    func `a mistake on the command line ends with 64 and a way out`(words: [String], message: String, hint: String)
        async
    {
        let outcome = await Fixture().runAll(words)
        #expect(outcome.code == 64)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.contains("error: \(message)\n"), "\(outcome.errors)")
        #expect(outcome.errors.contains("hint: ") && outcome.errors.contains(hint), "\(outcome.errors)")
    }

    @Test func `a command's own option takes the place of a global one`() async {
        let outcome = await Fixture().run("produce", "a", "--format", "avro")
        #expect(outcome.output.contains("format = avro (flag --format)"))
        let global = await Fixture().run("topic", "list", "--format", "avro")
        #expect(global.code == 64)
    }

    @Test func `a command without its subcommand shows its help on stderr`() async {
        let outcome = await Fixture().run("topic")
        #expect(outcome.code == 64)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("  fleet topic list\n"))
    }

    @Test func `the program alone shows the overview`() async {
        let outcome = await Fixture().run()
        #expect(outcome.code == 0)
        #expect(outcome.output.contains("produce  Replay trips.\n"))
        #expect(outcome.errors.isEmpty)
    }

    @Test func `help and version win over missing arguments and broken settings`() async throws {
        try await Fixture.withConfiguration("rubbish: [") { fixture, _ in
            #expect(await fixture.run("--version").output == "fleet 1.2.3\n")
            #expect(await fixture.run("produce", "--help").output.contains("Usage: fleet produce [options] FILE…"))
            #expect(await fixture.run("help", "produce").output.contains("Usage: fleet produce [options] FILE…"))
            #expect(await fixture.run("produce", "a").code == 78)
        }
    }

    @Test func `exit codes are the command's own`() async {
        let outcome = await Fixture().run("stream", "--query", "a", "--query=b")
        #expect(outcome.code == 3)
        #expect(outcome.output == "a+b")
    }

    @Test func `a command with subcommands may run by itself`() async {
        let outcome = await Fixture().run("stream", "explain")
        #expect(outcome.code == 65)
        #expect(outcome.errors == "a:3:2: error: three is \"3\"\n3 | abc\n  |  ^\nhint: Count.\n")
    }

    @Test func `problems are coloured on a terminal only`() async {
        var fixture = Fixture()
        fixture.terminal = Terminal(errorIsTerminal: true, allowsColor: true)
        let coloured = await fixture.run("stream", "explain")
        #expect(coloured.errors.contains("\u{1B}[31merror:\u{1B}[0m three"))
        #expect(coloured.errors.contains("\u{1B}[36mhint:\u{1B}[0m Count."))
        let plain = await fixture.run("stream", "explain", "--no-color")
        #expect(!plain.errors.contains("\u{1B}"))
    }

    @Test func `a closed pipe is no failure, an unforeseen error is ours`() async {
        #expect(await Fixture().run("topic", "break", "-v").code == 0)
        let outcome = await Fixture().run("topic", "break")
        #expect(outcome.code == 70)
        #expect(outcome.errors.contains("report it"))
    }

    @Test func `rows come as a table on a terminal and as JSON lines in a pipe`() async {
        #expect(await Fixture().run("topic", "list").output == "{\"name\":\"a\",\"records\":1234}\n")
        var fixture = Fixture()
        fixture.terminal.outputIsTerminal = true
        #expect(await fixture.run("topic", "list").output == "name  records\na       1,234\n")
        #expect(await fixture.run("topic", "list", "--format", "csv").output == "name,records\r\na,1234\r\n")
    }
}

extension Fixture {
    func runAll(_ words: [String]) async -> Outcome {
        let (output, errors) = (TextWriter.inMemory(isForPeople: true), TextWriter.inMemory(isForPeople: true))
        let code = await program.run(
            words, in: .init(environment: environment, terminal: terminal, output: output, errors: errors))
        return Outcome(code: code, output: output.text, errors: errors.text)
    }
}
