import Basics
import CommandLine
import Database
import Glibc
import Kafka
import Problems
import Time
import Topics
import Workflow

enum TenantCommand {
    static let command = Command(
        name: "tenant", summary: "create, list, show, back up, restore and remove tenants",
        discussion:
            "A tenant has its own topics, results, settings and workflows, in a folder of the home that only its owner can read.",
        examples: [
            Example("taxi-cli tenant create springfield", "a new tenant with its folder and a taxi.yaml to edit"),
            Example("taxi-cli tenant list --format json", "all tenants, for a script"),
        ],
        subcommands: [create, list, show, backup, restore, remove], group: "Setting up", readsConfiguration: false)

    private static let newName = Argument("NAME", kind: .custom(TenantHome.checkName), help: "the tenant")
    private static let name = {
        var name = newName
        name.names = CompletedNames.tenants
        return name
    }()

    private static let create = Command(
        name: "create", summary: "create a tenant: its folder and a taxi.yaml in which every setting is explained",
        examples: [
            Example("taxi-cli tenant create springfield", "in the default home"),
            Example("taxi-cli tenant create springfield --home /srv/taxi", "in a home of its own"),
        ],
        arguments: [newName], readsConfiguration: false
    ) { arguments in
        let tenant = arguments.positionals[0]
        let home = try GlobalOptions(arguments).tenantHome.of(tenant: tenant)
        try home.create(settings: settings(of: tenant, program: arguments.program))
        try arguments.say("created tenant \"\(tenant)\" in \(home.path)")
        return .success
    }

    private static let list = Command(
        name: "list", summary: "list the tenants of the home, with what each uses of the machine",
        discussion: """
            cpu is the share of one processor that the tenant's processes have used in the last third of a second, memory what they have, \
            records what they send and read a second. state: failed, full, restarting and their like are those of a service of taxi-cli serve; \
            limited names the limit that holds one back; else running or idle.
            """,
        examples: [
            Example("taxi-cli tenant list", "names, states, what each uses, and folders"),
            Example("taxi-cli tenant list --format jsonl | jq -r .tenant", "the names only"),
        ],
        readsConfiguration: false
    ) { arguments in
        let any = try GlobalOptions(arguments).tenantHome
        var table = Table(columns: [
            Column("tenant"), Column("state"), Column("cpu", .right), Column("memory", .right),
            Column("records_per_s", .right), Column("size", .right), Column("folder", mayBeLeftOut: true),
        ])
        let tenants = try TenantHome.tenants(in: any.home).map(any.of)
        for (tenant, use) in zip(tenants, TenantUse.all(of: tenants)) {
            let bytes = try tenant.files().reduce(0) { $0 + $1.bytes }
            table.rows.append([
                .text(tenant.tenant), .text(use.state), use.cpu.map { .share($0) } ?? .null,
                use.memoryBytes.map { .bytes($0) } ?? .null,
                use.recordsPerSecond.map { .real($0, decimals: 0) } ?? .null, .bytes(bytes),
                .text(tenant.path),
            ])
        }
        try arguments.write(table)
        return .success
    }

    private static let backup = Command(
        name: "backup", summary: "write everything that matters of a tenant into one file, while it runs",
        discussion: """
            Results with state and offsets, embedded topics, schemas, taxi.yaml, queries, analyses and workflows with their secrets, as they were at \
            one moment; readable by its owner alone. Of a tenant on Kafka the topics stay where they are: a restored results.db that is \
            behind them is refused by the next stream, with the ways on. The file's name says how it is packed: .tar, .tar.gz, .tar.zst.
            """,
        examples: [
            Example("taxi-cli tenant backup chicago.tar.gz", "of the default tenant"),
            Example("taxi-cli tenant backup /srv/backup/$(date +%F).tar.zst -q", "each night, from cron"),
        ],
        arguments: [Argument("FILE", kind: .output, help: "the archive to write", endings: FileEndings.archives)]
    ) { arguments in
        let file = arguments.positionals[0]
        // Ctrl-C ends tar, and what was begun is taken away.
        Interruption.install()
        let home = try GlobalOptions(arguments).tenantHome
        let bytes = try TenantBackup(home: home).write(to: file)
        try arguments.say("\(file): tenant \"\(home.tenant)\", \(byteText(bytes))")
        return .success
    }

