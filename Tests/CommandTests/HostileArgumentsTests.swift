import CommandSupport
import Foundation
import Testing

/// Values that nobody means, for every option that takes one but a file's name: each is refused with 64, or the command does its work.
@Suite struct HostileArgumentsTests {
    /// How each command with such options is run so that it does its work; the options are asked of the program itself.
    private static let lines: [String: [String]] = [
        "alert history": [], "alert list": [], "alert test": ["none"], "audit": [], "batch": [],
        "dashboard": [], "data convert": ["trips.csv", "c.jsonl", "--force"],
        "data generate": ["g.csv", "--force", "--rows", "5"], "data profile": ["trips.csv"], "data sample": ["s.csv"],
        "dead-letter list": [], "dead-letter replay": [], "dead-letter show": [],
        "demo": [], "doctor": [], "ml history": [], "ml serve": [], "ml test": ["none"],
        "produce": ["trips.csv", "--limit", "3"],
        "publish": ["postgres://u@127.0.0.1:1/d"], "report": ["out.html"],
        "schema check": ["s.avsc"], "schema register": ["s.avsc"], "schema serve": ["--listen", "127.0.0.1:0"],
        "schema set-compatibility": ["FULL"], "serve": ["--check"], "show": ["sumfarewindow"],
        "stream": ["--until-end"],
        "stream explain": [], "stream queries": [], "stream rewind": ["--epochs", "1"],
        "stream restate": ["--month", "2024-03", "--from", "trips.csv", "--yes"],
        "top": ["--once"], "topic create": ["t"], "topic export": ["chicago_ingestData", "--output", "x"],
        "topic tail": ["chicago_ingestData"], "worker": [], "workflow backfill": ["w"],
        "workflow cancel": ["w"], "workflow graph": ["w"], "workflow logs": ["w"], "workflow next": ["w"],
        "workflow retry": ["w"], "workflow run": ["w"], "workflow runs": [], "workflow serve": [],
        "workflow trigger": ["w"],
    ]

    private static let values = [
        "", "-1", "0", "1e400", "9223372036854775808", "nan", "inf", "-inf", " 1", "1 ", "0x10", "1_", "+1", "١", "😀",
        String(repeating: "9", count: 120_000), "104249991d", "9007199254740991ms", "8191T", "0001-01-01",
        "9999-12-31T23:59:59.999-23:59", "2024-02-30",
    ]

    /// As the system says of one that was ended by it, or the program says of its own mistakes.
    private static func isRight(_ code: Int32) -> Bool { code >= 0 && code != 70 && (code < 128 || code == 130) }

    /// The options of a command that take a value other than the name of a file, by what its help says.
    private static func options(_ command: String, _ taxi: TaxiCLI) throws -> [String] {
        let help = try taxi.start(command.split(separator: " ").map(String.init) + ["--help"]).wait()
        try #require(help.code == 0, "\(command): \(help.errors)")
        let own = help.text.components(separatedBy: "\nGlobal options:")[0]
        return own.matches(of: /(?m)^ +(?:-\w, )?--([a-z-]+) ([A-Z]+)/).filter { !["FILE", "DIR"].contains($0.2) }.map {
            String($0.1)
        }
    }

    @Test func everyCommandIsTried() throws {
        let taxi = try TaxiCLI()
        let commands = try Set(
            taxi.succeed("config", "--format", "jsonl").lines.map { try jsonObject($0)["command"] as? String })
        for command in commands.compactMap(\.self) where !command.isEmpty && Self.lines[command] == nil {
            #expect(try Self.options(command, taxi).isEmpty, "say how \"\(command)\" is run")
        }
    }

    @Test(arguments: lines.keys.sorted()) func isTakenOrRefused(_ command: String) throws {
        let taxi = try TaxiCLI.filled()
        let workflows = taxi.tenantFolder + "/workflows"
        try FileManager.default.createDirectory(atPath: workflows, withIntermediateDirectories: true)
        try "name: w\nschedule: \"0 3 1 * *\"\nstart: 2024-01-01\nparams: {x: 1}\nsteps: {a: {sh: \"true\"}}\n".write(
            toFile: workflows + "/w.yaml", atomically: true, encoding: .utf8)
        try "\"int\"".write(toFile: taxi("s.avsc"), atomically: true, encoding: .utf8)
        let words = command.split(separator: " ").map(String.init)
        for option in try Self.options(command, taxi) {
            for value in Self.values {
                let program = try taxi.start(words + Self.lines[command]! + ["--\(option)=\(value)"])
                // The one that works until it is told to stop.
                if !eventually(
                    within: 30,
                    {
                        !program.isRunning || program.errors.contains("Ctrl-C stops it")
                            || program.text.contains(" is at http")
                    })
                {
                    Issue.record("\(command) --\(option)=\(value.prefix(40)) does not end")
                }
                program.signal(SIGTERM)
                let ending = program.wait(timeout: 30)
                #expect(
                    Self.isRight(ending.code),
                    "\(command) --\(option)=\(value.prefix(40)): \(ending.code) \(ending.errors)")
            }
            let rest = Self.lines[command]!.joined(separator: " ")
            let ending = try taxi.shell(
                "timeout 30 \"$TAXI\" \(command) \(rest) \"--\(option)=$(printf '\\377\\376')\"")
            #expect(Self.isRight(ending.code), "\(command) --\(option) with bytes: \(ending.code) \(ending.errors)")
        }
    }

    /// More than an argument can be.
    @Test func aMegabyteOfTextInTheSettings() throws {
        let taxi = try TaxiCLI()
        let keys = try Set(
            taxi.succeed("config", "--format", "jsonl").lines.map { try jsonObject($0)["key"] as? String })
        #expect(keys.count > 20)
        try FileManager.default.createDirectory(atPath: taxi.tenantFolder, withIntermediateDirectories: true)
        let text = String(repeating: "9", count: 1 << 20)
        for key in keys.compactMap(\.self) {
            let parts = key.split(separator: ".")
            let line = parts.count == 1 ? "\(key): \"\(text)\"\n" : "\(parts[0]): {\(parts[1]): \"\(text)\"}\n"
            try line.write(toFile: taxi.tenantFolder + "/taxi.yaml", atomically: true, encoding: .utf8)
            let ending = try taxi.run("config", timeout: 20)
            #expect([0, 78].contains(ending.code), "\(key): \(ending.code) \(ending.errors.prefix(300))")
        }
    }
}
