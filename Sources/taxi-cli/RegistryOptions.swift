import CommandLine
import Database
import Problems
import SchemaRegistry

extension GlobalOptions {
    /// The registry that a command is to ask: that of `--registry`, or the tenant's own.
    ///
    /// - Parameter program: whose settings a tenant gets that is made now; nil where one that is missing is a mistake.
    func openCatalog(making program: Program? = nil) throws -> any SchemaCatalog {
        if let registry = try remoteRegistry() { return registry }
        if let program { try prepareTenant(program) } else { try requireTenant() }
        return LocalRegistry(path: tenantHome.schemasDB)
    }
}
