import CommandLine
import Database
import Glibc
import Problems
import Serve

/// What serve makes for the tenants of its file: folders, settings, and whose they are.
struct ServedTenants {
    private let globals: GlobalOptions
    private let arguments: ParsedArguments

    init(_ globals: GlobalOptions, _ arguments: ParsedArguments) {
        (self.globals, self.arguments) = (globals, arguments)
    }

    /// Looks whether the tenants are as the file says; nothing is made.
    func check(_ spec: ServeSpec) throws(Problem) {
        var problems = ProblemList()
        for tenant in spec.tenants { problems.attempt { () throws(Problem) in try check(tenant, spec) } }
        try problems.throwIfAny()
    }

    /// The same, and makes what is missing: each tenant's folder, readable by its user alone. A tenant that is not as the file says keeps
    /// nobody else from starting.
    func prepare(_ spec: inout ServeSpec) throws(Problem) {
        let hasUsers = spec.tenants.contains { $0.user.map { $0.uid != geteuid() } ?? false }
        for index in spec.tenants.indices {
            do throws(Problem) { try prepare(spec.tenants[index], spec) } catch {
                for service in spec.tenants[index].services.indices {
                    spec.tenants[index].services[service].fault = error.message
                }
            }
        }
        if hasUsers { try letThrough() }
    }

    private func prepare(_ tenant: TenantSpec, _ spec: ServeSpec) throws(Problem) {
        try check(tenant, spec)
        let home = try globals.tenantHome.of(tenant: tenant.name)
        if !home.exists { try make(tenant, in: home) }
        let folder = home.path
        // Others of the machine may have been let in by hand; a tenant's data are its own.
        guard chmod(folder, 0o700) == 0 else { throw Problem(.write, folder, errno) }
        if let user = tenant.user { try letIn(user, to: "\(folder)/metrics.db") }
    }

    private func check(_ tenant: TenantSpec, _ spec: ServeSpec) throws(Problem) {
        guard case let home = try globals.tenantHome.of(tenant: tenant.name), home.exists else { return }
        let folder = home.path
        if let zone = tenant.zone, case let own = try self.zone(of: tenant.name), own != zone {
            throw Problem(
                .configuration, "tenant \"\(tenant.name)\" has the zone \(own), and \(spec.file) says \(zone)",
                hint: "A zone is chosen before the first trip: leave it out there, or see zone in \(folder)/taxi.yaml.")
        }
        var status = stat()
        guard stat(folder, &status) == 0 else { throw Problem(.read, folder, errno) }
        try Files.requireUnwritable(folder, "the tenant's folder")
        let (uid, name) = tenant.user.map { ($0.uid, $0.name) } ?? (geteuid(), "\(geteuid())")
        guard status.st_uid == uid else {
            throw Problem(
                .noPermission,
                "\"\(folder)\" belongs to user \(status.st_uid), and the services of tenant \"\(tenant.name)\" run as \(name)",
                hint: tenant.user == nil
                    ? "Name its user in \(spec.file), or run: chown -R \(name) \(shellWord(folder))"
                    : "Stop what works on it, and run: chown -R \(name): \(shellWord(folder))")
        }
    }

    private func zone(of tenant: String) throws(Problem) -> String {
        let own = try globals.of(tenant: tenant)
        guard let configuration = try arguments.program.loadConfiguration(path: own.configurationPath) else {
            return GlobalOptions.defaultZone
        }
        return GlobalOptions.zoneIdentifier(try arguments.applying(configuration))
    }

    private func make(_ tenant: TenantSpec, in home: TenantHome) throws(Problem) {
        var settings = TenantCommand.settings(of: tenant.name, program: arguments.program)
        if let zone = tenant.zone { settings += "\nzone: \(zone)\n" }
        try home.create(settings: settings)
        guard let user = tenant.user else { return }
        for path in [home.taxiYAML, home.path] where chown(path, user.uid, user.gid) != 0 {
            throw Problem(.write, path, errno)
        }
    }

    /// The one file of a tenant that serve's pages may make before the tenant's own processes do.
    private func letIn(_ user: UserSpec, to path: String) throws(Problem) {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw Problem(.create, path, errno) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw Problem(.read, path, errno) }
        // The folder is the user's: what he has put there under another file's name must not become his.
        guard status.st_uid == geteuid(), status.st_nlink == 1, status.st_mode & S_IFMT == S_IFREG else { return }
        guard fchown(file, user.uid, user.gid) == 0 else { throw Problem(.write, path, errno) }
    }

    /// Lets users go through the home to their tenant's folder; what is in it they cannot list.
    private func letThrough() throws(Problem) {
        var status = stat()
        guard stat(globals.home, &status) == 0 else { throw Problem(.read, globals.home, errno) }
        guard status.st_mode & 0o011 != 0o011 else { return }
        guard chmod(globals.home, status.st_mode & 0o7777 | 0o011) == 0 else {
            throw Problem(.write, globals.home, errno)
        }
    }
}
