import Glibc
public import Problems

/// Where one tenant keeps everything: `<home>/<tenant>/`.
///
/// Only a description of paths; nothing is touched before `create()` or `requireExisting()`.
public struct TenantHome: Sendable, Hashable {
    public static let defaultTenant = "chicago"

    /// The folder of all tenants.
    public let home: String
    public let tenant: String

    /// - Parameters:
    ///   - home: as the user gave it; nil for `$XDG_DATA_HOME/taxi-cli`, and without that for `~/.local/share/taxi-cli`.
    ///   - environment: the process's.
    /// - Throws: `.usage` for a name that no tenant can have, `.configuration` where no home is known.
    public init(
        home: String? = nil, tenant: String = defaultTenant, environment: [String: String]
    ) throws(Problem) {
        try Self.check(tenant)
        self.home = try Self.resolve(home, environment)
        self.tenant = tenant
    }

    public var path: String { "\(home)/\(tenant)" }
    public var resultsDB: String { "\(path)/results.db" }
    public var topicsDB: String { "\(path)/topics.db" }
    public var taxiYAML: String { "\(path)/taxi.yaml" }
    /// The user's own queries.
    public var queriesYAML: String { "\(path)/queries.yaml" }
    /// The folder of the user's own analyses, each an SQL file.
    public var analyses: String { "\(path)/analyses" }
    public var workflows: String { "\(path)/workflows" }

    public var exists: Bool { Self.isFolder(path) }

    /// Creates the folder (mode 0700, its parents too) unless it is there, and sees that it can be written.
    ///
    /// - Throws: `.cannotCreate`, `.noPermission`, `.inputOutput` (a full disk), with the path and what to do.
    public func create() throws(Problem) {
        var folder = ""
        for part in path.split(separator: "/") {
            folder += folder.isEmpty && !path.hasPrefix("/") ? part : "/\(part)"
            if Self.isFolder(folder) { continue }
            // Another process may create it at the same moment.
            if mkdir(folder, 0o700) == 0 || (errno == EEXIST && Self.isFolder(folder)) { continue }
            throw cannot("create", folder, errno)
        }
        guard access(path, W_OK | X_OK) == 0 else { throw cannot("write to", path, errno) }
    }

    /// - Throws: `.noInput` where there is no such tenant yet, with the nearest one.
    public func requireExisting() throws(Problem) {
        if exists { return }
        let near = nearestName(to: tenant, among: Self.tenants(in: home))
        throw Problem(
            .noInput, "there is no tenant \"\(tenant)\" in \"\(home)\"",
            hint: near.map { "Did you mean \"\($0)\"?" }
                ?? "taxi-cli tenant create \(tenant) makes it, and so does the first taxi-cli produce.")
    }

    /// The tenants of a home, by name; none where there is no such home.
    public static func tenants(in home: String) -> [String] {
        guard let listing = opendir(home) else { return [] }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            // `d_name` is a C array inside the entry; its text ends at the first zero.
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if isLegal(name), isFolder("\(home)/\(name)") { names.append(name) }
        }
        return names.sorted()
    }

    /// Whether a tenant may have this name: it begins topics and is a folder, so letters, digits, "-" and "_", at most 64.
    public static func isLegal(_ name: String) -> Bool {
        func isWord(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: false
            }
        }
        guard let first = name.utf8.first, isWord(first), name.utf8.count <= 64 else { return false }
        return name.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
    }

    private static func check(_ tenant: String) throws(Problem) {
        if isLegal(tenant) { return }
        throw Problem(
            .usage, "\"\(tenant)\" cannot be the name of a tenant",
            hint: "Use up to 64 letters, digits, \"-\" and \"_\", with a letter or digit first.")
    }

    private static func resolve(_ given: String?, _ environment: [String: String]) throws(Problem) -> String {
        let user = environment["HOME"].flatMap { $0.isEmpty ? nil : $0 }
        if let given, !given.isEmpty {
            var path = given
            // A shell leaves the tilde of --home=~/x alone; a folder called "~" is never what was meant.
            if let user, path == "~" || path.hasPrefix("~/") { path = user + path.dropFirst() }
            while path.count > 1, path.hasSuffix("/") { path.removeLast() }
            return path
        }
        // A relative path is to be ignored here. Source: XDG Base Directory Specification 0.8.
        if let data = environment["XDG_DATA_HOME"], data.hasPrefix("/") { return "\(data)/taxi-cli" }
        if let user { return "\(user)/.local/share/taxi-cli" }
        throw Problem(
            .configuration, "no home folder is known: neither XDG_DATA_HOME nor HOME is set",
            hint: "Pass --home with a folder that may be written.")
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private func cannot(_ verb: String, _ folder: String, _ number: Int32) -> Problem {
        let reason = String(cString: strerror(number)).lowercased()
        let message = "cannot \(verb) \"\(folder)\": \(reason)"
        return switch number {
        case EACCES, EPERM, EROFS:
            Problem(.noPermission, message, hint: "Pass --home with a folder that you may write to.")
        case ENOSPC, EDQUOT:
            Problem(.inputOutput, message, hint: "Make room there, or pass --home with another folder.")
        case EEXIST, ENOTDIR:
            Problem(
                .cannotCreate, "cannot \(verb) \"\(folder)\": a file is in the way",
                hint: "Move it away, or pass --home with another folder.")
        default: Problem(.cannotCreate, message, hint: "Pass --home with another folder.")
        }
    }
}