    private static let restore = Command(
        name: "restore", summary: "put a tenant back from what tenant backup has written",
        discussion: "The tenant must not be there: remove it first, or name another home with --home.",
        examples: [
            Example("taxi-cli tenant restore chicago.tar.gz", "into the default home"),
            Example("taxi-cli tenant restore chicago.tar.gz --home /tmp/look", "to look at it beside the present one"),
        ],
        arguments: [Argument("FILE", kind: .file, help: "the archive to read", endings: FileEndings.archives)],
        readsConfiguration: false
    ) { arguments in
        let globals = try GlobalOptions(arguments)
        let home = globals.tenantHome
        let file = arguments.positionals[0]
        let tenant = try TenantBackup.restore(file, of: globals.isTenantNamed ? home.tenant : nil, in: home)
        try arguments.say("restored tenant \"\(tenant)\" in \(try home.of(tenant: tenant).path)")
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
        let home = try GlobalOptions(arguments).tenantHome.of(tenant: arguments.positionals[0])
        var table = Table(columns: [Column("file"), Column("size", .right), Column("what")])
        for file in try home.files() {
            table.rows.append([.text(file.name), .bytes(file.bytes), .optional(purposes[file.name])])
        }
        try arguments.write(table)
        return .success
    }

    private static let remove = Command(
        name: "remove", summary: "remove a tenant with its embedded topics, results and settings, for good",
        discussion: """
            While a process on this machine works on it, it stays (exit code 75), unless --force ends the process first.

            What a tenant has on a Kafka cluster stays there, and is listed: topics, and the consumer groups in which its producers keep \
            where they are. With --topics it is deleted as well, before the folder is: where the cluster refuses, nothing is lost.
            """,
        examples: [
            Example("taxi-cli tenant remove springfield", "asks first"),
            Example("taxi-cli tenant remove springfield --yes", "does not ask, for scripts"),
            Example("taxi-cli tenant remove springfield --topics", "with what it has on the cluster"),
        ],
        arguments: [name],
        options: [
            Option("yes", short: "y", help: "do not ask"), force,
            Option("topics", help: "delete the tenant's topics and consumer groups on the cluster too"),
        ], readsConfiguration: false
    ) { arguments in
        let tenant = arguments.positionals[0]
        let globals = try GlobalOptions(arguments).of(tenant: tenant)
        let home = globals.tenantHome
        func requireUnused(ending: Bool) throws {
            try ControlFile.requireNone(
                in: home.path, what: "tenant \"\(tenant)\"", ending: ending, say: arguments.say)
            try requireNoRuns(globals, ending: ending, arguments)
        }
        if !arguments.isOn("force") { try requireUnused(ending: false) }
        let bytes = try home.files().reduce(0) { $0 + $1.bytes }
        let deletes = arguments.isOn("topics")
        var onCluster: ClusterProperty?
        do { onCluster = try ClusterProperty(of: globals, arguments) } catch let problem as Problem {
            if deletes { throw problem }
            // A cluster that is gone, or settings that cannot be read, must not keep a folder for ever.
            try arguments.say("what the tenant has on a cluster stays there, and cannot be listed: \(problem.message)")
        }
        if deletes, onCluster == nil {
            throw Problem(
                .usage, "tenant \"\(tenant)\" has no topics on a cluster: its broker is \"embedded\"",
                hint: "Leave --topics out, or name the cluster with --broker.")
        }
        if !arguments.isOn("yes") {
            let besides = onCluster.map { deletes && !$0.isEmpty ? " and \($0.text)" : "" } ?? ""
            let question = "Remove tenant \"\(tenant)\" (\(byteText(bytes)) in \(home.path))\(besides)?"
            guard try arguments.confirm(question, hint: "Pass --yes to remove without being asked.") else {
                try arguments.say("nothing was removed")
                return .success
            }
        }
        try requireUnused(ending: arguments.isOn("force"))
        if deletes { try onCluster?.delete() }
        try home.remove()
        try arguments.say("removed tenant \"\(tenant)\"")
        if let onCluster, !onCluster.isEmpty {
            try arguments.say(
                deletes ? "deleted \(onCluster.text)" : "what stays: \(onCluster.text); --topics would delete it")
        }
        return .success
    }

