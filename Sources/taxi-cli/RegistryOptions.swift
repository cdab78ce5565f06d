import CommandLine
import Database
import Problems
import SchemaRegistry

/// Which registry a command asks.
let registryOptions: [Option] = []

/// The registry that a command is to ask: the tenant's own.
///
/// - Parameter making: whether the tenant's folder is made where it is not there.
func openRegistry(_ arguments: ParsedArguments, making: Bool = false) throws -> any SchemaRegistry {
    let globals = try GlobalOptions(arguments)
    if making { try globals.prepareTenant(arguments.program) } else { try globals.requireTenant() }
    return LocalRegistry(path: globals.tenantHome.schemasDB)
}

/// The same for a command that also lists and deletes.
func openCatalog(_ arguments: ParsedArguments, making: Bool = false) throws -> any SchemaCatalog {
    guard let catalog = try openRegistry(arguments, making: making) as? any SchemaCatalog else {
        throw Problem(.usage, "this registry can only be asked for single schemas")
    }
    return catalog
}
