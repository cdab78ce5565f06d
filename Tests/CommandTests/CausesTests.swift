import CommandSupport
import Foundation
import Glibc
import Testing

/// The exit code follows the cause, whichever command meets it: 66 no input, 73 cannot create, 74 reading or writing failed, 77 no permission.
@Suite struct CausesTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var line: String
        var code: Int32
        var testDescription: String { line }
        init(_ line: String, _ code: Int32) { (self.line, self.code) = (line, code) }
    }

    private func expect(_ c: Case, _ taxi: TaxiCLI, _ line: String, sourceLocation: SourceLocation = #_sourceLocation)
        throws
    {
        let ending = try taxi.shell(line)
        #expect(ending.code == c.code, "\(ending.errors)", sourceLocation: sourceLocation)
        #expect(ending.errors.contains("error: "), "\(ending.errors)", sourceLocation: sourceLocation)
    }

    /// A home with results, in which `nobody` may read and write, and around it what cannot be used.
    private func surroundings() throws -> TaxiCLI {
        let taxi = try TaxiCLI.filled()
        try FileManager.default.createDirectory(atPath: taxi("closed/chicago"), withIntermediateDirectories: true)
        try "x".write(toFile: taxi("closed.csv"), atomically: true, encoding: .utf8)
        try "name: x\n".write(toFile: taxi("closed.yaml"), atomically: true, encoding: .utf8)
        try "x".write(toFile: taxi("file"), atomically: true, encoding: .utf8)
        try FileManager.default.createDirectory(atPath: taxi("folder"), withIntermediateDirectories: true)
        return taxi
    }

    @Test(arguments: [
        Case("produce no.csv", 66), Case("produce folder", 66), Case("produce file/x.csv", 66),
        Case("stream --input no.csv", 66), Case("stream --input folder", 66), Case("audit --from no.csv", 66),
        Case("audit --from folder", 66), Case("data profile no.csv", 66), Case("data profile folder", 66),
        Case("stream --queries no.yaml", 66), Case("stream --queries folder", 66), Case("workflow run ./no.yaml", 66),
        Case("workflow validate no.yaml", 66), Case("topic tail nothing", 66),
        Case("produce trips.csv --broker localhost:1 --broker-config no.properties", 66),
        Case("report no/such/r.html", 73), Case("report folder", 73), Case("report r.html --json no/such/x", 73),
        Case("report r.html --csv file/x", 73), Case("data generate no/such.csv", 73),
        Case("data generate folder --force", 73), Case("data sample file/x.csv", 73),
        Case("produce trips.csv --limit 9 --summary-json no/such", 73), Case("demo --keep file/demo", 73),
        Case("report /dev/full", 74), Case("report r.html --json /dev/full", 74),
        Case("data generate /dev/full --force", 74), Case("data sample /dev/full --force", 74),
        Case("produce trips.csv --limit 9 --summary-json /dev/full", 74),
    ])
    func filesThatCannotBeUsed(_ c: Case) throws {
        try expect(c, try surroundings(), "\"$TAXI\" \(c.line)")
    }

    @Test(arguments: [
        "show", "show sumfarewindow", "status", "batch", "report -", "audit", "topic list", "topic tail ingestData",
        "tenant list", "tenant show chicago", "config", "doctor", "data generate -", "data profile trips.csv",
        "produce trips.csv --dry-run", "produce trips.csv --limit 9 --summary-json -", "stream explain",
        "stream queries",
        "--help", "--version", "man", "completions bash",
    ])
    func aFullOrClosedOutput(_ line: String) throws {
        let taxi = try surroundings()
        try expect(Case(line, 74), taxi, "\"$TAXI\" \(line) >/dev/full")
        try expect(Case(line, 74), taxi, "\"$TAXI\" \(line) >&-")
    }

    @Test(arguments: [
        "show sumfarewindow", "topic tail ingestData", "data generate -", "report -", "produce trips.csv --dry-run",
    ])
    func aReaderThatHasGoneIsNoFailure(_ line: String) throws {
        let ending = try surroundings().shell("(\"$TAXI\" \(line); echo $? >&2) | head -c 5 >/dev/null")
        #expect(ending.errors == "0\n")
    }

    /// `ulimit -f` ends a process by a signal that is not passed over.
    @Test(arguments: [
        "data generate big.csv", "data generate big.csv.gz --rows 200000", "report r.html",
        "produce trips.csv --max --clock end --again", "stream --until-end --from-beginning", "batch --vintage one",
    ])
    func aFileThatMayNotGrow(_ line: String) throws {
        try expect(Case(line, 74), try surroundings(), "ulimit -f 64; \"$TAXI\" \(line)")
    }

    @Test(arguments: [
        "produce trips.csv --max", "stream --until-end", "batch", "report r.html", "audit", "show", "status",
        "topic list",
        "topic tail ingestData", "dead-letter list", "alert list", "alert history", "workflow list", "workflow runs",
        "workflow serve", "tenant list", "tenant create other", "tenant show chicago", "tenant remove chicago --yes",
        "doctor",
    ])
    func aHomeThatIsAFile(_ line: String) throws {
        let taxi = try surroundings()
        let ending = try taxi.shell("\"$TAXI\" \(line) --home file")
        #expect(ending.code == 73, "\(ending.errors)")
        #expect(try String(contentsOfFile: taxi("file"), encoding: .utf8) == "x")
    }

    /// As somebody to whom the permissions apply.
    @Test(arguments: [
        Case("produce closed.csv", 77), Case("data profile closed.csv", 77), Case("stream --input closed.csv", 77),
        Case("stream --queries closed.csv", 77), Case("workflow run ./closed.yaml", 77),
        Case("workflow validate closed.yaml", 77), Case("audit --from closed.csv", 77),
        Case("report closed/r.html", 77), Case("report out.html --json closed/x", 77),
        Case("data generate closed/x.csv", 77),
        Case("data sample closed/x.csv", 77), Case("produce trips.csv --limit 9 --summary-json closed/x", 77),
        Case("demo --keep closed/demo", 77), Case("show --home closed", 77), Case("status --home closed", 77),
        Case("produce trips.csv --home closed", 77), Case("stream --until-end --home closed", 77),
        Case("batch --home closed", 77), Case("report out.html --home closed", 77), Case("audit --home closed", 77),
        Case("topic list --home closed", 77), Case("topic tail ingestData --home closed", 77),
        Case("dead-letter list --home closed", 77), Case("alert history --home closed", 77),
        Case("workflow list --home closed", 77), Case("workflow runs --home closed", 77),
        Case("workflow serve --home closed", 77), Case("tenant list --home closed", 77),
        Case("tenant create other --home closed", 77), Case("tenant show chicago --home closed", 77),
        Case("tenant remove chicago --yes --home closed", 77), Case("produce trips.csv --home closed/below", 77),
    ])
    func whatMayNotBeTouched(_ c: Case) throws {
        let taxi = try surroundings()
        let asNobody = geteuid() == 0 ? "setpriv --reuid=65534 --regid=65534 --clear-groups " : ""
        if try taxi.shell("chmod -R a+rwX . && \(asNobody)\"$TAXI\" --version").code != 0 {
            print("skipped: nobody else can run \(TaxiCLI.executable)")
            return
        }
        let ending = try taxi.shell(
            "touch out.html; chmod a+w out.html; chmod 0 closed.csv closed.yaml closed; \(asNobody)\"$TAXI\" \(c.line); code=$?; chmod 700 closed; exit $code"
        )
        #expect(ending.code == c.code, "\(ending.errors)")
        #expect(ending.errors.contains("error: "))
        #expect(
            ending.errors.contains("permission denied") || ending.errors.contains("may only be read"),
            "\(ending.errors)")
    }
}

