internal import Basics
internal import Postgres
internal import Problems

/// What the passes before have left in a schema, in two tables of it, written in the transaction of each pass:
///
///     taxi_publish         a published view: whose, of which pass and epoch, how many rows, what it is made of, and since when
///     taxi_publish_chunks  the digests of its pieces: what is equal to one is not sent again
struct PublishState {
    static let table = "taxi_publish"
    static let chunksTable = "taxi_publish_chunks"

    /// A column as it was published.
    struct Column: Equatable {
        var name: String
        var type: String
        /// What the values of one without a declared type have been; "" for one with.
        var found: String
    }

    struct Entry: Equatable {
        var view = ""
        var tenant = ""
        /// Tells the `results.db` from every other one.
        var database = ""
        /// The pass that last changed something of it.
        var pass: Int64 = 0
        /// Of the query, in its checkpoint; nil for what is no query's.
        var epoch: Int64?
        var rows: Int64 = 0
        var columns: [Column] = []
        var key: [String] = []
        /// The hash of what was said about table and columns.
        var comments = ""
        /// The hash of what else the rows depend on: the view's SQL, offsets of the zone, bounds of buckets.
        var definition = ""
        /// Changes whenever rows may have; "" where nothing says so.
        var mark = ""
        /// How many of the groups' numbers there were, and their digest: they are given once and for all.
        var lastKey: Int64 = 0
        var keysDigest: Int64 = 0
    }

    let connection: PostgresConnection
    let schema: String

    func qualified(_ name: String) -> String { "\(SQLText.name(schema)).\(SQLText.name(name))" }

    /// Creates schema and tables where they are missing.
    ///
    /// - Returns: the names of everything in the schema that a table could not be named by.
    func prepare() throws(Problem) -> Set<String> {
        let doing = "preparing schema \"\(schema)\""
        if try connection.value("SELECT 1 FROM pg_namespace WHERE nspname = $1", [schema], doing: doing) == nil {
            try connection.run("CREATE SCHEMA \(SQLText.name(schema))", doing: doing)
        }
        let names = try connection.run(
            """
            SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relkind <> 'i'
            """, [schema], doing: doing
        ).rows.compactMap { $0[0] }
        if !names.contains(Self.table) { try create(doing) }
        return Set(names)
    }

    private func create(_ doing: String) throws(Problem) {
        let (table, chunks) = (qualified(Self.table), qualified(Self.chunksTable))
        try connection.run(
            """
            CREATE TABLE \(table) (
                view text PRIMARY KEY, tenant text NOT NULL, database text NOT NULL, pass bigint NOT NULL, epoch bigint,
                rows bigint NOT NULL, columns text NOT NULL, key text NOT NULL, comments text NOT NULL, definition text NOT NULL,
                mark text NOT NULL, last_key bigint NOT NULL, keys_digest bigint NOT NULL, published timestamptz NOT NULL);
            CREATE TABLE \(chunks) (
                view text NOT NULL REFERENCES \(table) ON DELETE CASCADE, chunk bigint NOT NULL, digest bigint NOT NULL,
                rows bigint NOT NULL, PRIMARY KEY (view, chunk));
            COMMENT ON TABLE \(table) IS 'What taxi-cli publish has put into this schema: one row a table, written in the transaction of its rows';
            COMMENT ON COLUMN \(table).pass IS 'the pass that last changed the table';
            COMMENT ON COLUMN \(table).epoch IS 'of the query''s stream: the rows are those of this epoch';
            COMMENT ON COLUMN \(table).published IS 'when that pass began';
            COMMENT ON TABLE \(chunks) IS 'Digests of what the tables are made of: taxi-cli publish sends what differs';
            """, doing: doing)
    }

    func entries() throws -> [String: Entry] {
        let rows = try connection.run(
            """
            SELECT view, tenant, database, pass, epoch, rows, columns, key, comments, definition, mark, last_key, keys_digest
            FROM \(qualified(Self.table))
            """, doing: "reading what is published"
        ).rows
        let entries = try rows.map { row in
            let texts = row.map { $0 ?? "" }
            guard let pass = Int64(texts[3]), let count = Int64(texts[5]), let lastKey = Int64(texts[11]),
                let digest = Int64(texts[12])
            else { throw damage("a row of \(Self.table) is not what taxi-cli wrote") }
            let columns = try lines(texts[6]).map { line in
                let parts = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
                guard parts.count == 3 else { throw damage("\(Self.table).columns of \"\(texts[0])\" is damaged") }
                return Column(name: parts[0], type: parts[1], found: parts[2])
            }
            return Entry(
                view: texts[0], tenant: texts[1], database: texts[2], pass: pass, epoch: row[4].flatMap { Int64($0) },
                rows: count, columns: columns, key: lines(texts[7]), comments: texts[8], definition: texts[9],
                mark: texts[10], lastKey: lastKey, keysDigest: digest)
        }
        return Dictionary(entries.map { ($0.view, $0) }) { first, _ in first }
    }

