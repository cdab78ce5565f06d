import Foundation
import Glibc
import Problems

/// The tenants of a home: one folder each, mode 0700.
struct Tenants: Sendable {
    let home: String

    /// Letters, digits, `_` and `-`, 1 to 64 of them: what a folder, a topic and an SQL name can all hold.
    static func checkName(_ name: String) throws(Problem) {
        let isAllowed = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isAllowed, (1...64).contains(name.utf8.count) else {
            throw Problem(.usage, "\"\(name)\" cannot name a tenant", hint: "Use up to 64 letters, digits, _ and -.")
        }
    }

    func folder(of name: String) -> String { "\(home)/\(name)" }

    func exists(_ name: String) -> Bool {
        var status = stat()
        return stat(folder(of: name), &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Names in alphabetical order; none where there is no home yet.
    func names() throws(Problem) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: home).filter { name in
                let isName: Void? = try? Self.checkName(name)
                return isName != nil && exists(name)
            }.sorted()
        } catch let error as CocoaError where error.code == .fileReadNoSuchFile || error.code == .fileNoSuchFile {
            return []
        } catch {
            throw Problem(
                .inputOutput, "cannot list \"\(home)\": \(error.localizedDescription)",
                hint: "Choose another home with --home, or change its permissions.")
        }
    }

    /// Makes the tenant's folder, and the home where it is missing, both 0700, with a `taxi.yaml` (0600) in which every setting is a comment.
    ///
    /// - Throws: `Problem(.usage)` where the tenant exists; `.cannotCreate`, `.inputOutput`.
    func create(_ name: String, settings: String) throws(Problem) {
        try Self.checkName(name)
        guard !exists(name) else {
            throw Problem(.usage, "tenant \"\(name)\" exists", hint: "See \"taxi-cli tenant show \(name)\".")
        }
        try Self.makeFolders(home)
        try Self.makeFolders(folder(of: name))
        let path = "\(folder(of: name))/taxi.yaml"
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Self.problem(.cannotCreate, "cannot create \"\(path)\"") }
        defer { close(file) }
        let written = settings.utf8.withContiguousStorageIfAvailable { write(file, $0.baseAddress, $0.count) }
        guard written == settings.utf8.count else { throw Self.problem(.inputOutput, "cannot write \"\(path)\"") }
    }

    /// Makes sure the tenant is there before a command uses it: the default tenant comes into being by itself, any other has to
    /// be created, so that a mistyped name does not start an empty one.
    func prepare(_ name: String, settings: () -> String) throws(Problem) {
        if exists(name) { return }
        guard name == GlobalOptions.defaultTenant else { throw missing(name) }
        do {
            try create(name, settings: settings())
        } catch {
            // Two commands that start at the same moment both find nothing; one of them makes the tenant.
            guard exists(name), error.code != .inputOutput else { throw error }
        }
    }

    /// The problem of a tenant that is not there, with the nearest name.
    func missing(_ name: String) -> Problem {
        let near = (try? names()).flatMap { nearestName(to: name, among: $0) }.map { "Did you mean \"\($0)\"? " } ?? ""
        return Problem(
            .usage, "there is no tenant \"\(name)\" in \"\(home)\"",
            hint: near + "\"taxi-cli tenant create \(name)\" makes it.")
    }

    /// Takes away the tenant's folder with everything in it; there is no way back.
    func remove(_ name: String) throws(Problem) {
        guard exists(name) else { throw missing(name) }
        do {
            // A link in the folder goes, what it leads to stays.
            try FileManager.default.removeItem(atPath: folder(of: name))
        } catch {
            throw Problem(
                .inputOutput, "cannot remove \"\(folder(of: name))\": \(error.localizedDescription)",
                hint: "Part of it may be gone; change the permissions and run it again.")
        }
    }

    /// Bytes of the files directly in the tenant's folder, by name.
    func files(of name: String) throws(Problem) -> [(name: String, bytes: Int64)] {
        guard exists(name) else { throw missing(name) }
        let folder = folder(of: name)
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().compactMap { file in
                var status = stat()
                guard stat("\(folder)/\(file)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
                return (file, Int64(status.st_size))
            }
        } catch {
            throw Problem(.inputOutput, "cannot list \"\(folder)\": \(error.localizedDescription)")
        }
    }

    /// `mkdir -p` with mode 0700 for what is new.
    private static func makeFolders(_ path: String) throws(Problem) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/\(part)"
            guard mkdir(made, 0o700) != 0, errno != EEXIST else { continue }
            throw problem(.cannotCreate, "cannot create \"\(made)\"")
        }
    }

    private static func problem(_ code: Problem.Code, _ message: String) -> Problem {
        let reason = errno
        return Problem(
            [EACCES, EPERM, EROFS].contains(reason) ? .noPermission : code,
            "\(message): \(String(cString: strerror(reason)))",
            hint: "Choose another place with --home, or change the permissions.")
    }
}