/// Names of files and folders are bytes; a home is the folder that was given, or an error.
@Suite struct NamesTests {
    @Test func filesOpenWhateverTheirNames() throws {
        let taxi = try TaxiCLI()
        // ISO 8859-1, a line break, an escape.
        for (seed, name) in ["caf\\351.csv", "a\\nb.csv", "\\377\\376", "e\\033[2J.csv", "日本 \\351", "-n.csv", "~.csv"]
            .enumerated()
        {
            let ending = try taxi.shell(
                """
                name="$(printf '%b' '\(name.replacingOccurrences(of: "\\", with: "\\0").replacingOccurrences(of: "\\0n", with: "\\n"))')"
                set -e
                "$TAXI" data generate --rows 20 --seed \(seed) --force -- "./$name"
                test -f "./$name"
                "$TAXI" data profile -- "./$name" >/dev/null
                "$TAXI" produce --limit 9 --max --clock start --summary-json "./$name.json" -- "./$name"
                test -s "./$name.json"
                "$TAXI" stream --input "./$name" --home "h$name" --until-end
                test -f "h$name/chicago/results.db"
                "$TAXI" show --home "h$name" >/dev/null
                "$TAXI" batch --home "h$name" >/dev/null
                "$TAXI" report --home "h$name" -- "./$name.html"
                test -s "./$name.html"
                "$TAXI" tenant create other --home "h$name"
                "$TAXI" tenant remove other --yes --home "h$name"
                """)
            #expect(ending.code == 0, "\(name): \(ending.errors)")
        }
    }

