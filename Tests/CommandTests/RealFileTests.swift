import CommandSupport
import Foundation
import SQLite
import Testing

/// Every file of the real data, as found in the wild: it loads to the row, or says why not.
@Suite struct RealFileTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        /// As counted by another reader (SOURCES.md); nil where the file is refused.
        var rows: Int?
        /// What the refusal has to say.
        var message = ""
        var testDescription: String { name }
    }

    @Test(arguments: [
        Case(name: "portal23-2022-03-01-full-day.csv.gz", rows: 14_636),
        Case(name: "portal23-2022-04-01-full-day.csv.gz", rows: 19_456),
        Case(name: "portal24-dollar-2013-2016-sample.csv", rows: 1_250),
        Case(name: "portal19-2013-2017-sample.csv", rows: 1_999),
        Case(name: "portal24-month-2021-10-01-float-areas.csv", rows: 42),
        Case(name: "portal23-padded-2013-2015.csv", rows: 2),
        Case(name: "one-row-2024-portal23.csv", rows: 1),
        Case(name: "bigquery09-iso-2022-03-sample.csv", rows: 22_170),
        Case(name: "course18-upper-2022-05-16.csv", rows: 31_694),
        Case(name: "api08-2016-12-31.csv", rows: 32_109),
        Case(name: "tfx18-2013-2016-sample.csv", rows: 15_002),
        Case(name: "cleaned28-2016-sample.csv.gz", message: #"column "Trip Start Timestamp" is missing"#),
        Case(name: "portal23-noheader-spreadsheet-2013-2016.csv", message: "there is no header row"),
        Case(name: "one-row-2013-semicolon-thousands.csv", message: "there is no header row"),
        Case(name: "portal23-2022-03-01-full-day.parquet", message: "this is a Parquet file"),
        Case(name: "portal23-2022-04-01-full-day.parquet", message: "this is a Parquet file"),
        Case(name: "bigquery23-20rows.parquet", message: "this is a Parquet file"),
        Case(name: "area-hour-counts-2019.csv.gz", message: "no column of a taxi trip was found"),
        Case(name: "area-hour-counts-2019-cr-only-1000.csv", message: "no column of a taxi trip was found"),
        Case(name: "community-areas.csv", message: "no column of a taxi trip was found"),
        Case(name: "community-areas-simplified.geojson", message: "no column of a taxi trip was found"),
    ])
    func loadsOrSaysWhyNot(_ file: Case) throws {
        guard let path = sharedFile("data/chicago/\(file.name)") else { return }
        let taxi = try TaxiCLI()
        let ending = try taxi.run("produce", path, "--max", "--clock", "start", "--summary-json", "-")
        guard let rows = file.rows else {
            #expect(ending.code == 65)
            #expect(ending.errors.hasPrefix("\(path):1:1: error: "), "\(ending.errors)")
            #expect(ending.errors.contains(file.message), "\(ending.errors)")
            #expect(ending.errors.contains("\nhint: "), "\(ending.errors)")
            return
        }
        #expect(ending.code == 0, "\(ending.errors)")
        let summary = try jsonObject(ending.text)
        #expect(summary["read"] as? Int == rows)
        #expect(summary["sent"] as? Int == rows)
        #expect(try taxi.recordCount("chicago_ingestData") == rows)
        #expect(try taxi.recordCount("chicago_deadLetter") == 0)
    }

    /// Two readings of the same day, once with seven columns less and labelled UTC: the same trips in the same quarters of an hour.
    @Test func timesLabelledUTCAreChicagosAllTheSame() throws {
        guard let official = sharedFile("data/chicago/portal23-2022-03-01-full-day.csv.gz"),
            let labelled = sharedFile("data/chicago/bigquery09-iso-2022-03-sample.csv")
        else { return }
        func byQuarter(_ path: String) throws -> [String: Int64] {
            let taxi = try TaxiCLI()
            try taxi.succeed("produce", path, "--max", "--clock", "start", "--from", "2022-03-01", "--to", "2022-03-02")
            try taxi.succeed("stream", "--until-end", "--query", "sumFareWindow")
            let rows = try taxi.query("SELECT window_start, trips FROM sumfarewindow")
            return Dictionary(uniqueKeysWithValues: rows.map { ($0[0].text ?? "", $0[1].integer ?? 0) })
        }
        let (all, some) = (try byQuarter(official), try byQuarter(labelled))
        // One was filtered, so it has fewer; a shift of six hours would not stay below everywhere.
        #expect(some.values.reduce(0, +) == 10_823)
        #expect(some.allSatisfy { $0.value <= all[$0.key, default: 0] })
    }
}
