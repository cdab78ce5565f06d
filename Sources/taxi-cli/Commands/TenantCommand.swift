import CommandLine
import Database
import Problems

enum TenantCommand {
    static let command = Command(
        name: "tenant", summary: "create, list, show and remove tenants",
        discussion:
            "A tenant has its own topics, results, settings and workflows, in a folder of the home that only its owner can read.",
        examples: [
            Example("taxi-cli tenant create springfield", "a new tenant with its folder and a taxi.yaml to edit"),
            Example("taxi-cli tenant list --format json", "all tenants, for a script"),
        ],
        subcommands: [create, list, show, remove], group: "Setting up", readsConfiguration: false)

    private static let name = Argument("NAME", kind: .custom(TenantHome.checkName), help: "the tenant")

    private static let create = Command(
        name: "create", summary: "create a tenant: its folder and a taxi.yaml in which every setting is explained",
        examples: [
            Example("taxi-cli tenant create springfield", "in the default home"),
            Example("taxi-cli tenant create springfield --home /srv/taxi", "in a home of its own"),
        ],
        arguments: [name], readsConfiguration: false
    ) { arguments in
        let tenant = arguments.positionals[0]
        let tenants = try GlobalOptions(arguments).tenants
        try tenants.create(tenant, settings: settings(of: tenant, program: arguments.program))
        try arguments.say("created tenant \"\(tenant)\" in \(try tenants.folder(of: tenant))")
        return .success
    }

    private static let list = Command(
        name: "list", summary: "list the tenants of the home",
        examples: [
            Example("taxi-cli tenant list", "names, sizes and folders"),
            Example("taxi-cli tenant list --format jsonl | jq -r .tenant", "the names only"),
        ],
        readsConfiguration: false
    ) { arguments in
        let tenants = try GlobalOptions(arguments).tenants
        var table = Table(columns: [Column("tenant"), Column("size", .right), Column("folder")])
        for tenant in try tenants.names() {
            let bytes = try tenants.files(of: tenant).reduce(0) { $0 + $1.bytes }
            table.rows.append([.text(tenant), .bytes(bytes), .text(try tenants.folder(of: tenant))])
        }
        try arguments.write(table)
        return .success
    }

    private static let show = Command(
        name: "show", summary: "show the files of a tenant",
        examples: [
            Example("taxi-cli tenant show chicago", "databases, settings and queries with their sizes"),
            Example("taxi-cli tenant show chicago --format csv", "the same for a spreadsheet"),
        ],
        arguments: [name], readsConfiguration: false
    ) { arguments in
        let tenants = try GlobalOptions(arguments).tenants
        var table = Table(columns: [Column("file"), Column("size", .right), Column("what")])
        for file in try tenants.files(of: arguments.positionals[0]) {
            table.rows.append([.text(file.name), .bytes(file.bytes), .optional(purposes[file.name])])
        }
        try arguments.write(table)
        return .success
    }

    private static let remove = Command(
        name: "remove", summary: "remove a tenant with its topics, results and settings, for good",
        examples: [
            Example("taxi-cli tenant remove springfield", "asks first"),
            Example("taxi-cli tenant remove springfield --yes", "does not ask, for scripts"),
        ],
        arguments: [name], options: [Option("yes", short: "y", help: "do not ask")], readsConfiguration: false
    ) { arguments in
        let tenant = arguments.positionals[0]
        let tenants = try GlobalOptions(arguments).tenants
        let bytes = try tenants.files(of: tenant).reduce(0) { $0 + $1.bytes }
        if !arguments.isOn("yes") {
            let question = try "Remove tenant \"\(tenant)\" (\(byteText(bytes)) in \(tenants.folder(of: tenant)))?"
            guard try arguments.confirm(question, hint: "Pass --yes to remove without being asked.") else {
                try arguments.say("nothing was removed")
                return .success
            }
        }
        try tenants.remove(tenant)
        try arguments.say("removed tenant \"\(tenant)\"")
        return .success
    }

    /// The taxi.yaml of a new tenant.
    static func settings(of tenant: String, program: Program) -> String {
        ConfigurationTemplate(program).text(title: "Settings of tenant \"\(tenant)\" of taxi-cli.")
    }

    private static let purposes = [
        "results.db": "results, state and offsets (SQLite)", "topics.db": "topics (SQLite)", "taxi.yaml": "settings",
        "queries.yaml": "the tenant's own queries",
    ]
}
