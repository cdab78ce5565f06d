import Glibc
public import Problems

/// Where one tenant keeps everything: `<home>/<tenant>/`; the one place that knows which homes and names of tenants there are.
///
/// Only a description of paths; nothing is touched before `create()` or `requireExisting()`.
public struct TenantHome: Sendable, Hashable {
    public static let defaultTenant = "chicago"

    /// The folder of all tenants.
    public let home: String
    public let tenant: String

    /// - Parameters:
    ///   - home: as the user gave it; nil for the default (`defaultHome`).
    ///   - environment: the process's.
    /// - Throws: `.usage` for a name that no tenant can have and for a home that cannot be meant, `.configuration` where none is known.
    public init(
        home: String? = nil, tenant: String = defaultTenant, environment: [String: String]
    ) throws(Problem) {
        try Self.checkName(tenant)
        guard let given = home ?? Self.defaultHome(environment) else { throw Self.noHome }
        self.home = try Self.resolve(given)
        self.tenant = tenant
    }

    private init(resolved home: String, tenant: String) { (self.home, self.tenant) = (home, tenant) }

    /// Another tenant of the same home.
    public func of(tenant: String) throws(Problem) -> TenantHome {
        try Self.checkName(tenant)
        return TenantHome(resolved: home, tenant: tenant)
    }

    public var path: String { "\(home)/\(tenant)" }
    public var resultsDB: String { "\(path)/results.db" }
    public var topicsDB: String { "\(path)/topics.db" }
    /// Schemas of messages, by subject and version.
    public var schemasDB: String { "\(path)/schemas.db" }
    /// The history of metrics, of which nothing else hangs.
    public var metricsDB: String { "\(path)/metrics.db" }
    public var taxiYAML: String { "\(path)/taxi.yaml" }
    /// The user's own queries.
    public var queriesYAML: String { "\(path)/queries.yaml" }
    /// The folder of the user's own analyses, each an SQL file.
    public var analyses: String { "\(path)/analyses" }
    public var workflows: String { "\(path)/workflows" }

    public var exists: Bool { Files.isFolder(path) }

    /// Creates the folder (mode 0700, its parents too) unless it is there, and sees that it can be written.
    ///
    /// - Throws: `.cannotCreate`, `.noPermission`, `.inputOutput` (a full disk), with the path and what to do.
    public func create() throws(Problem) {
        try Files.makeFolders(path, hint: Self.otherHome)
        guard access(path, W_OK | X_OK) == 0 else { throw Problem(.write, path, errno, hint: Self.otherHome) }
    }

    /// Sees that nobody else can put something in the home or the tenant's folder that would be run here.
    ///
    /// - Throws: `.noPermission` with what to do.
    public func requireOurs() throws(Problem) {
        try Files.requireOurs(home, "the home")
        try Files.requireOurs(path, "the tenant's folder")
    }

    /// - Throws: `.noInput` where there is no such tenant yet, with the nearest one; `.noPermission` where that cannot be seen.
    public func requireExisting() throws(Problem) {
        if exists { return }
        try requireReachable()
        throw Problem(
            .noInput, "there is no tenant \"\(tenant)\" in \"\(home)\"",
            hint: nearest.map { "Did you mean \"\($0)\"?" }
                ?? "taxi-cli tenant create \(tenant) makes it, and so does the first taxi-cli produce.")
    }

    /// Sees that the home, where there is one, is a folder into which this process may look.
    ///
    /// - Throws: `.cannotCreate` where something else has its name, `.noPermission`.
    public func requireReachable() throws(Problem) {
        var status = stat()
        guard stat(path, &status) != 0 else { return }
        let number = errno
        guard number != ENOENT else { return }
        throw Self.unreachable(home, path, number)
    }

    /// The tenants of a home, by name; none where there is no such home.
    ///
    /// - Throws: `.noPermission` where the home cannot be listed, `.cannotCreate` where it is no folder.
    public static func tenants(in home: String) throws(Problem) -> [String] {
        guard let names = Files.names(in: home) else {
            if errno == ENOENT { return [] }
            throw unreachable(home, home, errno)
        }
        return names.filter { isLegal($0) && Files.isFolder("\(home)/\($0)") }.sorted()
    }

    /// Whether a tenant may have this name: it begins topics and is a folder and a word of command lines. So letters, digits, `_` and
    /// `-`, 1 to 64 of them, and no `-` in front, which begins options.
    public static func isLegal(_ name: String) -> Bool {
        let isWord = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        return isWord && (1...64).contains(name.utf8.count) && name.utf8.first != UInt8(ascii: "-")
    }

    /// - Throws: `.usage` for a name that no tenant can have.
    public static func checkName(_ name: String) throws(Problem) {
        if isLegal(name) { return }
        throw Problem(
            .usage, "\"\(name)\" cannot be the name of a tenant",
            hint: "Use up to 64 letters, digits, \"_\" and \"-\", the first of them no \"-\".")
    }

    /// `$XDG_DATA_HOME/taxi-cli`, without that `~/.local/share/taxi-cli`; nil where neither is known.
    public static func defaultHome(_ environment: [String: String]) -> String? {
        // A relative path is to be ignored here. Source: XDG Base Directory Specification 0.8.
        if let data = environment["XDG_DATA_HOME"], data.hasPrefix("/") { return "\(data)/taxi-cli" }
        guard let user = environment["HOME"], !user.isEmpty else { return nil }
        return "\(user)/.local/share/taxi-cli"
    }

    /// That no home was given and there is no default.
    public static let noHome = Problem(
        .configuration, "no home folder is known: neither XDG_DATA_HOME nor HOME is set",
        hint: "Pass --home with a folder that may be written.")

    /// A home as it is used: absolute, so that it stays the same folder for whatever this process starts, and without slashes at its end.
    ///
    /// - Throws: `.usage` for an empty path, and for one that begins with the `~` of a shell.
    public static func resolve(_ given: String) throws(Problem) -> String {
        guard !given.isEmpty else {
            throw Problem(.usage, "the home is empty", hint: "Name a folder, or leave --home out.")
        }
        guard !given.utf8.contains(0) else {
            throw Problem(.usage, "the home \"\(visible(given))\" holds a zero byte", hint: "Name a folder.")
        }
        // A shell leaves the tilde of --home=~/x alone; a folder called "~" in the present one is never what was meant.
        if given.utf8.first == UInt8(ascii: "~") {
            let rest = given.drop { $0 != "/" }
            throw Problem(
                .usage, "the home \"\(visible(given))\" begins with \"~\", which no shell has replaced",
                hint: given.hasPrefix("~/") || given == "~"
                    ? "Write --home ~\(rest) or --home=\"$HOME\(rest)\"; for a folder that is called so: ./\(given)"
                    : "Write the folder's whole path; for a folder that is called so: ./\(given)")
        }
        var path = try Files.absolute(given)
        while path.utf8.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }

    private static func unreachable(_ home: String, _ path: String, _ number: Int32) -> Problem {
        guard number != ENOTDIR else {
            return Problem(
                .cannotCreate, "\"\(visible(home))\" cannot be the home: a file is in the way", hint: otherHome)
        }
        return Problem(.read, path, number, hint: otherHome)
    }

    private static let otherHome = "Choose another place with --home, or change the permissions."
}
