internal import Glibc
public import Problems

/// How tenants come and go: one folder each, 0700.
extension TenantHome {
    /// Makes the tenant's folder, and the home where it is missing, both 0700, with a `taxi.yaml` (0600) of these settings.
    ///
    /// - Throws: `.usage` where the tenant exists; what `create()` throws.
    public func create(settings: String) throws(Problem) {
        guard !exists else {
            throw Problem(.usage, "tenant \"\(tenant)\" exists", hint: "See \"taxi-cli tenant show \(tenant)\".")
        }
        try create()
        let file = open(taxiYAML, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Problem(.create, taxiYAML, errno) }
        defer { close(file) }
        do throws(Problem) {
            try Files.write(Array(settings.utf8), to: file, of: taxiYAML)
            guard fsync(file) == 0 else { throw Problem(.write, taxiYAML, errno) }
        } catch {
            unlink(taxiYAML)
            throw error
        }
        try Files.sync(folder: path)
    }

    /// Makes sure the tenant is there before a command writes to it: the default tenant comes into being by itself, any other has to be
    /// created, so that a mistyped name does not start an empty one.
    ///
    /// - Throws: `.usage` where it has to be created first.
    public func prepare(settings: () -> String) throws(Problem) {
        if exists { return }
        guard tenant == Self.defaultTenant else { return try requireMade() }
        do {
            try create(settings: settings())
        } catch {
            // Two commands that start at the same moment both find nothing; one of them makes the tenant.
            guard exists, error.code != .inputOutput else { throw error }
        }
    }

    /// - Throws: `.usage` for a tenant that nobody has made, with the nearest name; `.noPermission` where that cannot be seen.
    public func requireMade() throws(Problem) {
        if exists { return }
        try requireReachable()
        throw missing
    }

    /// Says that the tenant is not there.
    public var missing: Problem {
        Problem(
            .usage, "there is no tenant \"\(tenant)\" in \"\(home)\"",
            hint: (nearest.map { "Did you mean \"\($0)\"? " } ?? "")
                + "\"taxi-cli tenant create \(tenant)\" makes it.")
    }

    /// The tenant of the home whose name is nearest.
    var nearest: String? { nearestName(to: tenant, among: (try? Self.tenants(in: home)) ?? []) }

    /// Takes away the folder with everything in it; there is no way back.
    ///
    /// - Throws: as `requireMade`, and what the system refuses.
    public func remove() throws(Problem) {
        try requireMade()
        do throws(Problem) {
            // A link in the folder goes, what it leads to stays.
            try Files.remove(path)
        } catch {
            var problem = error
            problem.hint = "Part of it may be gone; change the permissions and run it again."
            throw problem
        }
    }

    /// Bytes of the files directly in the folder, by name.
    ///
    /// - Throws: as `requireMade`, and what the system refuses.
    public func files() throws(Problem) -> [(name: String, bytes: Int64)] {
        try requireMade()
        guard let names = Files.names(in: path) else { throw Problem(.list, path, errno) }
        return names.sorted().compactMap { file in
            var status = stat()
            guard stat("\(path)/\(file)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
            return (file, Int64(status.st_size))
        }
    }
}
