import Foundation

/// A PostgreSQL of a test's own (Debian's package postgresql), at a socket in a folder of its own; gone with the value.
///
/// Its users are `postgres`, whom it trusts, and `guarded`, whose password it asks for.
package final class TestPostgres: Sendable {
    /// The newest version's programs; nil where there are none.
    private static let programs: String? = {
        let root = "/usr/lib/postgresql"
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).compactMap { Int($0) }
        return versions.max().map { "\(root)/\($0)/bin" }
    }()

    /// Whether tests that need one can run.
    package static let isThere: Bool = {
        // As root it wants to run as somebody else, whom the package brings.
        guard programs != nil, geteuid() != 0 || getpwnam("postgres") != nil else {
            print("skipped: there is no PostgreSQL to publish to (apt-get install postgresql)")
            return false
        }
        return true
    }()

    /// For all tests that leave it as it is: each has a database of its own.
    package static let shared: Result<TestPostgres, any Error> = Result {
        let server = try TestPostgres()
        // It runs until the tests end: no value's end would come by then.
        atexit { try? TestPostgres.shared.get().end() }
        return server
    }

    package static let password = "s3cret'\\ of guarded"
    private let folder: String

    package init() throws {
        // Short: the path of a socket has room for some hundred bytes.
        folder = NSTemporaryDirectory() + "pg-\(UInt32.random(in: 0...(.max)))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        if geteuid() == 0, let user = getpwnam("postgres") { chown(folder, user.pointee.pw_uid, user.pointee.pw_gid) }
        try run(
            "initdb", "-D", "\(folder)/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        try """
        local all guarded scram-sha-256
        local all all trust
        """.write(toFile: "\(folder)/data/pg_hba.conf", atomically: false, encoding: .utf8)
        try start()
        _ = try query(
            "CREATE ROLE guarded LOGIN PASSWORD '\(Self.password.replacing("'", with: "''"))'", in: "postgres")
    }

    deinit { end() }

    private func end() {
        try? stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    package func start() throws {
        try run(
            "pg_ctl", "-D", "\(folder)/data", "-l", "\(folder)/log", "-w", "start", "-o",
            "-k \(folder) -h '' -c fsync=off -c shared_buffers=32MB")
    }

    /// As a power failure would.
    package func stop() throws { try run("pg_ctl", "-D", "\(folder)/data", "-m", "immediate", "-w", "stop") }

    private func run(_ program: String, _ arguments: String...) throws {
        let path = "\(Self.programs ?? "")/\(program)"
        let asUser =
            geteuid() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", path] : [path]
        _ = try Self.output(of: asUser + arguments)
    }

    /// A new database with a name of its own.
    package func makeDatabase() throws -> String {
        let name = "d\(UInt64.random(in: 0...(.max)))"
        _ = try query("CREATE DATABASE \(name)", in: "postgres")
        return name
    }

    package func url(_ database: String, user: String = "postgres", more: String = "") -> String {
        "postgres://\(user)@/\(database)?host=\(folder)\(more)"
    }

    /// The lines that psql prints: rows, their columns with "|" between them.
    package func query(_ sql: String, in database: String, as user: String = "postgres") throws -> [String] {
        let text = try Self.output(of: [
            "psql", "-X", "-h", folder, "-U", user, "-d", database, "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c",
            sql,
        ])
        return text.split(separator: "\n").map(String.init)
    }

    private static func output(of words: [String]) throws -> String {
        let process = Process()
        // Foundation takes a program for running as long as anybody has the socket that it was given, such as a server that it has started.
        let closing = "for n in $(ls /proc/$$/fd); do if [ $n -gt 2 ]; then eval \"exec $n>&-\"; fi; done; exec \"$@\""
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", closing, "bash"] + words
        process.standardInput = FileHandle.nullDevice
        // Files, since a pipe that nobody empties would stop it, and a server that it starts would hold it open.
        let name = NSTemporaryDirectory() + "/taxi-pg-\(UUID().uuidString)"
        let paths = [name + ".out", name + ".err"]
        defer { for path in paths { try? FileManager.default.removeItem(atPath: path) } }
        for path in paths { try Data().write(to: URL(fileURLWithPath: path)) }
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[0]))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[1]))
        // Where anybody may be.
        process.currentDirectoryURL = URL(fileURLWithPath: "/")
        try process.run()
        process.waitUntilExit()
        let texts = try paths.map { try String(contentsOfFile: $0, encoding: .utf8) }
        guard process.terminationStatus == 0 else {
            throw PostgresFailure(description: "\(words): \(texts[1])\(texts[0])")
        }
        return texts[0]
    }
}

package struct PostgresFailure: Error, CustomStringConvertible {
    package var description: String
}
