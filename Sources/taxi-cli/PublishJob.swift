import CommandLine
import Database
import Postgres
import Problems
import Publish
import SQLite
import Workflow

/// What `taxi-cli publish` and the step `publish:` do: one pass, with connections of its own.
struct PublishJob {
    let globals: GlobalOptions
    let url: PostgresURL
    var password: String?
    var options: PublishOptions
    /// Files of declarations, instead of the tenant's own.
    var queries: [String] = []
    private let wanted: [String]
    /// Asked while something is waited for.
    var isStopped: () -> Bool = { Interruption.isRequested }
    /// Told of the connection to the results, to end what it does.
    var opened: (Connection) -> Void = { _ in }

    /// - Throws: `.usage` for a tenant whose name no schema can have.
    init(_ globals: GlobalOptions, _ url: PostgresURL, views: [String]) throws(Problem) {
        (self.globals, self.url, wanted) = (globals, url, views)
        let schema = url.schema ?? globals.tenant
        try Identifier.check(schema, of: "a schema")
        options = PublishOptions(tenant: globals.tenant, schema: schema)
    }

    func run(_ talk: PublishTalk = PublishTalk()) throws -> PublishSummary {
        let results = try ResultsDatabase.openReadOnly(globals.tenantHome)
        opened(results.connection)
        let views = PublishedViews(globals, wanted: wanted, queries: queries)
        let connection = try PostgresConnection(url, password: password, isStopped: isStopped)
        return try explaining("publishing") {
            var summary = try Publisher(results, to: connection, options, talk: talk).pass(views.all)
            summary.notes += try views.undeclared(on: results.connection)
            return summary
        }
    }

    /// - Throws: as `SecretFile.read`.
    static func password(in path: String) throws(Problem) -> String { try SecretFile.read(path) }
}
