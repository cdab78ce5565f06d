internal import Basics
internal import Postgres
internal import Problems

/// The table of one view.
struct TargetTable {
    let state: PublishState
    let view: PublishedView
    let columns: [PublishState.Column]
    let key: [String]

    private var connection: PostgresConnection { state.connection }
    var name: String { state.qualified(view.name) }
    private var doing: String { "writing table \"\(view.name)\"" }
    /// A name that no column has to share.
    private static let stage = "pg_temp.taxi_stage"

    private func list(_ names: [String], _ prefix: String = "") -> String {
        names.map { prefix + SQLText.name($0) }.joined(separator: ", ")
    }
    private var names: [String] { columns.map(\.name) }

    /// - Throws: `.configuration` for names that PostgreSQL has no room for.
    func check() throws(Problem) {
        do throws(Problem) {
            try Identifier.check(view.name, of: "a table")
            for name in names { try Identifier.check(name, of: "a column") }
        } catch {
            throw Problem(.configuration, error.message, hint: "--views leaves \"\(view.name)\" out.")
        }
    }

    // MARK: layout

    func create() throws(Problem) {
        let list = columns.map { "\(SQLText.name($0.name)) \($0.type)" }.joined(separator: ", ")
        try connection.run("CREATE TABLE \(name) (\(list))", doing: "creating table \"\(view.name)\"")
    }

    /// Empties the table and gives it its columns; what was granted on it stays.
    func alter(from before: PublishState.Entry) throws(Problem) {
        let old = Dictionary(before.columns.map { ($0.name, $0.type) }) { first, _ in first }
        var changes = ["DROP CONSTRAINT IF EXISTS \(SQLText.name(constraint))"]
        for column in before.columns where !names.contains(column.name) {
            changes.append("DROP COLUMN \(SQLText.name(column.name))")
        }
        for column in before.key where names.contains(column) {
            changes.append("ALTER COLUMN \(SQLText.name(column)) DROP NOT NULL")
        }
        for column in columns {
            let quoted = SQLText.name(column.name)
            switch old[column.name] {
            case nil: changes.append("ADD COLUMN \(quoted) \(column.type)")
            case column.type: break
            default: changes.append("ALTER COLUMN \(quoted) TYPE \(column.type) USING NULL")
            }
        }
        let what = "changing the columns of table \"\(view.name)\""
        try connection.run("TRUNCATE \(name)", doing: what)
        // One statement, in which PostgreSQL does what drops before what adds.
        try connection.run("ALTER TABLE \(name) \(changes.joined(separator: ", "))", doing: what)
    }

    /// Its own name, so that a table of one's own in the schema cannot have it.
    private var constraint: String {
        // As PostgreSQL itself would: cut, where there is no room.
        var name = view.name
        while name.utf8.count > 58 { name.removeLast() }
        return "\(name)_pkey"
    }

    func addKey() throws(Problem) {
        guard !key.isEmpty else { return }
        try connection.run(
            "ALTER TABLE \(name) ADD CONSTRAINT \(SQLText.name(constraint)) PRIMARY KEY (\(list(key)))",
            doing: "adding the primary key of table \"\(view.name)\"")
    }

    func comment() throws(Problem) {
        var statements = ["COMMENT ON TABLE \(name) IS \(Identifier.literal(view.about))"]
        for column in view.columns {
            let about = column.about.isEmpty ? "NULL" : Identifier.literal(column.about)
            statements.append("COMMENT ON COLUMN \(name).\(SQLText.name(column.name)) IS \(about)")
        }
        try connection.run(statements.joined(separator: ";\n"), doing: "describing table \"\(view.name)\"")
    }

    func analyze() throws(Problem) { try connection.run("ANALYZE \(name)", doing: doing) }

    // MARK: rows

    /// - Parameter isNew: made by this transaction: nobody else can see rows yet, so that they need not be looked at again (FREEZE).
    func load(isNew: Bool, _ body: (CopyStream) throws -> Void) throws -> Int {
        try connection.copy(
            into: "\(name) (\(list(names)))", options: isNew ? ", FREEZE true" : "", doing: doing, body)
    }

    func deleteAll() throws(Problem) -> Int { try connection.run("DELETE FROM \(name)", doing: doing).affected }

    /// Deletes windows of whole days (UTC), from the first up to before the second.
    func deleteWindows(days: Range<Int64>) throws(Problem) -> Int {
        try connection.run("DELETE FROM \(name) AS t WHERE \(window(days))", doing: doing).affected
    }

    private func window(_ days: Range<Int64>) -> String {
        func start(_ day: Int64) -> String { "to_timestamp(\(day * 86_400))" }
        let column = "t.\(SQLText.name(key[0]))"
        return "\(column) >= \(start(days.lowerBound)) AND \(column) < \(start(days.upperBound))"
    }

    /// Makes the rows those of `body`: new ones are added, changed ones written, missing ones deleted, all others stay untouched.
    ///
    /// - Parameter days: of the windows that are compared; nil for all rows.
    /// - Returns: rows that were added or changed, and deleted.
    func merge(
        days: [Range<Int64>]?, _ body: (CopyStream) throws -> Void
    ) throws -> (written: Int, deleted: Int) {
        try connection.run(
            "CREATE TEMPORARY TABLE taxi_stage ON COMMIT DROP AS SELECT \(list(names)) FROM \(name) WITH NO DATA",
            doing: doing)
        let staged = try connection.copy(into: "\(Self.stage) (\(list(names)))", doing: doing, body)
        if staged > 1000 { try connection.run("ANALYZE \(Self.stage)", doing: doing) }
        let isSame = key.map { "s.\(SQLText.name($0)) = t.\(SQLText.name($0))" }.joined(separator: " AND ")
        var deleted = 0
        for range in days.map({ $0.map(window) }) ?? ["true"] {
            deleted +=
                try connection.run(
                    "DELETE FROM \(name) AS t WHERE \(range) AND NOT EXISTS (SELECT FROM \(Self.stage) AS s WHERE \(isSame))",
                    doing: doing
                ).affected
        }
        let others = names.filter { !key.contains($0) }
        let update =
            others.isEmpty
            ? "NOTHING"
            : "UPDATE SET \(others.map { "\(SQLText.name($0)) = excluded.\(SQLText.name($0))" }.joined(separator: ", ")) "
                + "WHERE (\(list(others, "t."))) IS DISTINCT FROM (\(list(others, "excluded.")))"
        let written = try connection.run(
            """
            INSERT INTO \(name) AS t (\(list(names))) SELECT \(list(names)) FROM \(Self.stage)
            ON CONFLICT (\(list(key))) DO \(update)
            """, doing: doing
        ).affected
        try connection.run("DROP TABLE \(Self.stage)", doing: doing)
        return (written, deleted)
    }
}