    private func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }

    private func damage(_ what: String) -> Problem {
        Problem(
            .badData, "schema \"\(schema)\" of \"\(connection.url.shown)\": \(what)",
            hint: "--replace drops what was published there and publishes it anew.")
    }

    /// Digests and numbers of rows by chunk.
    func chunks(of view: String) throws(Problem) -> [Int64: (digest: Int64, rows: Int64)] {
        let rows = try connection.run(
            "SELECT chunk, digest, rows FROM \(qualified(Self.chunksTable)) WHERE view = $1", [view],
            doing: "reading what is published"
        ).rows
        var chunks: [Int64: (Int64, Int64)] = [:]
        for row in rows {
            // What cannot be read is compared, and written anew.
            guard let number = row[0].flatMap({ Int64($0) }), let digest = row[1].flatMap({ Int64($0) }),
                let count = row[2].flatMap({ Int64($0) })
            else { continue }
            chunks[number] = (digest, count)
        }
        return chunks
    }

    func write(_ entry: Entry) throws(Problem) {
        let columns = entry.columns.map { "\($0.name)\t\($0.type)\t\($0.found)" }.joined(separator: "\n")
        try connection.run(
            """
            INSERT INTO \(qualified(Self.table)) AS p VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, now())
            ON CONFLICT (view) DO UPDATE SET (tenant, database, pass, epoch, rows, columns, key, comments, definition, mark, last_key,
                keys_digest, published) = ROW (excluded.tenant, excluded.database, excluded.pass, excluded.epoch, excluded.rows,
                excluded.columns, excluded.key, excluded.comments, excluded.definition, excluded.mark, excluded.last_key,
                excluded.keys_digest, CASE WHEN p.pass = excluded.pass THEN p.published ELSE now() END)
            """,
            [
                entry.view, entry.tenant, entry.database, "\(entry.pass)", entry.epoch.map { "\($0)" }, "\(entry.rows)",
                columns, entry.key.joined(separator: "\n"), entry.comments, entry.definition, entry.mark,
                "\(entry.lastKey)", "\(entry.keysDigest)",
            ], doing: "noting the pass of \"\(entry.view)\"")
    }

    /// - Parameters:
    ///   - all: whether there are no others from here on.
    ///   - gone: numbers of chunks that are no more.
    func write(
        chunks: [(number: Int64, digest: Int64, rows: Int64)], gone: [Int64], all: Bool, of view: String
    ) throws(Problem) {
        let table = qualified(Self.chunksTable)
        let doing = "noting the pass of \"\(view)\""
        func array(_ numbers: [Int64]) -> String { "{\(numbers.map { "\($0)" }.joined(separator: ","))}" }
        if all {
            try connection.run("DELETE FROM \(table) WHERE view = $1", [view], doing: doing)
        } else if !gone.isEmpty {
            try connection.run(
                "DELETE FROM \(table) WHERE view = $1 AND chunk = ANY ($2::bigint[])", [view, array(gone)], doing: doing
            )
        }
        guard !chunks.isEmpty else { return }
        try connection.run(
            """
            INSERT INTO \(table) SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[])
            ON CONFLICT (view, chunk) DO UPDATE SET digest = excluded.digest, rows = excluded.rows
            """,
            [view, array(chunks.map(\.number)), array(chunks.map(\.digest)), array(chunks.map(\.rows))], doing: doing)
    }

    /// Drops the table of an entry and forgets it.
    func drop(_ view: String, isThere: Bool) throws(Problem) {
        if isThere { try connection.run("DROP TABLE \(qualified(view))", doing: "dropping table \"\(view)\"") }
        try connection.run(
            "DELETE FROM \(qualified(Self.table)) WHERE view = $1", [view], doing: "dropping \"\(view)\"")
    }
}
