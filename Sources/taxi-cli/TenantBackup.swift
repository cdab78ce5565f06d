import Database
import Foundation
import Glibc
import Problems
import SQLite
import Topics
import Trips
import YAML

/// One file that holds everything that matters of a tenant, as it was at one moment: results with state and offsets, embedded topics, schemas,
/// settings, queries, analyses and workflows with their secrets.
///
/// It is an archive of `tar`, packed where its name says so (`.tar.gz`, `.tgz`, `.tar.zst`). `tar`, which every system has, reads and writes it.
struct TenantBackup {
    let home: TenantHome

    private static let manifest = "taxi-cli-backup.json"
    private static let databases = ["results.db", "topics.db", "schemas.db"]

    private struct Manifest: Codable {
        var tenant: String
        var made: String
        var version: Int
        /// Size and XXH3 of each database; earlier versions said neither.
        var databases: [String: String]?
    }

    /// Comes last into the archive: where it is missing, the end is. `tar` itself takes an archive that stops between two files for whole.
    private static let end = "taxi-cli-backup.end"

    /// - Parameter file: is put in place when it is whole.
    /// - Returns: the archive's size in bytes.
    func write(to file: String) throws -> Int64 {
        var present = stat()
        guard stat(file, &present) != 0 || present.st_mode & S_IFMT == S_IFREG else {
            throw Problem(
                .cannotCreate, "\"\(file)\" is no file that could be replaced",
                hint: "Name a file, such as \(home.tenant).tar.gz.")
        }
        guard [".tar", ".tar.gz", ".tgz", ".tar.zst"].contains(where: file.hasSuffix) else {
            throw Problem(
                .usage, "\"\(file)\": the name of a backup says how it is packed",
                hint: "Let it end in .tar, .tar.gz, .tgz or .tar.zst, such as \(home.tenant).tar.gz.")
        }
        try home.requireExisting()
        // `tar` goes from folder to folder: what is named by its place here would be looked for there.
        let folder = try Self.temporaryFolder(beside: Self.absolute(file))
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try copyDatabases(to: folder)
        let made = ISO8601DateFormatter().string(from: Date())
        var databases: [String: String] = [:]
        for name in Self.databases where Files.exists("\(folder)/\(name)") {
            try requireWhole("\(folder)/\(name)", copyOf: "\(home.path)/\(name)")
            databases[name] = try Self.seal("\(folder)/\(name)")
        }
        let text = try JSONEncoder().encode(
            Manifest(tenant: home.tenant, made: made, version: 1, databases: databases))
        try writeFile(String(decoding: text, as: UTF8.self) + "\n", to: "\(folder)/\(Self.manifest)")
        let own = (Files.names(in: folder) ?? []).sorted()
        let others = (Files.names(in: home.path) ?? []).filter { name in
            Self.matters(name) && Self.canBeKept("\(home.path)/\(name)")
        }.sorted()
        try writeFile("", to: "\(folder)/\(Self.end)")
        let archive = "\(folder)/.archive" + Self.ending(of: file)
        try Self.run(
            [
                "tar", "--create", "--force-local", "--auto-compress", "--file", archive, "--exclude=.logs",
                "--directory", folder,
            ] + own
                + ["--directory", home.path] + others + ["--directory", folder, Self.end])
        guard chmod(archive, 0o600) == 0, rename(archive, file) == 0 else { throw Problem(.create, file, errno) }
        var status = stat()
        guard stat(file, &status) == 0 else { throw Problem(.read, file, errno) }
        return Int64(status.st_size)
    }

    /// Sees that SQLite can read all of a copy: one that nobody can restore is none.
    private func requireWhole(_ copy: String, copyOf original: String) throws {
        try explaining("checking the copy of \"\(original)\"") {
            let word = try Connection(path: copy, access: .readOnly).value("PRAGMA integrity_check(1)")?.text ?? ""
            guard word != "ok" else { return }
            throw Problem(
                .badData, "database \"\(original)\" is damaged: \(word)",
                hint: "taxi-cli doctor says what can be done; nothing was backed up.")
        }
    }

    /// What is neither a database, which is copied as of one moment, nor of a process that runs.
    private static func matters(_ name: String) -> Bool {
        !name.hasPrefix(".") && name != "live" && !databases.contains { name.hasPrefix($0) }
            && !["lock", "pid", "pace"].contains((name as NSString).pathExtension)
    }

    /// Copies the databases as they are at one moment.
    ///
    /// An epoch is committed to the results before its messages go to the topics, and trips come into the topics before they are counted.
    /// So the results are held still while both are looked at, the topics last: what the copy of the results says is in the copy of
    /// the topics, or waits in its outbox. A schema is registered before the first message that names it, so schemas come after both.
    private func copyDatabases(to folder: String) throws {
        let paths = [home.resultsDB, home.topicsDB, home.schemasDB].filter { Files.exists($0) }
        try explaining("copying the databases") {
            var views: [(connection: Connection, name: String)] = []
            let lock = Files.exists(home.resultsDB) ? try Connection(path: home.resultsDB) : nil
            try lock?.execute("BEGIN IMMEDIATE")
            do {
                for path in paths {
                    let view = try Connection(path: path, access: .readOnly)
                    try view.execute("BEGIN")
                    // A transaction begins with its first look.
                    _ = try view.value("SELECT count(*) FROM sqlite_schema")
                    views.append((view, (path as NSString).lastPathComponent))
                }
            } catch {
                try? lock?.execute("ROLLBACK")
                throw error
            }
            try lock?.execute("ROLLBACK")
            for (view, name) in views { try view.copy(to: "\(folder)/\(name)") }
        }
    }

