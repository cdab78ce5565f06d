import CommandSupport
import Foundation
import PostgresSupport
import SQLite
import Testing

/// Public views as tables of a real PostgreSQL.
@Suite(.enabled(if: TestPostgres.isThere)) struct PublishTests {
    @Test func everyViewIsATableWithItsRows() throws {
        let published = try Published(.filled())
        let tables = try published.publish()
        #expect(try Set(tables.keys) == Set(published.views()))
        #expect(tables["sumfarewindow"]?[1] ?? 0 > 0 && tables["fare_trend"]?[1] ?? 0 > 0)
        try published.compare()
        let types = try published.query(
            """
            SELECT column_name || ' ' || data_type || coalesce('(' || numeric_precision || ',' || nullif(numeric_scale, 0) || ')', '')
            FROM information_schema.columns
            WHERE table_schema = 'chicago' AND table_name IN ('tripstotal', 'sumfarewindow') ORDER BY table_name, ordinal_position
            """)
        #expect(
            types == [
                "window_start timestamp with time zone", "window_end timestamp with time zone", "trips bigint",
                "total_fare numeric(20,2)", "tips_fare numeric(20,2)", "total_trip_total numeric(20,2)", "day date",
                "trips_total bigint", "fare_total numeric(20,2)", "tips_avg numeric(20,2)",
                "trip_total_avg numeric(20,2)",
            ])
        let keys = try published.query(
            """
            SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
            WHERE contype = 'p' AND conrelid::regclass::text LIKE 'chicago.%' ORDER BY 1
            """)
        for key in [
            "chicago.hotspotwindow PRIMARY KEY (window_start, pickup_centroid_location)",
            "chicago.fare_trend PRIMARY KEY (period_kind, period)", "chicago.tripstotal PRIMARY KEY (day)",
        ] { #expect(keys.contains(key)) }
        let comment =
            "SELECT col_description('chicago.fare_trend'::regclass, 4), obj_description('chicago.fare_trend'::regclass)"
        #expect(
            try published.query(comment) == [
                "US dollars|Months, quarters and years: how much was paid, and how fares are distributed"
            ])
    }

    @Test func sendsChangedRowsOnly() throws {
        let published = try Published(.filled())
        try published.publish()
        let before = try published.query("SELECT max(xmin::text::bigint) FROM chicago.hotspotwindow")
        #expect(try published.publish().values.allSatisfy { $0[1...] == [0, 0] })
        #expect(try published.query("SELECT max(pass) FROM chicago.taxi_publish") == ["1"])

        let taxi = published.taxi
        try taxi.succeed(
            "data", "generate", "--rows", "50", "--seed", "7", "--from", "2024-03-12", "--to", "2024-03-13", "more.csv")
        try taxi.succeed("produce", "more.csv", "--max", "--clock", "start")
        try taxi.succeed("stream", "--until-end")
        try taxi.succeed("batch")
        let tables = try published.publish()
        let hotspots = try #require(tables["hotspotwindow"])
        #expect(hotspots[1] > 0 && hotspots[1] < hotspots[0] / 4, "\(hotspots)")
        let touched = try published.query(
            "SELECT count(*) FROM chicago.hotspotwindow WHERE xmin::text::bigint > \(before[0])")
        #expect(touched == ["\(hotspots[1])"])
        try published.compare()
        let noted = try published.query("SELECT view, rows FROM chicago.taxi_publish WHERE view = 'hotspotwindow'")
        #expect(noted == ["hotspotwindow|\(hotspots[0])"])
    }

    @Test func rowsThatAreGoneGo() throws {
        let published = try Published(.filled())
        try published.publish()
        try published.taxi.succeed("batch", "--retain-windows", "2d")
        let tables = try published.publish()
        #expect(tables["sumfarewindow"]?[2] ?? 0 > 0)
        #expect(tables["hotspotwindow"]?[2] ?? 0 > 0)
        try published.compare()
        // Computed anew from half of the trips.
        try published.taxi.succeed("stream", "--until-end", "--from-beginning")
        try published.publish()
        try published.compare()
    }

    @Test func whatSomebodyChangedIsPutRight() throws {
        let published = try Published(.filled())
        try published.publish()
        _ = try published.query(
            """
            DELETE FROM chicago.sumfarewindow WHERE trips % 2 = 1; UPDATE chicago.hotspotwindow SET count = count + 1;
            INSERT INTO chicago.tripstotal VALUES ('1999-01-01', 1); DROP TABLE chicago.fare_trend
            """)
        try published.publish("--all")
        try published.compare()
    }

    @Test func ownQueriesAndAnalysesArePublished() throws {
        let published = try Published(.filled())
        let taxi = published.taxi
        try """
        queries:
          - name: byCompany
            window: {tumbling: 1h}
            group: [company]
            aggregates: {trips: count(), spread: stddev(fare), kinds: distinct(payment_type), median: quantile(fare, 0.5)}
          - name: far
            group: [pickup_community_area]
            aggregates: {miles: avg(trip_miles), east: max(pickup_centroid_longitude)}
        """.write(toFile: taxi.tenantFolder + "/queries.yaml", atomically: true, encoding: .utf8)
        let folder = taxi.tenantFolder + "/analyses"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        func analysis(_ columns: String, _ select: String) throws {
            try
                "-- name: own\n-- about: of one's own\n-- columns: \(columns)\nSELECT \(select) FROM tripstotal WHERE day >= :from AND day < :until\n"
                .write(toFile: folder + "/own.sql", atomically: true, encoding: .utf8)
        }
        func types() throws -> [String] {
            try published.query(
                "SELECT column_name || ' ' || data_type FROM information_schema.columns WHERE table_name = 'own' ORDER BY column_name"
            )
        }
        let fixed = ["partial smallint", "period text", "period_kind text"]
        try analysis("trips, blank", "sum(trips_total) AS trips, NULL AS blank")
        try taxi.succeed("stream", "--until-end")
        try taxi.succeed("batch")
        try published.publish()
        try published.compare()
        #expect(try types() == ["blank text"] + fixed + ["trips bigint"])
        _ = try published.query("GRANT SELECT ON chicago.own TO guarded")

        // Another column, and other types; what was granted stays.
        try analysis("trips, blank, earliest", "sum(trips_total) / 2.0 AS trips, 1 AS blank, min(day) AS earliest")
        try taxi.succeed("batch")
        try published.publish()
        try published.compare()
        #expect(
            try types() == ["blank bigint", "earliest date"] + fixed + ["trips double precision"])
        #expect(try published.query("SELECT has_table_privilege('guarded', 'chicago.own', 'SELECT')") == ["t"])

        // A type only widens, and a column that something stands on is not dropped.
        _ = try published.query("CREATE VIEW public.mine AS SELECT earliest FROM chicago.own")
        try analysis("trips", "'some' AS trips")
        try taxi.succeed("batch")
        let refused = try taxi.run("publish", published.url)
        #expect(refused.code == 78 && refused.errors.contains("drop it (a view, most often)"), "\(refused.errors)")
        _ = try published.query("DROP VIEW public.mine")
        try published.publish()
        try published.compare()
        #expect(try types() == fixed + ["trips text"])
    }

    @Test func textsWithANULAreMended() throws {
        let published = try Published(.filled())
        try Connection(path: published.taxi.resultsPath).execute(
            "CREATE VIEW odd AS SELECT 1 AS n, 'a' || char(0) || 'b\\N' AS t, '2024-02-30' AS d, 9e999 AS f UNION ALL SELECT 2, NULL, '', -0.5"
        )
        let ending = try published.taxi.run("publish", published.url, "--views", "odd")
        #expect(ending.code == 0 && ending.errors.contains("odd: 1 texts had a NUL"), "\(ending.errors)")
        #expect(
            try published.query("SELECT n, t, d, f FROM chicago.odd ORDER BY n") == [
                "1|a\u{FFFD}b\\N|2024-02-30|Infinity", "2|||-0.5",
            ])
        // 2024-02-30 is no day, so that the column is one of texts.
        #expect(
            try published.query("SELECT pg_typeof(d), pg_typeof(f) FROM chicago.odd LIMIT 1") == [
                "text|double precision"
            ])
    }

    @Test func aSchemaOfSomebodyElseIsRefused() throws {
        var published = try Published(.filled())
        try published.publish()
        let other = try TaxiCLI.filled()
        try Connection(path: other.resultsPath).execute("UPDATE settings SET value = 'another' WHERE name = 'identity'")
        let refused = try other.run("publish", published.url)
        #expect(refused.code == 78 && refused.errors.contains("--replace"), "\(refused.errors)")
        try other.succeed("publish", published.url, "--replace")
        #expect(try published.query("SELECT DISTINCT database FROM chicago.taxi_publish") == ["another"])
        try published.compare()

        published.schema = "public"
        _ = try published.query("CREATE TABLE runs (mine int); INSERT INTO runs VALUES (1)")
        let inTheWay = try other.run("publish", published.url + "&schema=public")
        #expect(inTheWay.code == 73 && inTheWay.errors.contains("\"runs\""), "\(inTheWay.errors)")
        // One transaction: nothing of it is there.
        #expect(try published.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == ["1"])
        try other.succeed("publish", published.url + "&schema=public", "--replace")
        try published.compare()
    }

    @Test func aReaderReadsAndNothingElse() throws {
        let published = try Published(.filled())
        let role = "reader_\(published.database)"
        defer { _ = try? published.query("DROP OWNED BY \(role); DROP ROLE \(role)") }
        try published.publish("--views", "tripstotal", "--reader", role)
        try published.publish("--reader", role)
        func ask(_ sql: String) throws -> [String] {
            try published.server.query(sql, in: published.database, as: role)
        }
        #expect(try ask("SELECT count(*) > 0 FROM chicago.hotspotwindow") == ["t"])
        for sql in [
            "DELETE FROM chicago.tripstotal", "SET default_transaction_read_only = off; DELETE FROM chicago.tripstotal",
            "CREATE TABLE chicago.x (a int)", "DROP TABLE chicago.tripstotal",
        ] { #expect(throws: PostgresFailure.self, "\(sql)") { try ask(sql) } }
    }

    @Test func severalAtOnceTakeTurns() throws {
        let published = try Published(.filled())
        let runs = try (0..<4).map { _ in try published.taxi.start(["publish", published.url]) }
        for run in runs {
            let ending = run.wait()
            #expect(ending.code == 0, "\(ending.errors)")
        }
        #expect(try published.query("SELECT max(pass) FROM chicago.taxi_publish") == ["1"])
        try published.compare()
    }

    @Test func refusalsSayWhy() throws {
        let published = try Published(.filled())
        let (taxi, server) = (published.taxi, published.server)
        func ends(
            _ url: String, _ code: Int32, _ texts: String..., options: [String] = [],
            environment: [String: String] = [:]
        ) throws {
            let ending = try taxi.start(["publish", url] + options, environment: environment).wait()
            #expect(ending.code == code, "\(url): \(ending.errors)")
            for text in texts { #expect(ending.errors.contains(text), "\(url): \(ending.errors)") }
        }
        try ends(server.url("nowhere"), 78, "CREATE DATABASE \"nowhere\"")
        try ends("postgres://nobody@127.0.0.1:1/x", 69, "postgres://nobody@127.0.0.1:1/x")
        try ends(published.url + "&sslmode=nonsense", 64, "sslmode")
        let guarded = server.url(published.database, user: "guarded")
        try ends(guarded, 77, "~/.pgpass")
        try ends(guarded, 77, "password authentication failed", environment: ["PGPASSWORD": "wrong"])
        try ends(guarded, 77, "GRANT CREATE", environment: ["PGPASSWORD": TestPostgres.password])
        try ends(published.url, 64, "there is no view \"nothing\"", options: ["--views", "nothing"])

        _ = try published.query("GRANT CREATE ON DATABASE \(published.database) TO guarded")
        let file = taxi("password")
        try (TestPostgres.password + "\n").write(toFile: file, atomically: true, encoding: .utf8)
        chmod(file, 0o644)
        try ends(guarded, 78, "chmod 600", options: ["--password-file", file])
        chmod(file, 0o600)
        try ends(guarded, 0, options: ["--password-file", file])
        // In the URL it works, is warned of and never shown.
        let words = TestPostgres.password.utf8.map { String(format: "%%%02X", $0) }.joined()
        let ending = try taxi.run("publish", guarded.replacing("guarded@", with: "guarded:\(words)@"))
        #expect(ending.code == 0 && ending.errors.contains("warning: the password"), "\(ending.errors)")
        let wrong = try taxi.run("publish", guarded.replacing("guarded@", with: "guarded:hunter2@"))
        #expect(wrong.code == 77 && !wrong.errors.contains("hunter2"), "\(wrong.errors)")
    }

    @Test func watchesUntilItIsStopped() throws {
        let published = try Published(.filled())
        let watch = try published.taxi.start(["publish", published.url, "--watch", "--every", "200ms"])
        #expect(eventually(within: 60) { watch.errors.contains("pass 1") || !watch.isRunning }, "\(watch.errors)")
        try published.taxi.succeed("batch", "--retain-windows", "2d")
        #expect(
            try eventually(within: 60) {
                try published.query("SELECT count(*) FROM chicago.sumfarewindow")
                    == ["\(published.taxi.number("SELECT count(*) FROM sumfarewindow"))"]
            })
        watch.signal(SIGTERM)
        let ending = watch.wait(timeout: 60)
        #expect(ending.code == 130, "\(ending.errors)")
        try published.publish()
        try published.compare()
    }

    @Test func tablesFollowAStreamThatWrites() throws {
        let published = try Published(.filled())
        let taxi = published.taxi
        try taxi.succeed(
            "data", "generate", "--rows", "400", "--seed", "7", "--from", "2024-03-10", "--to", "2024-03-13", "more.csv"
        )
        let before = try taxi.number("SELECT sum(trips_total) FROM tripstotal")
        let stream = try taxi.start(["stream"])
        let watch = try taxi.start(["publish", published.url, "--watch", "--every", "200ms"])
        try taxi.succeed("produce", "more.csv", "--rate", "200/s", "--clock", "start")
        // Passes while the stream writes, and one of what it left.
        let total = "SELECT sum(trips_total) FROM "
        #expect(try eventually(within: 60) { try taxi.number(total + "tripstotal") > before }, "\(stream.errors)")
        stream.signal(SIGTERM)
        #expect(stream.wait(timeout: 60).code == 130)
        let expected = ["\(try taxi.number(total + "tripstotal"))"]
        let follows = eventually(within: 60) { (try? published.query(total + "chicago.tripstotal")) == expected }
        #expect(follows, "\(watch.errors)")
        watch.signal(SIGTERM)
        #expect(watch.wait(timeout: 60).code == 130, "\(watch.errors)")
        try published.publish()
        try published.compare()
    }

    @Test func aWorkflowPublishes() throws {
        let published = try Published(.filled())
        let taxi = published.taxi
        let folder = taxi.tenantFolder + "/workflows"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        _ = try published.query("GRANT CREATE ON DATABASE \(published.database) TO guarded")
        let url = published.server.url(published.database, user: "guarded")
        try """
        name: bi
        steps:
          tables: {publish: {to: "\(url)", password: "{{ file:secret }}", views: [tripstotal, "sumFareWindow"]}}
          told: {shell: [test, "{{ steps.tables.rows }}", -gt, "0"], needs: [tables]}
          wrong: {publish: {to: "\(url)", password: "{{ file:other }}"}, allow_failure: true}
        """.write(toFile: folder + "/bi.yaml", atomically: true, encoding: .utf8)
        for (name, text) in [("secret", TestPostgres.password), ("other", "not the password")] {
            try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
            chmod("\(folder)/\(name)", 0o600)
        }
        let run = try taxi.run("workflow", "run", "bi")
        #expect(run.code == 0, "\(run.errors)")
        try published.compare(["tripstotal", "sumfarewindow"])
        let logs = try taxi.run("workflow", "logs", "bi").text
        #expect(!logs.contains(TestPostgres.password) && !logs.contains("not the password"))

        try "name: bad\nsteps: {a: {publish: \"postgres://u:hunter2@h/d\"}}\n".write(
            toFile: folder + "/bad.yaml", atomically: true, encoding: .utf8)
        let bad = try taxi.run("workflow", "validate", "bad")
        #expect(bad.code == 78 && bad.errors.contains("a password stands in the workflow"), "\(bad.errors)")
    }
}
