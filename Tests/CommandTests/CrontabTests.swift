import CommandSupport
import Foundation
import Testing

/// `workflow crontab --install`, with a stand-in for the system's `crontab` that keeps the table in a file.
@Suite struct CrontabTests {
    /// A tenant with two workflows, and the folder of a `crontab` that does what `body` says where it is not told otherwise.
    private static func taxi(_ body: String = "") throws -> (taxi: TaxiCLI, path: [String: String]) {
        let workflow = "schedule: \"0 3 1 * *\"\nsteps: {a: {sh: \"true\"}}\n"
        let taxi = try WorkflowCommandTests.taxi([
            "monthly.yaml": "name: monthly\n" + workflow, "other.yaml": "name: other\n" + workflow,
        ])
        let bin = taxi("bin")
        try FileManager.default.createDirectory(atPath: bin, withIntermediateDirectories: true)
        let program = """
            #!/bin/sh
            table=\(taxi("table"))
            \(body)
            case $1 in
            -l) if [ -e "$table" ]; then cat "$table"; else echo "no crontab for $(id -un)" >&2; exit 1; fi ;;
            *) cp "$1" "$table" ;;
            esac
            """
        try program.write(toFile: "\(bin)/crontab", atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(bin)/crontab")
        return (taxi, ["PATH": "\(bin):/usr/bin:/bin", "TZ": "America/Chicago"])
    }

    private static func table(_ taxi: TaxiCLI) -> [String]? {
        (try? String(contentsOfFile: taxi("table"), encoding: .utf8))?.split(separator: "\n").map(String.init)
    }

    @Test func aFirstLineMakesTheTable() throws {
        let (taxi, path) = try Self.taxi()
        let ending = try taxi.succeed("workflow", "crontab", "monthly", "--install", environment: path)
        let line = try #require(Self.table(taxi)?.first)
        #expect(Self.table(taxi)?.count == 1)
        #expect(line.hasPrefix("0 3 1 * * "))
        #expect(line.contains("workflow run monthly --due --quiet --home"))
        // That there was no table yet is nobody's mistake.
        #expect(ending.errors == "installed: \(line)\n")
        // What is printed without --install is what was put there.
        #expect(try taxi.succeed("workflow", "crontab", "monthly", environment: path).lines == [line])
    }

    @Test func otherLinesStayAndOnesOwnAreReplaced() throws {
        let (taxi, path) = try Self.taxi()
        let others = ["MAILTO=me", "# 0 3 1 * * a comment", "*/5 * * * * /usr/bin/true"]
        try (others.joined(separator: "\n") + "\n").write(toFile: taxi("table"), atomically: true, encoding: .utf8)
        try taxi.succeed("workflow", "crontab", "monthly", "other", "--install", environment: path)
        let first = try #require(Self.table(taxi))
        #expect(Array(first.prefix(3)) == others)
        #expect(first.count == 5)
        let file = "\(taxi.tenantFolder)/workflows/monthly.yaml"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        try text.replacingOccurrences(of: "0 3", with: "30 4").write(toFile: file, atomically: true, encoding: .utf8)
        try taxi.succeed("workflow", "crontab", "monthly", "--install", environment: path)
        let second = try #require(Self.table(taxi))
        #expect(second.count == 5)
        #expect(Array(second.prefix(3)) == others)
        #expect(second.filter { $0.contains("run monthly ") }.allSatisfy { $0.hasPrefix("30 4 1 * * ") })
        #expect(second.filter { $0.contains("run other ") } == first.filter { $0.contains("run other ") })
    }

    /// Who may not see the table must not write over it.
    @Test func aTableThatCannotBeReadStays() throws {
        let (taxi, path) = try Self.taxi("if [ \"$1\" = -l ]; then echo 'cannot open the spool' >&2; exit 1; fi")
        try "* * * * * /usr/bin/true\n".write(toFile: taxi("table"), atomically: true, encoding: .utf8)
        let ending = try taxi.start(["workflow", "crontab", "monthly", "--install"], environment: path).wait()
        #expect(ending.code == 74)
        #expect(ending.errors.contains("cannot open the spool"), "\(ending.errors)")
        #expect(Self.table(taxi) == ["* * * * * /usr/bin/true"])
    }

    @Test func aRefusalIsTold() throws {
        let (taxi, path) = try Self.taxi("if [ \"$1\" != -l ]; then echo 'bad minute' >&2; exit 1; fi")
        let ending = try taxi.start(["workflow", "crontab", "monthly", "--install"], environment: path).wait()
        #expect(ending.code == 74)
        #expect(ending.errors.contains("bad minute") && ending.errors.contains("crontab refused"), "\(ending.errors)")
    }

    @Test func withoutCronItSaysSo() throws {
        let (taxi, _) = try Self.taxi()
        let ending = try taxi.start(
            ["workflow", "crontab", "monthly", "--install"], environment: ["PATH": taxi("nothing")]
        ).wait()
        #expect(ending.code == 69)
        #expect(ending.errors.contains("Install cron"), "\(ending.errors)")
    }
}
