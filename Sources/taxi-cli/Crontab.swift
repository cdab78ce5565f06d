import Foundation
import Glibc
import Problems

/// The crontab of the user who asks, by the system's own program.
enum Crontab {
    /// Puts lines in place of those that run the same commands; what else stands there stays as it is.
    ///
    /// - Throws: `.unavailable` where there is no `crontab`, `.inputOutput` where it refuses; then the crontab is as it was.
    static func install(_ lines: [(command: String, line: String)]) throws {
        let file = NSTemporaryDirectory() + "/taxi-cli-crontab-\(UUID().uuidString)"
        let talk = file + "-errors"
        defer {
            unlink(file)
            unlink(talk)
        }
        let status = try run(["-l"], output: file, errors: talk)
        let said = (try? String(contentsOfFile: talk, encoding: .utf8)) ?? ""
        // A user without a crontab yet is told so, which is no mistake. After any other the lines that are there would be lost.
        guard status == 0 || Self.absences.contains(where: said.contains) else {
            throw Problem(
                .inputOutput,
                "crontab does not show what is there: \(visible(said.split(separator: "\n").joined(separator: " ")))",
                hint: "See what \"crontab -l\" says; or put the lines of the command without --install there by hand.")
        }
        guard let present = try? String(contentsOfFile: file, encoding: .utf8) else {
            throw Problem(
                .inputOutput, "the present crontab is no UTF-8",
                hint: "Put the lines of the command without --install there by hand: crontab -e.")
        }
        var kept = present.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if kept.last == "" { kept.removeLast() }
        kept.removeAll { old in lines.contains { old.hasSuffix(" " + $0.command) && !old.hasPrefix("#") } }
        try writeFile((kept + lines.map(\.line)).joined(separator: "\n") + "\n", to: file)
        guard try run([file], output: "/dev/null") == 0 else {
            throw Problem(.inputOutput, "crontab refused the new lines", hint: "What it said stands above.")
        }
    }

    /// How cron (Debian, cronie) and busybox say that a user has none.
    private static let absences = ["no crontab for", "No such file or directory"]

    /// - Parameter errors: a file for what it says on stderr; nil: it goes where ours goes.
    private static func run(_ words: [String], output: String, errors: String? = nil) throws(Problem) -> Int32 {
        let descriptor = try opened(output)
        defer { close(descriptor) }
        let talk = try errors.map { path throws(Problem) in try opened(path) }
        defer { if let talk { close(talk) } }
        var environment = ProcessInfo.processInfo.environment
        environment["LC_ALL"] = "C"
        do throws(ChildStart.Refusal) {
            return try ChildStart.runToEnd(
                "crontab", ["crontab"] + words, environment: environment, output: descriptor,
                errors: talk ?? STDERR_FILENO)
        } catch {
            throw Problem(
                .unavailable, "cannot start crontab: \(Problem.text(error.number))",
                hint: "Install cron, or let taxi-cli workflow serve run what is due.")
        }
    }

    private static func opened(_ path: String) throws(Problem) -> Int32 {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Problem(.create, path, errno) }
        return descriptor
    }
}