    @Test func messagesShowTheBytes() throws {
        let taxi = try TaxiCLI()
        let ending = try taxi.shell("\"$TAXI\" produce \"$(printf 'no\\351\\nhint: me\\033.csv')\"")
        #expect(ending.code == 66)
        #expect(
            ending.errors.hasPrefix("error: there is no file \"no\\xe9\\nhint: me\\u001b.csv\"\n"), "\(ending.errors)")
    }

    @Test(
        arguments: [
            ("--home=~/x", 64, "which no shell has replaced"), ("--home '~root/x'", 64, "which no shell has replaced"),
            ("--home '~'", 64, "which no shell has replaced"), ("--home ''", 64, "empty"),
        ] as [(String, Int32, String)],
        ["produce trips.csv", "show", "status", "tenant list", "workflow serve", "config"])
    func aHomeThatCannotBeMeantIsRefused(_ home: (option: String, code: Int32, message: String), _ line: String) throws
    {
        let taxi = try TaxiCLI()
        let ending = try taxi.shell("\"$TAXI\" \(line) \(home.option)")
        #expect(ending.code == home.code, "\(ending.errors)")
        #expect(ending.errors.contains(home.message), "\(ending.errors)")
        #expect(!FileManager.default.fileExists(atPath: taxi("~")))
    }

    @Test(arguments: [
        "produce trips.csv", "stream", "show", "status", "tenant list", "batch", "workflow serve", "topic list",
        "doctor",
    ])
    func noHomeIsAnError(_ line: String) throws {
        let taxi = try TaxiCLI()
        for unset in ["-u HOME -u XDG_DATA_HOME", "-u XDG_DATA_HOME HOME=", "-u HOME XDG_DATA_HOME=relative"] {
            let ending = try taxi.shell("env \(unset) \"$TAXI\" \(line)")
            #expect(ending.code == 78, "\(ending.errors)")
            #expect((ending.text + ending.errors).contains("neither XDG_DATA_HOME nor HOME is set"), "\(ending.errors)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: taxi.folder).allSatisfy { $0.hasPrefix("run-") })
        // What needs no home asks for none.
        #expect(try taxi.shell("env -u HOME -u XDG_DATA_HOME \"$TAXI\" data generate --rows 5 t.csv").code == 0)
        #expect(try taxi.shell("env -u HOME -u XDG_DATA_HOME \"$TAXI\" data profile t.csv").code == 0)
    }

    /// A step of a workflow runs in the workflow's own folder.
    @Test func aRelativeHomeIsOneFolder() throws {
        let taxi = try TaxiCLI()
        try FileManager.default.createDirectory(atPath: taxi("flows"), withIntermediateDirectories: true)
        try "name: where\nsteps:\n  a: {sh: \"printf %s \\\"$TAXI_HOME\\\" > seen\"}\n".write(
            toFile: taxi("flows/where.yaml"), atomically: true, encoding: .utf8)
        try taxi.succeed("workflow", "run", "flows/where.yaml", "--home", "here")
        let seen = try ["seen", "flows/seen"].compactMap { name in
            FileManager.default.fileExists(atPath: taxi(name))
                ? try String(contentsOfFile: taxi(name), encoding: .utf8) : nil
        }
        #expect(seen.count == 1 && seen[0].hasPrefix("/") && seen[0].hasSuffix("/here"), "\(seen)")
        #expect(FileManager.default.fileExists(atPath: taxi("here/chicago/results.db")))
    }

    @Test func everyCommandKnowsTheSameTenants() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "50", "trips.csv")
        for name in ["_x", "9", "a-b_c"] {
            try taxi.succeed("tenant", "create", name)
            for words in [
                ["produce", "trips.csv", "--max", "--clock", "start"], ["stream", "--until-end"], ["batch"],
                ["report", "r.html"], ["audit"], ["show"], ["status"], ["workflow", "runs"], ["alert", "history"],
            ] {
                let ending = try taxi.start(words + ["--tenant", name]).wait()
                #expect(ending.code == 0, "\(words): \(ending.errors)")
            }
            let list = try taxi.succeed("tenant", "list", "--format", "csv").text
            #expect(list.contains("\(name),"))
        }
        for name in ["-x", ".x", "a.b", "é", ""] {
            for line in [
                "tenant create -- '\(name)'", "produce trips.csv --tenant='\(name)'", "batch --tenant='\(name)'",
            ] {
                let ending = try taxi.shell("\"$TAXI\" \(line)")
                #expect(ending.code == 64, "\(line): \(ending.errors)")
            }
        }
    }

    /// One scheduler of a home serves every tenant that has workflows, whatever it is called.
    @Test func theSchedulerServesEveryTenant() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("tenant", "create", "_x")
        let folder = taxi("data/taxi-cli/_x/workflows")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try "name: once\nsteps:\n  a: {sh: \"true\"}\n".write(
            toFile: "\(folder)/once.yaml", atomically: true, encoding: .utf8)
        try taxi.succeed("workflow", "trigger", "once", "--tenant", "_x")
        let server = try taxi.start(["workflow", "serve"])
        defer { server.killAtOnce() }
        let isRun = try eventually(within: 60) {
            try taxi.succeed("workflow", "runs", "--tenant", "_x").text.contains("success")
        }
        #expect(isRun, "\(server.errors)")
    }
}
