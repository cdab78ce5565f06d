internal import Basics
internal import Postgres
internal import Problems

/// A role that may read a schema's tables and nothing else of it.
struct ReaderRole {
    let state: PublishState
    let name: String
    /// All that may be read.
    let tables: [String]

    /// Makes the role where there is none, and lets it read; writes nothing where it may already.
    ///
    /// - Returns: what a person should know; nil for nothing.
    func grant() throws(Problem) -> String? {
        try Identifier.check(name, of: "a role")
        let connection = state.connection
        let (role, schema) = (SQLText.name(name), SQLText.name(state.schema))
        let doing = "letting \"\(name)\" read"
        let isThere = try connection.value("SELECT 1 FROM pg_roles WHERE rolname = $1", [name], doing: doing) != nil
        if !isThere {
            // Without a password nobody can log in as it where one is asked for.
            try connection.run(
                """
                CREATE ROLE \(role) LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
                ALTER ROLE \(role) SET default_transaction_read_only = on
                """, doing: doing)
        }
        let mayNot = try connection.value(
            """
            SELECT 1 WHERE NOT has_schema_privilege($1::name, $2::text, 'USAGE') UNION ALL
            SELECT 1 FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = $2 AND c.relname = ANY ($3::text[]) AND NOT has_table_privilege($1::name, c.oid, 'SELECT') LIMIT 1
            """, [name, state.schema, "{\(tables.map(SQLText.name).joined(separator: ","))}"], doing: doing)
        if mayNot != nil {
            // By name: other tables in the schema are somebody else's to give.
            let list = tables.map(state.qualified).joined(separator: ", ")
            try connection.run(
                "GRANT USAGE ON SCHEMA \(schema) TO \(role); GRANT SELECT ON \(list) TO \(role)", doing: doing)
        }
        return isThere
            ? nil : "made the role \"\(name)\", which only reads; give it a password: \\password \(role) in psql"
    }
}
