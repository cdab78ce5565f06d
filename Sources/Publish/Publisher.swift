public import Database
public import Postgres
internal import Problems
public import SQLite

/// Makes tables in a PostgreSQL equal to the public views of a `results.db`.
///
/// One pass is one transaction there and one snapshot here: whoever reads the tables sees the views of one moment, and a pass that is
/// killed has not been. Which rows differ is found in three steps, each of which ends it where it can: the mark of a query's checkpoint;
/// digests of days of windows; and at last rows, compared in the server, so that those that are equal are not written.
public struct Publisher {
    let results: ResultsDatabase
    let target: PostgresConnection
    let options: PublishOptions
    let talk: PublishTalk

    public init(
        _ results: ResultsDatabase, to target: PostgresConnection, _ options: PublishOptions,
        talk: PublishTalk = PublishTalk()
    ) {
        (self.results, self.target, self.options, self.talk) = (results, target, options, talk)
    }

    /// - Parameter views: gives the views that are to be published, of the snapshot that the pass reads.
    /// - Throws: `Problem` with the cause: `.unavailable`, `.noPermission`, `.configuration`, `.badData`, `.cannotCreate` (a table of
    ///   somebody else), `.tryAgain` where it was stopped. Nothing has changed then.
    public func pass(_ views: (Connection) throws -> [PublishedView]) throws -> PublishSummary {
        let state = PublishState(connection: target, schema: options.schema)
        return try target.transaction {
            try target.run(Self.settings, doing: "to set up a transaction")
            try lock()
            // Not before the lock is held: what was read earlier must not be written later.
            return try results.connection.snapshot {
                try publish(views(results.connection), state)
            }
        }
    }

    /// Names are all given with their schema, so that nobody else's `=` or `now` is found first; and the wait for us is ours to limit.
    private static let settings = """
        SET LOCAL search_path = pg_catalog; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;
        SET LOCAL idle_in_transaction_session_timeout = 0
        """

    private func lock() throws {
        var hasTold = false
        while true {
            let got = try target.value(
                "SELECT pg_try_advisory_xact_lock(hashtextextended('taxi-cli publish ' || $1, 0))", [options.schema],
                doing: "to lock schema \"\(options.schema)\"")
            if got == "t" { return }
            if !hasTold { talk.waits() }
            hasTold = true
            try target.pause(ms: 200)
        }
    }

    private func publish(_ views: [PublishedView], _ state: PublishState) throws -> PublishSummary {
        var present = try state.prepare()
        var entries = try state.entries()
        let database = try ResultsDatabase.identity(of: results.connection)
        var summary = PublishSummary()
        try takeOver(&entries, &present, database, state)
        let number = (entries.values.map(\.pass).max() ?? 0) + 1
        let marks = try PublishMarks(results.connection)
        for view in views {
            guard view.name != PublishState.table, view.name != PublishState.chunksTable else {
                throw Problem(
                    .configuration, "the view \"\(view.name)\" has the name of a table that notes what is published",
                    hint: "Give the query another name.")
            }
            if entries[view.name] == nil, present.contains(view.name) {
                guard options.replaces else { throw foreign(view.name) }
                try target.run("DROP TABLE \(state.qualified(view.name))", doing: "dropping table \"\(view.name)\"")
                present.remove(view.name)
            }
            var pass = ViewPass(
                view: view, entry: entries[view.name], isThere: present.contains(view.name), state: state, marks: marks,
                options: options, database: database, number: number, talk: talk)
            let (table, hasChanged) = try pass.run(results.connection)
            summary.tables.append(table)
            if hasChanged { summary.pass = number }
            if pass.replacedTexts > 0 {
                summary.notes.append(
                    "\(view.name): \(pass.replacedTexts) texts had a NUL or a byte that is no UTF-8; U+FFFD stands in its place"
                )
            }
        }
        if let reader = options.reader {
            let tables = [PublishState.table] + views.map(\.name)
            if let note = try ReaderRole(state: state, name: reader, tables: tables).grant() {
                summary.notes.append(note)
            }
        }
        try noteGone(entries, state, &summary)
        return summary
    }

    /// Refuses a schema of somebody else's views, or with `replaces` drops them.
    private func takeOver(
        _ entries: inout [String: PublishState.Entry], _ present: inout Set<String>, _ database: String,
        _ state: PublishState
    ) throws(Problem) {
        for entry in entries.values.sorted(by: { $0.view < $1.view })
        where entry.database != database || entry.tenant != options.tenant {
            guard options.replaces else {
                let whose =
                    entry.tenant == options.tenant
                    ? "another results.db of tenant \"\(entry.tenant)\"" : "tenant \"\(entry.tenant)\""
                throw Problem(
                    .configuration,
                    "schema \"\(options.schema)\" of \"\(target.url.shown)\" holds the views of \(whose)",
                    hint: "Name another one with ?schema=NAME; --replace drops those tables and publishes anew.")
            }
            try state.drop(entry.view, isThere: present.contains(entry.view))
            entries[entry.view] = nil
            present.remove(entry.view)
        }
    }

    private func foreign(_ name: String) -> Problem {
        Problem(
            .cannotCreate,
            "schema \"\(options.schema)\" of \"\(target.url.shown)\" has a \"\(name)\" that taxi-cli did not publish",
            hint: "Name another schema with ?schema=NAME; --replace drops the table.")
    }

    /// A view that is no more leaves its table, on which something may stand; that is said.
    private func noteGone(
        _ entries: [String: PublishState.Entry], _ state: PublishState, _ summary: inout PublishSummary
    ) throws {
        let views = try Set(
            results.connection.rows("SELECT name FROM sqlite_schema WHERE type = 'view'") { $0.text(0) })
        for name in entries.keys.sorted() where !views.contains(name) {
            guard options.replaces else {
                summary.notes.append("there is no view \"\(name)\" any more; its table stays until --replace drops it")
                continue
            }
            try state.drop(name, isThere: true)
            summary.pass = (entries.values.map(\.pass).max() ?? 0) + 1
        }
    }
}
