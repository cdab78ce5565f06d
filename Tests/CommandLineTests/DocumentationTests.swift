import Foundation
import Testing

@testable import CommandLine

struct DocumentationTests {
    private let program = Fixture().program

    @Test func `help opens with the examples`() async {
        let help = await Fixture().run("produce", "--help").output
        #expect(
            help.hasPrefix(
                """
                  fleet produce a.csv --rate 5/s
                      slowly
                  fleet produce a.csv --max
                      fast

                Replay trips.

                Usage: fleet produce [options] FILE…

                Arguments:
                  FILE…  CSV files.

                Pace:
                  -r, --rate RATE    Records a second. [default: 1000/s; FLEET_RATE; taxi.yaml:
                                     produce.rate]
                """), "\(help)")
        #expect(help.contains("Global options:\n  --home DIR;"))
        #expect(!help.contains("--password"))
        #expect(help.contains("password"))
    }

    @Test(arguments: [40, 60, 80, 100])
    func `help fits the terminal`(width: Int) {
        for (path, command) in program.root.flattened() {
            let text = HelpPage(command: command, path: path.joined(separator: " "), globals: program.globals).text(
                width: width)
            // Usage lines are not broken.
            for line in text.split(separator: "\n") where !line.contains("fleet") {
                #expect(displayWidth(of: line) <= width, "\(line)")
            }
        }
    }

    @Test func `a command that runs and holds others shows both usages`() async {
        let help = await Fixture().run("stream", "-h").output
        #expect(help.contains("Usage: fleet stream [options]\n       fleet stream COMMAND [options]\n"))
    }

    @Test func `every command and option is in the manual and the reference`() {
        let (manual, reference) = (ManPage(program).text(), CommandReference(program).text())
        for (path, command) in program.root.flattened().dropFirst() {
            #expect(manual.contains(".SS \"\(path.joined(separator: " "))\""))
            #expect(reference.contains("## \(path.joined(separator: " "))\n"))
            for option in command.options where option.hasFlag {
                #expect(manual.contains("\\-\\-\(option.long)"))
                #expect(reference.contains("--\(option.long)"))
            }
        }
    }

    @Test func `the manual is roff that groff takes without a word`() throws {
        guard let groff = ["/usr/bin/groff", "/usr/local/bin/groff"].first(where: FileManager.default.isExecutableFile)
        else { return }
        let outcome = try run(groff, ["-man", "-Tutf8", "-Kutf8", "-ww", "-z"], input: ManPage(program).text())
        #expect(outcome.code == 0)
        #expect(outcome.errors.isEmpty, "\(outcome.errors)")
    }

    @Test func `roff requests and escapes in texts stay text`() {
        let command = Command(
            name: "x", summary: ".so \\fBevil\\fR 'quoted' \"twice\"", examples: [Example(".TH", "'tis")])
        let program = Program(
            root: Command(name: "p", summary: "s", examples: [], subcommands: [command]), version: "1", globals: []
        ) { _ in nil }
        let manual = ManPage(program).text()
        #expect(manual.contains("\\&.so \\efBevil\\efR"))
        #expect(manual.contains("\\&.TH"))
        #expect(!manual.contains("\n.so"))
    }

    private func run(_ path: String, _ arguments: [String], input: String) throws -> (
        code: Int32, output: String, errors: String
    ) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let (stdin, stdout, stderr) = (Pipe(), Pipe(), Pipe())
        (process.standardInput, process.standardOutput, process.standardError) = (stdin, stdout, stderr)
        try process.run()
        stdin.fileHandleForWriting.write(Data(input.utf8))
        try stdin.fileHandleForWriting.close()
        let output = stdout.fileHandleForReading.readDataToEndOfFile()
        let errors = stderr.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (
            process.terminationStatus, String(decoding: output, as: UTF8.self), String(decoding: errors, as: UTF8.self)
        )
    }

    @Test(arguments: [
        ("fleet ", "produce stream topic"), ("fleet str", "stream"), ("fleet topic ", "list break"),
        ("fleet topic l", "list"),
        ("fleet produce --cl", "--clock"), ("fleet produce --clock ", "now start end"),
        ("fleet produce --clock s", "start"),
        ("fleet produce --clock = e", "end"), ("fleet produce --format ", "json avro"), ("fleet stream ex", "explain"),
        ("fleet topic list --format js", "json jsonl"), ("fleet -q topic ", "list break"),
        ("fleet produce --rate ", ""),
        ("fleet produce --pass", ""),
    ])
    func `bash completes commands, options and their values`(line: String, expected: String) throws {
        let script =
            Completions(program).script(for: .bash) + """

                compopt() { :; }
                COMP_WORDS=(\(line))
                [[ '\(line)' == *' ' ]] && COMP_WORDS+=('')
                COMP_CWORD=$((${#COMP_WORDS[@]}-1)) COMP_LINE='\(line)' COMP_POINT=\(line.utf8.count)
                _fleet
                echo "${COMPREPLY[*]}"
                """
        let outcome = try run("/bin/bash", ["--norc"], input: script)
        #expect(outcome.errors.isEmpty)
        #expect(outcome.output == expected + "\n")
    }

    @Test func `zsh and fish scripts name every command and option`() {
        let (zsh, fish) = (Completions(program).script(for: .zsh), Completions(program).script(for: .fish))
        #expect(zsh.hasPrefix("#compdef fleet\n"))
        for (path, command) in program.root.flattened().dropFirst() {
            #expect(zsh.contains("_fleet__" + path.dropFirst().joined(separator: "__") + "() {"))
            #expect(fish.contains("-a \(path.last!) -d "))
            for option in command.options {
                #expect(zsh.contains("--\(option.long)") == option.hasFlag)
                #expect(fish.contains("-l \(option.long) ") == option.hasFlag)
            }
        }
    }
}
