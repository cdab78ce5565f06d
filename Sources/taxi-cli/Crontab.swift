import Foundation
import Glibc
import Problems

/// The crontab of the user who asks, by the system's own program.
enum Crontab {
    /// Puts lines in place of those that run the same commands; what else stands there stays as it is.
    ///
    /// - Throws: `.unavailable` where there is no `crontab`, `.inputOutput` where it refuses.
    static func install(_ lines: [(command: String, line: String)]) throws {
        let file = NSTemporaryDirectory() + "/taxi-cli-crontab-\(UUID().uuidString)"
        defer { unlink(file) }
        // A user without a crontab yet is told so, which is no mistake.
        _ = try run(["-l"], output: file)
        let present = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
        var kept = present.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if kept.last == "" { kept.removeLast() }
        kept.removeAll { old in lines.contains { old.hasSuffix(" " + $0.command) && !old.hasPrefix("#") } }
        try writeFile((kept + lines.map(\.line)).joined(separator: "\n") + "\n", to: file)
        let status = try run([file], output: "/dev/null")
        guard status == 0 else {
            throw Problem(.inputOutput, "crontab refused the new lines", hint: "What it said stands above.")
        }
    }

    private static func run(_ words: [String], output: String) throws(Problem) -> Int32 {
        let descriptor = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Problem(.create, output, errno) }
        defer { close(descriptor) }
        do throws(ChildStart.Refusal) {
            return try ChildStart.runToEnd(
                "crontab", ["crontab"] + words, environment: ProcessInfo.processInfo.environment, output: descriptor)
        } catch {
            throw Problem(
                .unavailable, "cannot start crontab: \(Problem.text(error.number))",
                hint: "Install cron, or let taxi-cli workflow serve run what is due.")
        }
    }
}