    /// Puts a tenant back that is not there.
    ///
    /// - Parameter name: the tenant that is wanted; nil for the archive's own.
    /// - Returns: the tenant's name.
    /// - Throws: `.usage` where the tenant exists or the archive is another's, `.badData` for a damaged archive.
    static func restore(_ file: String, of name: String?, in any: TenantHome) throws -> String {
        try Files.requireReadable(file)
        try Files.makeFolders(any.home)
        let folder = try temporaryFolder(beside: "\(any.home)/.restore")
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try run(
            [
                "tar", "--extract", "--force-local", "--file", file, "--directory", folder, "--no-same-owner",
                "--preserve-permissions",
            ],
            failingWith: .badData)
        guard let data = FileManager.default.contents(atPath: "\(folder)/\(manifest)"),
            let found = try? JSONDecoder().decode(Manifest.self, from: data), found.version == 1
        else {
            throw Problem(
                .badData, "\"\(file)\" is no backup of a tenant", hint: "taxi-cli tenant backup FILE makes one.")
        }
        try TenantHome.checkName(found.tenant)
        try requireWhole(folder, found, file)
        if let name, name != found.tenant {
            throw Problem(
                .usage, "\"\(file)\" is a backup of tenant \"\(found.tenant)\", not of \"\(name)\"",
                hint: "Topics have the tenant's name in theirs, so that it can only come back as what it was.")
        }
        let tenant = try any.of(tenant: found.tenant)
        guard !tenant.exists else {
            throw Problem(
                .usage, "tenant \"\(found.tenant)\" exists",
                hint:
                    "Restore into another home with --home, or remove it first: taxi-cli tenant remove \(found.tenant)."
            )
        }
        for name in databases where Files.exists("\(folder)/\(name)") {
            try explaining("looking at the \(name) of the backup") {
                let answer = try Connection(path: "\(folder)/\(name)", access: .readOnly).value("PRAGMA quick_check(1)")
                guard answer?.text == "ok" else {
                    throw Problem(.badData, "\(name) in \"\(file)\" is damaged: \(answer?.text ?? "")")
                }
            }
        }
        unlink("\(folder)/\(manifest)")
        unlink("\(folder)/\(end)")
        guard chmod(folder, 0o700) == 0, rename(folder, tenant.path) == 0 else {
            throw Problem(.create, tenant.path, errno)
        }
        try Files.sync(folder: any.home)
        return found.tenant
    }

    /// Size and hash of a file.
    private static func seal(_ path: String) throws -> String {
        var status = stat()
        guard stat(path, &status) == 0 else { throw Problem(.read, path, errno) }
        return "\(status.st_size) \(try ContentHash.hash(of: path) ?? "")"
    }

    /// - Throws: `.badData` where something of the archive is missing, is not what was put in, or is nothing that a tenant has.
    private static func requireWhole(_ folder: String, _ found: Manifest, _ file: String) throws {
        func damaged(_ what: String) -> Problem {
            Problem(
                .badData, "\"\(file)\" \(what)",
                hint: "Take another backup, or copy this one anew from where it was made.")
        }
        if let databases = found.databases {
            guard Files.exists("\(folder)/\(end)") else {
                throw damaged("ends early: files behind its end are missing")
            }
            for (name, seal) in databases.sorted(by: { $0.key < $1.key }) {
                guard self.databases.contains(name), YAMLNode.isPlainFile("\(folder)/\(name)") else {
                    throw damaged("has no \(name), which was put into it")
                }
                guard try self.seal("\(folder)/\(name)") == seal else {
                    throw damaged("has another \(name) than was put into it")
                }
            }
        }
        let names = FileManager.default.enumerator(atPath: folder)
        while let name = names?.nextObject() as? String {
            guard canBeKept("\(folder)/\(name)") else {
                throw damaged("holds \"\(visible(name))\", which is neither a file nor a folder")
            }
        }
    }

    /// Whether it is a file, a folder or a link: a pipe or a socket is a process's.
    private static func canBeKept(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && [S_IFREG, S_IFDIR, S_IFLNK].contains(status.st_mode & S_IFMT)
    }

    private static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : "\(FileManager.default.currentDirectoryPath)/\(path)"
    }

    private static func temporaryFolder(beside file: String) throws(Problem) -> String {
        var name = "\(file).XXXXXX".utf8CString.map { $0 }
        guard mkdtemp(&name) != nil else {
            throw Problem(.create, file, errno, hint: "Name a file in a folder that exists and may be written.")
        }
        return String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// By which `tar` knows how to pack.
    private static func ending(of file: String) -> String {
        [".tar.gz", ".tgz", ".tar.zst", ".tar.xz"].first { file.hasSuffix($0) } ?? ".tar"
    }

    private static func run(_ words: [String], failingWith code: Problem.Code = .inputOutput) throws(Problem) {
        do throws(ChildStart.Refusal) {
            let environment = ProcessInfo.processInfo.environment
            if try ChildStart.runToEnd(words[0], words, environment: environment) == 0 { return }
        } catch {
            throw Problem(
                .unavailable, "cannot start \(words[0]): \(Problem.text(error.number))",
                hint: "A backup needs \(words[0]), which every system has a package of.")
        }
        throw Problem(
            code, "\(words[0]) could not \(words[1].dropFirst(2)) the archive", hint: "What it said stands above.")
    }
}
