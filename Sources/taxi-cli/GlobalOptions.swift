import CommandLine
import Database
import Foundation
import Problems
import SchemaRegistry
import Time

/// Where a run's files are, and which broker it talks to: the options that every command has.
struct GlobalOptions: Sendable {
    /// The tenant's folder and what is in it.
    private(set) var tenantHome: TenantHome
    /// Whether somebody said which tenant is meant.
    let isTenantNamed: Bool
    let broker: Broker
    /// A file of librdkafka properties; nil for none.
    let brokerConfigPath: String?
    /// A registry that others serve; nil for the tenant's own.
    let registryURL: String?
    /// A file of properties for it; nil for none.
    let registryConfigPath: String?
    /// The tenant's time zone, such as `America/Chicago`; whether there is such a zone shows when it is opened.
    let zoneIdentifier: String

    /// - Parameter arguments: of any command, since every one accepts these options.
    /// - Throws: `Problem` where no home is known, or the one that was given cannot be meant.
    init(_ arguments: ParsedArguments) throws(Problem) {
        do throws(Problem) {
            tenantHome = try TenantHome(
                home: arguments.text("home"), tenant: arguments.text("tenant") ?? TenantHome.defaultTenant,
                environment: arguments.environment)
        } catch  where error.code == .usage {
            throw arguments.problem("home", error.message, hint: error.hint)
        }
        if case .defaultValue = arguments.origin("tenant") { isTenantNamed = false } else { isTenantNamed = true }
        broker = Broker(arguments.text("broker") ?? Broker.embeddedName)
        brokerConfigPath = arguments.text("broker-config")
        registryURL = arguments.text("registry")
        registryConfigPath = arguments.text("registry-config")
        if registryURL == nil, registryConfigPath != nil {
            throw arguments.problem(
                "registry-config", "there is no registry that it could be for", hint: "Name one with --registry.")
        }
        zoneIdentifier = Self.zoneIdentifier(arguments)
    }

    /// The time zone alone, for a command that may need no home.
    static func zoneIdentifier(_ arguments: ParsedArguments) -> String { arguments.text("zone") ?? defaultZone }

    /// The same for another tenant.
    func of(tenant: String) throws(Problem) -> GlobalOptions {
        var options = self
        options.tenantHome = try tenantHome.of(tenant: tenant)
        return options
    }

    /// The folder of all tenants.
    var home: String { tenantHome.home }
    var tenant: String { tenantHome.tenant }
    var tenantFolder: String { tenantHome.path }
    var resultsPath: String { tenantHome.resultsDB }
    var topicsPath: String { tenantHome.topicsDB }
    var configurationPath: String { tenantHome.taxiYAML }
    /// The tenant's own queries; need not exist.
    var queriesPath: String { tenantHome.queriesYAML }
    var workflowsFolder: String { tenantHome.workflows }

    /// Makes sure that the tenant's folder is there; a command that writes to it calls this first.
    ///
    /// - Throws: `Problem(.usage)` for a tenant that nobody created, unless it is the default one.
    func prepareTenant(_ program: Program) throws(Problem) {
        try tenantHome.prepare { TenantCommand.settings(of: tenant, program: program) }
    }

    /// For a command that only looks, where there is nothing to be seen yet.
    ///
    /// - Throws: as `prepareTenant`.
    func requireTenant() throws(Problem) {
        if tenant == Self.defaultTenant { try tenantHome.requireReachable() } else { try tenantHome.requireMade() }
    }

    /// The results for a command that only looks; nil where there are none yet.
    ///
    /// - Throws: as `requireTenant`, and `ResultsDatabase.openReadOnly` for what cannot be read.
    func openResultsIfAny() throws -> ResultsDatabase? {
        if let database = try ResultsDatabase.openReadOnlyIfAny(path: resultsPath) { return database }
        try requireTenant()
        return nil
    }

    static let defaultTenant = TenantHome.defaultTenant
    static let defaultZone = "America/Chicago"

    static let options: [Option] = [
        Option(
            "home", value: .value("DIR"), kind: .directory, default: "$XDG_DATA_HOME/taxi-cli",
            derivedDefault: TenantHome.defaultHome, environment: "TAXI_HOME", help: "the folder of all tenants",
            group: Option.globalGroup),
        Option(
            "tenant", value: .value("NAME"), kind: .custom(TenantHome.checkName), default: defaultTenant,
            environment: "TAXI_TENANT", help: "whose topics, results and settings are meant", group: Option.globalGroup,
            names: CompletedNames.tenants),
        Option(
            "broker", value: .value("BROKER"), kind: .custom(Broker.check), default: Broker.embeddedName,
            environment: "TAXI_BROKER",
            configKey: "broker", help: "where topics live: embedded, or host:port of Kafka (several with commas)",
            group: Option.globalGroup),
        Option(
            "broker-config", value: .value("FILE"), kind: .file, environment: "TAXI_BROKER_CONFIG",
            configKey: "broker-config",
            help: "a file of librdkafka properties, one key=value a line: SASL, TLS, compression",
            group: Option.globalGroup),
        Option(
            "registry", value: .value("URL"), kind: .custom(RegistryAccess.check), environment: "TAXI_REGISTRY",
            configKey: "registry",
            help: "where the schemas of Avro are: a registry as Confluent's; the tenant's own unless said",
            group: Option.globalGroup),
        Option(
            "registry-config", value: .value("FILE"), kind: .file, environment: "TAXI_REGISTRY_CONFIG",
            configKey: "registry-config",
            help:
                "a file with basic.auth.user.info=user:password, bearer.auth.token=… or ssl.ca.location=… of the registry",
            group: Option.globalGroup),
        Option(
            "zone", value: .value("ZONE"), kind: .custom(checkZone), default: defaultZone, configKey: "zone",
            help: "the tenant's time zone, by which days, months and reports are cut; choose it before the first trip",
            group: "Settings", settingOnly: true),
    ]

    private static func checkZone(_ text: String) throws(Problem) {
        // The clock of a zone is made later, by who needs it.
        if TimeZone(identifier: text) == nil { _ = try ZoneClock(identifier: text) }
    }
}
