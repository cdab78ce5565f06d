import SQLite
import Testing

@testable import Batch

/// The views with types beside the public ones.
@Suite struct TypedViewsTests {
    private let connection: Connection
    private var views: TypedViews { TypedViews(connection: connection) }

    init() throws { connection = try Connection(path: ":memory:") }

    private func definition(_ name: String) throws -> String? {
        try connection.text("SELECT sql FROM sqlite_schema WHERE name = ?", .text(name))
    }

    @Test func columnsHaveTheTypeOfTheirValues() throws {
        try connection.execute(
            """
            CREATE TABLE t(a, b, c, d, e, f, "g ""h");
            INSERT INTO t VALUES (1, 2.5, 'x', NULL, 1, 1, 1), (NULL, NULL, NULL, NULL, 2.5, 'x', 9007199254740993);
            CREATE VIEW v AS SELECT * FROM t;
            """)
        try views.refresh(mixed: [])
        #expect(
            try definition("v_typed")
                == """
                CREATE VIEW "v_typed" AS SELECT CAST("a" AS BIGINT) AS "a", CAST("b" AS DOUBLE) AS "b", CAST("c" AS VARCHAR) AS "c", \
                "d", CAST("e" AS DOUBLE) AS "e", "f", CAST("g ""h" AS BIGINT) AS "g ""h" FROM "v"
                """)
        let rows = { (name: String) in
            try connection.rows("SELECT * FROM \(name)") { row in (0..<row.columnCount).map(row.value) }
        }
        // The one column that has integers and reals has reals; all else is the same.
        var expected = try rows("v")
        expected[0][4] = 1.0
        #expect(try rows("v_typed") == expected)
    }

    @Test func typesFollowTheRows() throws {
        try connection.execute("CREATE TABLE t(a); INSERT INTO t VALUES (1); CREATE VIEW v AS SELECT * FROM t;")
        try views.refresh(mixed: ["v"])
        #expect(try definition("v_typed")?.contains("AS BIGINT") == true)
        try connection.execute(
            "WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < 5000) INSERT INTO t SELECT i FROM i"
        )
        // Behind the rows that are looked at of views whose types never change.
        try connection.execute("INSERT INTO t VALUES (0.5)")
        try views.refresh(mixed: ["v"])
        #expect(try definition("v_typed")?.contains("AS DOUBLE") == true)
        #expect(try connection.value("SELECT min(a) FROM v_typed") == 0.5)
    }

    @Test func aColumnThatIsEmptyForLongHasTheTypeOfItsFirstValue() throws {
        try connection.execute(
            """
            CREATE TABLE t(period_kind, change);
            WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < 5000) INSERT INTO t SELECT 'month', NULL FROM i;
            INSERT INTO t VALUES ('year', 0.5);
            CREATE VIEW v AS SELECT * FROM t;
            """)
        try views.refresh(mixed: [])
        #expect(try definition("v_typed")?.contains("CAST(\"change\" AS DOUBLE)") == true)
    }

    @Test func viewsThatAreGoneTakeTheirsAlong() throws {
        try connection.execute("CREATE TABLE t(a); CREATE VIEW v AS SELECT * FROM t; CREATE VIEW w AS SELECT * FROM t;")
        try views.refresh(mixed: [])
        try connection.execute("DROP VIEW v")
        try views.refresh(mixed: [])
        #expect(try definition("v_typed") == nil)
        #expect(try definition("w_typed") != nil)
        // One that cannot be read keeps nobody from the others.
        try connection.execute("CREATE VIEW broken AS SELECT * FROM nowhere")
        try views.refresh(mixed: [])
        #expect(try definition("broken_typed") == nil)
        #expect(try definition("w_typed_typed") == nil)
    }

    @Test func whatIsSomebodysOwnStays() throws {
        try connection.execute(
            """
            CREATE TABLE t(a); CREATE VIEW v AS SELECT * FROM t; CREATE VIEW v_typed AS SELECT a + 1 AS b FROM t;
            CREATE VIEW lone_typed AS SELECT * FROM t;
            """)
        try views.refresh(mixed: [])
        #expect(try definition("v_typed")?.contains("a + 1") == true)
        #expect(try definition("lone_typed") != nil && definition("lone_typed_typed") != nil)
    }

    @Test func nothingIsWrittenWhereNothingHasChanged() throws {
        try connection.execute("CREATE TABLE t(a); CREATE VIEW v AS SELECT * FROM t;")
        try views.refresh(mixed: [])
        let version = try connection.value("PRAGMA schema_version")
        try views.refresh(mixed: [])
        #expect(try connection.value("PRAGMA schema_version") == version)
    }
}
