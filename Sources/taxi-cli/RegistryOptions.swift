import CommandLine
import Database
import Problems
import SchemaRegistry

/// The registry that a command is to ask: that of `--registry`, or the tenant's own.
///
/// - Parameter making: whether the tenant's folder is made where it is not there.
func openRegistry(_ arguments: ParsedArguments, making: Bool = false) throws -> any SchemaRegistry {
    try openCatalog(arguments, making: making)
}

/// The same for a command that also lists and deletes.
func openCatalog(_ arguments: ParsedArguments, making: Bool = false) throws -> any SchemaCatalog {
    let globals = try GlobalOptions(arguments)
    if let registry = try globals.remoteRegistry() { return registry }
    if making { try globals.prepareTenant(arguments.program) } else { try globals.requireTenant() }
    return LocalRegistry(path: globals.tenantHome.schemasDB)
}
