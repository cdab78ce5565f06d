import CommandSupport
import Foundation
import SQLite
import Testing

/// Names that are taken are said before anything runs, and SQL given by a person is one statement whose values stay what they are.
@Suite struct NamesAndSQLTests {
    @Test func aNameOfAShippedQueryIsSaidAtTheCheck() throws {
        let taxi = try TaxiCLI()
        let file = TaxiCLI.input("query-named-as-a-shipped-one.yaml")
        for words in [["stream", "queries", "--check", file], ["stream", "--queries", file, "--until-end"]] {
            let ending = try taxi.start(words).wait()
            #expect(ending.code == 78, "\(words)")
            #expect(
                ending.errors.contains("2:12: error: there is a query \"paymentByDay\" already"), "\(ending.errors)")
        }
    }

    @Test func queriesAndAnalysesCannotHaveEachOthersNames() throws {
        let taxi = try TaxiCLI.filled()
        try FileManager.default.createDirectory(
            atPath: taxi.tenantFolder + "/analyses", withIntermediateDirectories: true)
        let queries = taxi.tenantFolder + "/queries.yaml"
        let analysis = taxi.tenantFolder + "/analyses/a.sql"
        func write(_ name: String, query: String) throws {
            try "queries:\n  - {name: \(query), aggregates: {n: count()}}\n"
                .write(toFile: queries, atomically: true, encoding: .utf8)
            try "-- name: \(name)\n-- columns: n\nSELECT 1 AS n\n"
                .write(toFile: analysis, atomically: true, encoding: .utf8)
        }
        try write("busy", query: "Busy")
        let check = try taxi.run("stream", "queries", "--check", queries)
        #expect(check.code == 78 && check.errors.contains("there is an analysis \"busy\" already"), "\(check.errors)")
        let list = try taxi.run("batch", "--list")
        #expect(
            list.code == 78 && list.errors.contains("the name \"busy\" is that of query \"Busy\""), "\(list.errors)")

        try write("hourofweekbyday", query: "fine")
        #expect(try taxi.run("batch", "--list").code == 78)
        try write("hotspotcommunitypickupwindow", query: "fine")
        #expect(try taxi.run("batch").code == 78)
        try write("slow", query: "fine")
        #expect(try taxi.succeed("stream", "queries", "--check", queries).errors.contains("1 query, all right"))
        try taxi.succeed("batch")
    }

    @Test(arguments: ["runs", "tripsTotal", "payment_mix", "SQLite_x"])
    func aVintageHasANameOfItsOwn(name: String) throws {
        let ending = try TaxiCLI.filled().run("batch", "--vintage", name)
        #expect(ending.code == 64)
        #expect(ending.errors.contains("the name \"\(name)\" is"), "\(ending.errors)")
    }

    @Test(arguments: [
        ("SELECT 1; SELECT 2", "there is more after the statement"), ("", "there is no SQL in it"),
        ("-- SELECT 1", "there is no SQL in it"), ("SELECT 1; nonsense", "there is more after the statement"),
        ("DELETE FROM run_records", "this is no query"), ("SELECT ?1", "there is no value for the parameter"),
    ])
    func showTakesOneQuery(sql: String, says: String) throws {
        let ending = try TaxiCLI.filled().run("show", "--sql", sql)
        #expect(ending.code == 64)
        #expect(ending.errors.contains(says), "\(ending.errors)")
    }

    @Test func aColumnsNameNeverDecidesHowItsValueIsWritten() throws {
        let taxi = try TaxiCLI.filled()
        let sql = """
            SELECT 'not {json' AS summary, 0.5 AS share, 12345 AS trips, 1.005 AS fare, 7 AS partial, x'00ff' AS total, \
            'a' || char(0) || 'b' AS window_start, 3 AS fare_cents;  -- the end
            """
        let json = try jsonObject(taxi.succeed("show", "--sql", sql, "--format", "jsonl").text)
        #expect(json["summary"] as? String == "not {json")
        #expect(json["share"] as? Double == 0.5 && json["trips"] as? Int == 12345 && json["fare"] as? Double == 1.005)
        #expect(json["partial"] as? Int == 7 && json["total"] as? String == "00ff")
        #expect(json["window_start"] as? String == "a\u{0}b" && json["fare_cents"] as? Int == 3)
        let csv = try taxi.succeed("show", "--sql", sql, "--format", "csv").text
        #expect(csv.contains("not {json,0.5,12345,1.005,7,00ff,a\u{0}b,3\r\n"), "\(csv.debugDescription)")
        let table = try taxi.succeed("show", "--sql", sql, "--format", "table").lines[1]
        #expect(!table.contains("%") && !table.contains("12,345") && !table.contains("yes"), "\(table)")

        let twice = try taxi.run("show", "--sql", "SELECT 1 AS a, 2 AS a", "--format", "json")
        #expect(twice.code == 64 && twice.errors.contains("two columns are named \"a\""), "\(twice.errors)")
        #expect(try taxi.succeed("show", "--sql", "SELECT 1 AS a, 2 AS a", "--format", "csv").text == "a,a\r\n1,2\r\n")
    }

    /// A trip in Chicago's first seconds of April lies in a window that begins in March.
    @Test func onlyPeriodsWithTripsAreComputed() throws {
        let taxi = try TaxiCLI()
        try """
        Trip Start Timestamp,Fare,Tips,Trip Total,Pickup Community Area,Pickup Centroid Location
        04/01/2014 12:00:00 AM,10.00,1.00,12.00,8,POINT (-87.63 41.88)
        09/02/2024 12:15:00 AM,12.00,1.00,12.00,8,POINT (-87.63 41.88)

        """.write(toFile: taxi("two.csv"), atomically: true, encoding: .utf8)
        try taxi.succeed("stream", "--input", "two.csv")
        let summary = try jsonObject(taxi.succeed("batch", "--summary-json", "-").text)
        let periods = try #require(summary["periods"] as? [String: [String]])
        #expect(
            periods == [
                "month": ["2014-04", "2024-09"], "quarter": ["2014-Q2", "2024-Q3"], "year": ["2014", "2024"],
            ])
        let none = try taxi.succeed("batch", "--period", "2014-03")
        #expect(none.errors.contains("no trips are stored for 2014-03"), "\(none.errors)")
        try taxi.succeed("audit", "--from", "two.csv")
    }
}
