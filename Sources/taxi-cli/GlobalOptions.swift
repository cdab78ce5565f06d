import CommandLine
import Database
import Problems

/// Where a run's files are, and which broker it talks to: the options that every command has.
struct GlobalOptions: Sendable {
    /// The folder of all tenants.
    let home: String
    /// Letters, digits, `_` and `-`, at most 64.
    private(set) var tenant: String
    let broker: Broker
    /// A file of librdkafka properties; nil for none.
    let brokerConfigPath: String?
    /// The tenant's time zone, such as `America/Chicago`; whether there is such a zone shows when it is opened.
    let zoneIdentifier: String

    enum Broker: Sendable, Equatable {
        /// SQLite topics in the tenant's folder.
        case embedded
        /// Kafka: `host:port` each.
        case kafka([String])
    }

    /// - Parameter arguments: of any command, since every one accepts these options.
    init(_ arguments: ParsedArguments) {
        home = arguments.text("home") ?? ""
        tenant = arguments.text("tenant") ?? Self.defaultTenant
        let brokerText = arguments.text("broker") ?? "embedded"
        broker = brokerText == "embedded" ? .embedded : .kafka(brokerText.split(separator: ",").map(String.init))
        brokerConfigPath = arguments.text("broker-config")
        zoneIdentifier = arguments.text("zone") ?? Self.defaultZone
    }

    /// The same for another tenant.
    func of(tenant: String) -> GlobalOptions {
        var options = self
        options.tenant = tenant
        return options
    }

    var tenantFolder: String { "\(home)/\(tenant)" }
    var resultsPath: String { "\(tenantFolder)/results.db" }
    var topicsPath: String { "\(tenantFolder)/topics.db" }
    var configurationPath: String { "\(tenantFolder)/taxi.yaml" }
    /// The tenant's own queries; need not exist.
    var queriesPath: String { "\(tenantFolder)/queries.yaml" }
    var workflowsFolder: String { "\(tenantFolder)/workflows" }
    var tenants: Tenants { Tenants(home: home) }

    /// Makes sure that the tenant's folder is there; a command that writes to it calls this first.
    ///
    /// - Throws: `Problem(.usage)` for a tenant that nobody created, unless it is the default one.
    func prepareTenant(_ program: Program) throws(Problem) {
        try tenants.prepare(tenant) { TenantCommand.settings(of: tenant, program: program) }
    }

    /// For a command that only looks, where there is nothing to be seen yet.
    ///
    /// - Throws: as `prepareTenant`.
    func requireTenant() throws(Problem) {
        guard tenants.exists(tenant) || tenant == Self.defaultTenant else { throw tenants.missing(tenant) }
    }

    /// The results for a command that only looks; nil where there are none yet.
    ///
    /// - Throws: as `requireTenant`, and `ResultsDatabase.openReadOnly` for what cannot be read.
    func openResultsIfAny() throws -> ResultsDatabase? {
        do {
            return try ResultsDatabase.openReadOnly(path: resultsPath)
        } catch let problem as Problem where problem.code == .noInput {
            try requireTenant()
            return nil
        }
    }

    static let defaultTenant = "chicago"
    static let defaultZone = "America/Chicago"

    static let options: [Option] = [
        Option(
            "home", value: .value("DIR"), kind: .directory, default: "$XDG_DATA_HOME/taxi-cli",
            derivedDefault: defaultHome, environment: "TAXI_HOME", help: "the folder of all tenants",
            group: Option.globalGroup),
        Option(
            "tenant", value: .value("NAME"), kind: .custom(Tenants.checkName), default: defaultTenant,
            environment: "TAXI_TENANT", help: "whose topics, results and settings are meant", group: Option.globalGroup),
        Option(
            "broker", value: .value("BROKER"), kind: .custom(checkBroker), default: "embedded",
            environment: "TAXI_BROKER",
            configKey: "broker", help: "where topics live: embedded, or host:port of Kafka (several with commas)",
            group: Option.globalGroup),
        Option(
            "broker-config", value: .value("FILE"), kind: .file, environment: "TAXI_BROKER_CONFIG",
            configKey: "broker-config",
            help: "a file of librdkafka properties, one key=value a line: SASL, TLS, compression",
            group: Option.globalGroup),
        Option(
            "zone", value: .value("ZONE"), default: defaultZone, configKey: "zone",
            help: "the tenant's time zone, by which days, months and reports are cut; choose it before the first trip",
            group: "Settings", settingOnly: true),
    ]

    /// `$XDG_DATA_HOME/taxi-cli`, else `~/.local/share/taxi-cli`.
    private static func defaultHome(_ environment: [String: String]) -> String? {
        // The XDG specification: a relative path counts as unset.
        if let data = environment["XDG_DATA_HOME"], data.hasPrefix("/") { return "\(data)/taxi-cli" }
        let user = environment["HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? "."
        return "\(user)/.local/share/taxi-cli"
    }

    private static func checkBroker(_ text: String) throws(Problem) {
        if text == "embedded" { return }
        for server in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = server.split(separator: ":", omittingEmptySubsequences: false)
            let port = parts.count > 1 ? UInt16(parts[parts.count - 1]) : nil
            guard let port, port > 0, !parts[0].isEmpty else {
                throw Problem(
                    .usage, "\"\(text)\" is no broker",
                    hint: "Write \"embedded\", or host:port with commas between several.")
            }
        }
    }
}
