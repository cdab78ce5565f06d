import Database
import Glibc
import Problems

/// What `taxi-cli tenant` does with the tenants of a home: one folder each, mode 0700.
struct Tenants: Sendable {
    private let any: TenantHome

    /// - Parameter home: of any tenant.
    init(home: TenantHome) { any = home }

    private var home: String { any.home }

    func folder(of name: String) throws(Problem) -> String { try any.of(tenant: name).path }

    func exists(_ name: String) -> Bool { (try? any.of(tenant: name))?.exists ?? false }

    /// Names in alphabetical order; none where there is no home yet.
    func names() throws(Problem) -> [String] { try TenantHome.tenants(in: home) }

    /// Makes the tenant's folder, and the home where it is missing, both 0700, with a `taxi.yaml` (0600) in which every setting is a comment.
    ///
    /// - Throws: `Problem(.usage)` where the tenant exists; what `TenantHome.create` throws.
    func create(_ name: String, settings: String) throws(Problem) {
        let tenant = try any.of(tenant: name)
        guard !tenant.exists else {
            throw Problem(.usage, "tenant \"\(name)\" exists", hint: "See \"taxi-cli tenant show \(name)\".")
        }
        try tenant.create()
        let path = tenant.taxiYAML
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Problem(.create, path, errno) }
        defer { close(file) }
        do throws(Problem) {
            try Files.write(Array(settings.utf8), to: file, of: path)
            guard fsync(file) == 0 else { throw Problem(.write, path, errno) }
        } catch {
            unlink(path)
            throw error
        }
        try Files.sync(folder: tenant.path)
    }

    /// Makes sure the tenant is there before a command uses it: the default tenant comes into being by itself, any other has to
    /// be created, so that a mistyped name does not start an empty one.
    func prepare(_ name: String, settings: () -> String) throws(Problem) {
        if exists(name) { return }
        guard name == TenantHome.defaultTenant else {
            try any.of(tenant: name).requireReachable()
            throw missing(name)
        }
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
        try requireExisting(name)
        do throws(Problem) {
            // A link in the folder goes, what it leads to stays.
            try Files.remove(folder(of: name))
        } catch {
            var problem = error
            problem.hint = "Part of it may be gone; change the permissions and run it again."
            throw problem
        }
    }

    /// Bytes of the files directly in the tenant's folder, by name.
    func files(of name: String) throws(Problem) -> [(name: String, bytes: Int64)] {
        try requireExisting(name)
        let folder = try folder(of: name)
        guard let names = Files.names(in: folder) else { throw Problem(.list, folder, errno) }
        return names.sorted().compactMap { file in
            var status = stat()
            guard stat("\(folder)/\(file)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
            return (file, Int64(status.st_size))
        }
    }

    private func requireExisting(_ name: String) throws(Problem) {
        if exists(name) { return }
        try any.of(tenant: name).requireReachable()
        throw missing(name)
    }
}
