import CommandSupport
import Foundation
import SQLite
import Testing

/// Homes that may only be read: a read-only mount, a snapshot, the home of somebody else.
@Suite struct ReadOnlyTests {
    static let lookers = [
        "show", "show sumfarewindow --format csv", "status", "status --all", "report -", "audit", "topic list",
        "topic describe ingestData", "topic tail ingestData", "dead-letter list", "dead-letter show", "alert list",
        "alert history", "workflow list", "workflow runs", "batch --list", "batch --dry-run", "tenant list",
        "tenant show chicago",
        "doctor", "stream explain", "stream queries", "config",
        "show --sql 'SELECT x FROM only_in_the_log'",
    ]
    static let writers = [
        "produce trips.csv --max", "stream --until-end", "batch", "topic create more", "topic delete ingestData --yes",
        "tenant create other", "tenant remove chicago --yes", "workflow run ./once.yaml", "workflow serve",
    ]

    /// What lies beside a database.
    enum Beside: String, Sendable, CaseIterable {
        /// It was closed as it should be.
        case nothing
        /// Its process was killed: the log holds what the file does not, and its index is there.
        case logAndIndex
        /// So in a copy of the file and its log, as backups make them.
        case log
    }

    private static func home(_ beside: Beside) throws -> TaxiCLI {
        let taxi = try TaxiCLI.filled()
        try "name: once\nsteps:\n  a: {sh: \"true\"}\n".write(
            toFile: taxi("once.yaml"), atomically: true, encoding: .utf8)
        for path in [taxi.resultsPath, taxi.topicsPath] {
            let writer = try Connection(path: path)
            try writer.execute("PRAGMA wal_autocheckpoint=0")
            try writer.execute("CREATE TABLE only_in_the_log (x)")
            try writer.execute("INSERT INTO only_in_the_log VALUES (7)")
            if beside == .nothing { continue }
            // Copied while it is open, they stay when it closes.
            for suffix in beside == .log ? ["", "-wal"] : ["", "-wal", "-shm"] {
                try FileManager.default.copyItem(atPath: path + suffix, toPath: path + suffix + ".copy")
            }
        }
        guard beside != .nothing else { return taxi }
        for path in [taxi.resultsPath, taxi.topicsPath] {
            for suffix in ["", "-wal", "-shm"] where FileManager.default.fileExists(atPath: path + suffix + ".copy") {
                #expect(rename(path + suffix + ".copy", path + suffix) == 0)
            }
        }
        return taxi
    }

    private static func files(_ taxi: TaxiCLI) throws -> String {
        try taxi.shell("cd data && find . -type f | sort | xargs md5sum").text
    }

    /// The same lines but for times and durations.
    private static func isSteady(_ line: String) -> Bool {
        !["doctor", "report", "audit", "status", "config", "tenant"].contains { line.hasPrefix($0) }
    }

    @Test(arguments: Beside.allCases)
    func aReadOnlyMountCanBeRead(_ beside: Beside) throws {
        let taxi = try Self.home(beside)
        guard let mount = try ReadOnlyMount(of: taxi("data")) else { return }
        defer { mount.end() }
        let before = try Self.files(taxi)
        var shown: [String: String] = [:]
        for line in Self.lookers {
            let ending = try taxi.shell("\"$TAXI\" \(line)")
            #expect(ending.code == 0, "\(line): \(ending.errors)")
            shown[line] = ending.text
            // Of two databases it is said once.
            let notes = ending.errors.components(separatedBy: "note: ").count - 1
            #expect(notes <= 1, "\(line): \(ending.errors)")
            let opens = ["show", "status", "report", "audit", "topic", "workflow runs"].contains { line.hasPrefix($0) }
            if opens { #expect(notes == (beside == .logAndIndex ? 0 : 1), "\(line): \(ending.errors)") }
        }
        #expect(try Self.files(taxi) == before)
        mount.end()
        for line in Self.lookers where Self.isSteady(line) {
            let ending = try taxi.shell("\"$TAXI\" \(line)")
            #expect(ending.text == shown[line], "\(line)")
            #expect(!ending.errors.contains("note: "))
        }
        #expect(shown["show --sql 'SELECT x FROM only_in_the_log'"]?.contains("7") == true)
    }

    @Test func whatWritesIsRefusedOnAReadOnlyMount() throws {
        let taxi = try Self.home(.nothing)
        guard let mount = try ReadOnlyMount(of: taxi("data")) else { return }
        defer { mount.end() }
        let before = try Self.files(taxi)
        for line in Self.writers {
            let ending = try taxi.shell("\"$TAXI\" \(line)")
            #expect(ending.code == 77, "\(line): \(ending.code) \(ending.errors)")
            #expect(ending.errors.contains("read-only file system"), "\(line): \(ending.errors)")
            #expect(ending.errors.components(separatedBy: "error: ").count == 2, "\(line): \(ending.errors)")
        }
        #expect(try Self.files(taxi) == before)
    }

    @Test(arguments: Beside.allCases)
    func theHomeOfSomebodyElseCanBeRead(_ beside: Beside) throws {
        let taxi = try Self.home(beside)
        // Those who may read may see all of it and change nothing.
        let asNobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
        guard geteuid() == 0,
            try taxi.shell("chmod -R a+rX,go-w . && chmod a+w . && \(asNobody) \"$TAXI\" --version").code == 0
        else { return print("skipped: nobody else can run \(TaxiCLI.executable)") }
        let before = try Self.files(taxi)
        for line in Self.lookers {
            let ending = try taxi.shell("\(asNobody) \"$TAXI\" \(line)")
            #expect(ending.code == 0, "\(line): \(ending.errors)")
        }
        for line in Self.writers {
            let ending = try taxi.shell("\(asNobody) \"$TAXI\" \(line)")
            #expect(ending.code == 77, "\(line): \(ending.code) \(ending.errors)")
        }
        #expect(try Self.files(taxi) == before)
    }
}

/// A folder mounted over itself, for reading alone, which only root can do.
private final class ReadOnlyMount {
    private let path: String
    private var isMounted = true

    /// Nil, with a line that says so, where this process may not mount.
    init?(of path: String) throws {
        self.path = path
        guard try runQuietly("mount", "--bind", path, path) == 0 else {
            print("skipped: this user may not mount a folder for reading alone")
            return nil
        }
        try #require(try runQuietly("mount", "-o", "remount,ro,bind", path) == 0)
    }

    func end() {
        if isMounted { _ = try? runQuietly("umount", "-l", path) }
        isMounted = false
    }

    deinit { end() }
}
