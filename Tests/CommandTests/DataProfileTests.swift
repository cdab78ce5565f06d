import CommandSupport
import Foundation
import SQLite
import Testing

/// `data profile` of several files.
@Suite struct DataProfileTests {
    private static func taxi() throws -> TaxiCLI {
        let taxi = try TaxiCLI()
        let header = "Trip ID,Company,Trip Start Timestamp\n"
        for (name, rows) in [
            ("1.csv", "a,Flash Cab,04/13/2024 10:00:00 AM\nb,Flash Cab,04/13/2024 10:00:00 AM\n"),
            ("2.csv", "b,\"=FLASH, CAB\",04/13/2024 10:00:00 AM\nc,Sun Taxi,04/13/2024 10:00:00 AM\n"),
        ] {
            try (header + rows).write(toFile: taxi(name), atomically: true, encoding: .utf8)
        }
        return taxi
    }

    @Test func whatFilesHaveInCommonComesBelowTheirPages() throws {
        let taxi = try Self.taxi()
        let page = try taxi.succeed("data", "profile", "1.csv", "2.csv", "--format", "table").text
        let places = ["1.csv: 2 trips", "2.csv: 2 trips", "2 files together", "trips      1 in more than one file"]
            .map { page.range(of: $0)?.lowerBound }
        #expect(
            places.allSatisfy { $0 != nil } && places.compactMap { $0 } == places.compactMap { $0 }.sorted(), "\(page)")
        #expect(!(try taxi.succeed("data", "profile", "1.csv", "--format", "table").text.contains("together")))
        // Scripts that read profiles get nothing but profiles.
        let profiles = try taxi.succeed("data", "profile", "1.csv", "2.csv", "--format", "jsonl").text
            .split(separator: "\n")
        #expect(try profiles.map { try jsonObject(String($0))["rows"] as? Int } == [2, 2])
    }

    @Test func togetherIsOneObjectOfJSON() throws {
        let taxi = try Self.taxi()
        let object = try jsonObject(
            try taxi.succeed("data", "profile", "--together", "1.csv", "2.csv", "--format", "json").text)
        #expect(object["repeated_trips"] as? Int == 1 && object["is_repeated_exact"] as? Bool == true)
        #expect((object["shared"] as? [[String: Any]])?.first?["files"] as? [String] == ["1.csv", "2.csv"])
        #expect((object["companies"] as? [Any])?.count == 1 && object["spellings"] as? Int == 3)
    }

    @Test func aliasesAreATableOfSpellings() throws {
        let taxi = try Self.taxi()
        let ending = try taxi.succeed("data", "profile", "--together", "--aliases", "aliases.csv", "1.csv", "2.csv")
        #expect(ending.errors.contains("aliases.csv: 2 spellings of 1 company"), "\(ending.errors)")
        #expect(
            try String(contentsOfFile: taxi("aliases.csv"), encoding: .utf8)
                == "spelling,name,trips\r\nFlash Cab,Flash Cab,2\r\n\"'=FLASH, CAB\",Flash Cab,1\r\n")
        // A file that cannot be read keeps nobody from the others, and the exit code says so.
        let partly = try taxi.run("data", "profile", "--together", "1.csv", "none.csv", "2.csv", "--format", "json")
        #expect(partly.code == 66)
        #expect(try jsonObject(partly.text)["files"] as? [String] == ["1.csv", "2.csv"])
        let nowhere = try taxi.run("data", "profile", "--aliases", "none/aliases.csv", "1.csv")
        #expect(nowhere.code == 73, "\(nowhere.errors)")
    }

    /// In every way to load them: the companies of results, and of the source that an audit reads again.
    @Test func companiesAreLoadedUnderOneName() throws {
        let taxi = try Self.taxi()
        try taxi.succeed("data", "profile", "--together", "--aliases", "aliases.csv", "1.csv", "2.csv")
        let read = ["--aliases", "aliases.csv", "--missing", "empty"]
        let queries = ["--queries", "queries.yaml", "--query", "byCompany"]
        try "queries:\n  - {name: byCompany, group: [company], aggregates: {trips: count()}}\n"
            .write(toFile: taxi("queries.yaml"), atomically: true, encoding: .utf8)
        let wanted: [[SQLValue]] = [["Flash Cab", 3], ["Sun Taxi", 1]]
        let results = "SELECT company, trips FROM bycompany ORDER BY company"

        for ending in [
            try taxi.start(["stream", "--input", "1.csv", "2.csv"] + read + queries).wait(),
            try taxi.start([
                "audit", "--from", "1.csv", "2.csv", "--aliases", "aliases.csv", "--queries", "queries.yaml",
            ]).wait(),
        ] {
            #expect(ending.code == 0, "\(ending.errors)")
        }
        #expect(try taxi.query(results) == wanted)
        // With other names the source is another one.
        #expect(try taxi.start(["audit", "--from", "1.csv", "2.csv", "--queries", "queries.yaml"]).wait().code != 0)

        try taxi.succeed("tenant", "create", "topics")
        let topics = try TaxiCLI(folder: taxi("."), tenant: "topics")
        for words in [
            ["produce", "1.csv", "2.csv", "--clock", "start", "--aliases", "aliases.csv"],
            ["stream", "--until-end"] + queries,
        ] {
            let ending = try taxi.start(words + ["--tenant", "topics"]).wait()
            #expect(ending.code == 0, "\(ending.errors)")
        }
        #expect(try topics.query(results) == wanted)
        let resumed = try taxi.start([
            "produce", "1.csv", "2.csv", "--clock", "start", "--resume", "--tenant", "topics",
        ]).wait()
        #expect(resumed.code == 64)
        #expect(resumed.errors.contains("--aliases was"), "\(resumed.errors)")
    }
}
