import CommandSupport
import Foundation
import Testing

/// What shells offer at a Tab key where only the program knows what there is.
@Suite struct CompletionTests {
    /// A tenant "springfield" with trips, results, an alert, queries and a workflow that has run, in a home whose name a shell splits.
    private static func filled() throws -> TaxiCLI {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "300", "trips.csv", "-q")
        let home = ["--home", taxi("my home"), "--tenant", "springfield", "-q"]
        func run(_ words: String...) throws {
            let ending = try taxi.start(words + home).wait()
            #expect(ending.code == 0, "\(words): \(ending.errors)")
        }
        try run("tenant", "create", "springfield")
        let folder = taxi("my home/springfield")
        try """
        queries:
          - {name: cashByCompany, window: {tumbling: 1h}, group: [company], aggregates: {trips: count()}}
        alerts:
          - {name: cash-spike, on: cashByCompany, if: trips > 1000}
        """.write(toFile: "\(folder)/queries.yaml", atomically: true, encoding: .utf8)
        try FileManager.default.createDirectory(atPath: "\(folder)/workflows", withIntermediateDirectories: true)
        try "name: nightly\nsteps: {fetch: {sh: 'true'}, store: {sh: 'true', needs: [fetch]}}\n"
            .write(toFile: "\(folder)/workflows/nightly.yaml", atomically: true, encoding: .utf8)
        try run("produce", "trips.csv", "--clock", "start", "--max-ahead", "3650d")
        try run("stream", "--until-end", "--max-ahead", "3650d")
        try run("workflow", "run", "nightly")
        try run("batch", "--vintage", "first")
        return taxi
    }

    /// A line before the cursor, and names that have to be offered there; none where it is empty.
    private static let cases: [(line: String, names: [String])] = [
        ("show ", ["sumFareWindow", "cashByCompany", "fare_trend", "runs"]),
        ("show --diff ", ["first"]),
        ("stream --query ", ["sumFareWindow", "cashByCompany"]),
        ("stream --query=cash", ["cashByCompany"]),
        ("stream explain ", ["tripsTotal", "cashByCompany"]),
        ("topic tail in", ["ingestData"]),
        ("topic tail springfield_in", ["springfield_ingestData"]),
        ("topic tail --partition ", []),
        ("alert test ", ["cash-spike"]),
        ("workflow show ", ["nightly"]),
        ("workflow trigger n", ["nightly"]),
        ("batch ", ["fare-trend", "payment_mix", "all"]),
        ("batch --print ", ["payment_mix"]),
        ("tenant show ", ["springfield"]),
        ("tenant create ", []),
        ("show --sql ", []),
        ("show sumFareWindow ", []),
    ]

    /// The names that the program gives itself, and how long it takes, below.
    private func names(_ taxi: TaxiCLI, _ line: String) throws -> Ending {
        try taxi.run(
            "__complete", "plain", "taxi-cli --home '\(taxi("my home"))' --tenant springfield \(line)", input: nil)
    }

    @Test func eachKindOfNameIsKnown() throws {
        let taxi = try Self.filled()
        for (line, wanted) in Self.cases {
            let ending = try names(taxi, line)
            #expect(ending.code == 0 && ending.errors.isEmpty, "\(line): \(ending.errors)")
            #expect(Set(wanted).isSubset(of: ending.lines), "\(line): \(ending.lines)")
            if wanted.isEmpty { #expect(ending.lines == [], "\(line)") }
        }
        let run = try #require(try names(taxi, "workflow logs ").lines.first)
        #expect(try names(taxi, "workflow logs \(run) ").lines == ["fetch", "store"])
        #expect(try names(taxi, "workflow logs nightly --interval 2024-01 ").lines == [])
        #expect(try names(taxi, "workflow logs --interval 2024-01 ").lines == ["nightly"])
    }

    @Test func homeAndTenantAreThoseOfTheLine() throws {
        let taxi = try Self.filled()
        let home = taxi("my home")
        for line in [
            "taxi-cli show --home \"\(home)\" --tenant springfield ",
            "taxi-cli show --home=\(taxi.folder)/my\\ home --tenant=springfield ",
            "TAXI_HOME='\(home)' TAXI_TENANT=springfield taxi-cli show ",
            "cd /; taxi-cli --tenant springfield --home ~/my\\ home show ",
            "echo $(taxi-cli --home \"$HOME/my home\" --tenant springfield show ",
            "x | taxi-cli --home ${HOME}'/my home' --format nonsense --tenant springfield -q show ",
        ] {
            #expect(try taxi.succeed("__complete", "plain", line).lines.contains("cashByCompany"), "\(line)")
        }
        // The default home has no such tenant.
        #expect(try taxi.succeed("__complete", "plain", "taxi-cli --tenant springfield show ").lines == [])
    }

    /// A Tab key is pressed without thinking: on a home that is not there, damaged, locked, or on a line that makes no sense.
    @Test func nothingIsMadeAndNothingIsSaid() throws {
        let taxi = try Self.filled()
        let before = try contents(taxi.folder)
        for (line, _) in Self.cases {
            _ = try names(taxi, line)
            for start in [
                "taxi-cli", "taxi-cli --tenant nobody", "taxi-cli --home \(taxi("none"))",
                "taxi-cli --broker nowhere:9",
            ] {
                let ending = try taxi.run("__complete", "bash", "\(start) \(line)", "")
                #expect(ending.code == 0 && ending.errors.isEmpty, "\(start) \(line): \(ending.errors)")
            }
        }
        for line in [
            "", "taxi-cli", "'", "taxi-cli \\", "taxi-cli --tenant", "taxi-cli --tenant \"", "x;", "taxi-cli -- show ",
            "\u{1}",
        ] {
            let ending = try taxi.run("__complete", "bash", line, "")
            #expect(ending.code == 0 && ending.errors.isEmpty, "\(line): \(ending.errors)")
        }
        #expect(try taxi.run("__complete").code == 0)
        #expect(try contents(taxi.folder).subtracting(before).filter { !$0.contains("run-") } == [])

        // What is wrong in taxi.yaml, queries.yaml or a database is told by the commands themselves.
        let folder = taxi("my home/springfield")
        for file in ["taxi.yaml", "queries.yaml", "results.db", "topics.db"] {
            try Data("}{".utf8).write(to: URL(fileURLWithPath: "\(folder)/\(file)"))
            for (line, _) in Self.cases {
                let ending = try names(taxi, line)
                #expect(ending.code == 0 && ending.errors.isEmpty, "\(file), \(line): \(ending.errors)")
            }
        }
    }

    private func contents(_ folder: String) throws -> Set<String> {
        Set(try FileManager.default.subpathsOfDirectory(atPath: folder))
    }

    /// A stream that was killed leaves the files of its databases behind; they are read, and stay.
    @Test func whatAKilledStreamLeftIsReadAndLeft() throws {
        let taxi = try Self.filled()
        let (home, folder) = (taxi("my home"), taxi("my home/springfield"))
        let stream = try taxi.start(["stream", "--home", home, "--tenant", "springfield"])
        #expect(eventually(within: 60) { FileManager.default.fileExists(atPath: "\(folder)/results.db-wal") })
        #expect(try names(taxi, "show ").lines.contains("cashByCompany"))
        stream.killAtOnce()
        let before = try contents(folder)
        #expect(try names(taxi, "show ").lines.contains("cashByCompany"))
        #expect(try names(taxi, "topic tail ").lines.contains("ingestData"))
        #expect(try contents(folder) == before)
    }

    /// The least of a few, since other tests run beside this one.
    @Test func anAnswerTakesNoLongerThanATabKeyMay() throws {
        let taxi = try Self.filled()
        for line in ["show ", "topic tail ", "workflow show ", "workflow logs ", "stream --query "] {
            let best = try (0..<5).map { _ in try ContinuousClock().measure { _ = try names(taxi, line) } }.min()
            // A debug build on a machine that does something else takes a multiple of what people wait, 20 ms.
            #expect(try #require(best) < .milliseconds(300), "\(line)")
        }
    }

    @Test func theCommandItselfIsNowhereToBeSeen() throws {
        let taxi = try TaxiCLI()
        for words in [["--help"], ["man"], ["help"]] {
            #expect(try !taxi.start(words).wait().text.contains("__complete"))
        }
    }

    // MARK: Shells

    /// What a person types, and what then stands on the line; `*` stands for the key that puts in all that is offered.
    private static let typed: [(keys: String, line: String)] = [
        ("taxi-cli --home ~/my\\ home --tenant spr\t", "taxi-cli --home ~/my\\ home --tenant springfield "),
        (
            "taxi-cli --home ~/my\\ home --tenant springfield show cashB\t",
            "taxi-cli --home ~/my\\ home --tenant springfield show cashByCompany "
        ),
        (
            "taxi-cli --home \"$HOME/my home\" --tenant springfield alert test c\t",
            "taxi-cli --home \"$HOME/my home\" --tenant springfield alert test cash-spike "
        ),
        (
            "taxi-cli --tenant springfield --home=$HOME/my\\ home workflow show n\t",
            "taxi-cli --tenant springfield --home=$HOME/my\\ home workflow show nightly "
        ),
        (
            "taxi-cli --tenant=springfield --home ~/my\\ home stream --query=cashB\t",
            "taxi-cli --tenant=springfield --home ~/my\\ home stream --query=cashByCompany "
        ),
        ("taxi-cli data profile tri\t", "taxi-cli data profile trips.csv "),
        ("taxi-cli tenant back\t", "taxi-cli tenant backup "),
    ]

    @Test func bashCompletesNamesAsTheyAreTyped() throws {
        try check(
            "/bin/bash", ["--norc", "--noprofile", "-i"],
            """
            PS1='READY> '; source <(taxi-cli completions bash); bind 'set enable-bracketed-paste off'; \
            show-line() { printf '<%s>\\n' "$READLINE_LINE"; READLINE_LINE=''; }; bind -x '"\\C-g": show-line'
            """)
    }

    @Test func zshCompletesNamesAsTheyAreTyped() throws {
        try check(
            "/usr/bin/zsh", ["-f", "-i"],
            """
            PS1='READY> '; unsetopt zle_bracketed_paste prompt_sp 2>/dev/null; autoload -U compinit; compinit -u -D; \
            taxi-cli completions zsh > zsh-completion; source ./zsh-completion; \
            show-line() { zle -I; print -r -- "<$BUFFER>"; BUFFER= }; zle -N show-line; bindkey '^G' show-line
            """)
    }

    private func check(
        _ shell: String, _ arguments: [String], _ setup: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        guard FileManager.default.isExecutableFile(atPath: shell) else {
            print("there is no \(shell): its completion is not tried")
            return
        }
        let taxi = try Self.filled()
        let bin = URL(fileURLWithPath: TaxiCLI.executable).deletingLastPathComponent().path
        let typist = try taxi.typing(
            shell, arguments, environment: ["PATH": "\(bin):/usr/bin:/bin"], sourceLocation: sourceLocation)
        // The line itself shows its end in two pieces, so that only what it prints is found.
        typist.type("\(setup); printf 'ALL%s\\n' SET\n")
        _ = try typist.shown(until: "ALLSET", sourceLocation: sourceLocation)
        _ = try typist.shown(until: "READY> ", sourceLocation: sourceLocation)
        for (keys, line) in Self.typed {
            typist.type("\(keys)\u{7}")
            _ = try typist.shown(until: "<", sourceLocation: sourceLocation)
            let found = try typist.shown(until: ">", sourceLocation: sourceLocation)
            #expect(found == line, sourceLocation: sourceLocation)
            // Before the prompt a key may be taken by the terminal itself.
            _ = try typist.shown(until: "READY> ", sourceLocation: sourceLocation)
        }
    }

    @Test func fishOffersNames() throws {
        let fish = "/usr/bin/fish"
        guard FileManager.default.isExecutableFile(atPath: fish) else {
            print("there is no fish: its completion is not tried")
            return
        }
        let taxi = try Self.filled()
        let bin = URL(fileURLWithPath: TaxiCLI.executable).deletingLastPathComponent().path
        for (keys, line) in Self.typed {
            let typed = String(keys.dropLast())
            let ending = try taxi.start(
                [
                    "--no-config", "-c", "taxi-cli completions fish | source; complete -C \"$argv[1]\"", typed,
                ], environment: ["PATH": "\(bin):/usr/bin:/bin"], executable: fish
            ).wait()
            let offered = ending.lines.map { $0.prefix { $0 != "\t" } }
            let wanted = line.dropLast().split(separator: " ").last.map(String.init) ?? ""
            #expect(offered.contains { $0 == wanted }, "\(typed): \(ending.text) \(ending.errors)")
        }
    }
}