    /// Sees that no scheduler has a run of the tenant's workflows under way; has them cancelled, where that is wanted: the scheduler may be
    /// that of other tenants too.
    ///
    /// - Throws: `.tryAgain` where there are some, or they do not end.
    private static func requireNoRuns(_ globals: GlobalOptions, ending: Bool, _ arguments: ParsedArguments) throws {
        func running() throws -> [StoredRun] {
            // One that cannot be read must not keep a folder for ever.
            guard let database = try? ResultsDatabase.openReadOnlyIfAny(path: globals.resultsPath) else { return [] }
            return (try? RunHistory(database).runs().filter { $0.shownState == "running" }) ?? []
        }
        var present = try running()
        if present.isEmpty { return }
        if ending {
            let history = try RunHistory(ResultsDatabase(path: globals.resultsPath, zone: globals.zoneIdentifier))
            for run in present where run.parent == nil {
                try arguments.say("cancelling run \(run.id) of workflow \"\(run.workflow)\"")
                try history.cancel(run, at: systemTime())
            }
            let deadline = ContinuousClock.now + .seconds(30)
            while case _ = (present = try running()), !present.isEmpty, ContinuousClock.now < deadline,
                !Interruption.isRequested
            {
                usleep(50_000)
            }
            if present.isEmpty { return }
        }
        let list = present.map { run in
            "\n  workflow \"\(run.workflow)\", run \(run.id), process \(run.process.pid)"
        }.joined()
        throw Problem(
            .tryAgain, "tenant \"\(globals.tenant)\" is in use:\(list)",
            hint: ending
                ? "Stop the scheduler first." : "Wait, or taxi-cli workflow cancel, or let --force cancel them.")
    }

    /// What a tenant has on a Kafka cluster.
    private struct ClusterProperty {
        private let store: KafkaTopicStore
        private let servers: String
        private let topics: [String]
        private let groups: [String]

        /// - Throws: `Problem` where the tenant's settings cannot be used, or its cluster does not answer.
        init?(of globals: GlobalOptions, _ arguments: ParsedArguments) throws {
            let path = globals.configurationPath
            let settled = try arguments.applying(arguments.program.loadConfiguration(path: path))
            let globals = try GlobalOptions(settled).of(tenant: globals.tenant)
            guard globals.broker != .embedded, let store = try globals.openTopics() as? KafkaTopicStore else {
                return nil
            }
            let names = try store.topicNames()
            self.store = store
            servers = store.configuration.servers
            topics = names.filter(store.ownership(among: names).isOwn)
            groups = try store.producerGroups()
        }

        var isEmpty: Bool { topics.isEmpty && groups.isEmpty }

        var text: String {
            let topics = topics.isEmpty ? nil : "the topics \(topics.joined(separator: ", "))"
            let groups = groups.isEmpty ? nil : "the consumer groups \(groups.joined(separator: ", "))"
            return [topics, groups].compactMap { $0 }.joined(separator: " and ") + " on \"\(servers)\""
        }

        func delete() throws {
            for topic in topics { try store.deleteTopic(topic) }
            for group in groups { try store.deleteGroup(group) }
        }
    }

    /// What `tenant remove` and `topic delete` do where somebody is at work.
    static let force = Option(
        "force", help: "end the processes that use it first: SIGTERM, and wait until they have ended")

    /// The taxi.yaml of a new tenant.
    static func settings(of tenant: String, program: Program) -> String {
        ConfigurationTemplate(program).text(title: "Settings of tenant \"\(tenant)\" of taxi-cli.")
    }

    private static let purposes = [
        "results.db": "results, state and offsets (SQLite)", "topics.db": "topics (SQLite)", "taxi.yaml": "settings",
        "queries.yaml": "the tenant's own queries", "schemas.db": "schemas of messages (SQLite)",
    ]
}
