import CommandSupport
import Foundation
import SQLite
import Testing

/// Time zone data that changed since results were stored: which days that touches is said, and views and topics agree again.
@Suite struct ZoneDataTests {
    /// 2024-03-10 08:00 UTC, when daylight time began in Chicago.
    private static let change: Int64 = 1_710_057_600_000

    /// Results as earlier data would have them in which daylight time began so many days later.
    private func home(later days: Int64 = 7, from change: Int64 = Self.change) throws -> TaxiCLI {
        let taxi = try TaxiCLI.filled()
        let connection = try Connection(path: taxi.resultsPath)
        try connection.execute(
            "UPDATE zone_offsets SET from_ms = from_ms + ? WHERE from_ms = ?", .integer(days * 86_400_000),
            .integer(change))
        #expect(connection.changedRows == 1)
        return taxi
    }

    private func offsets(_ taxi: TaxiCLI) throws -> [[SQLValue]] { try taxi.query("SELECT * FROM zone_offsets") }

    @Test(arguments: ["stream --until-end", "batch"])
    func theDaysAreSaidUntilTheyAreComputedAnew(_ line: String) throws {
        let taxi = try home()
        for words in [line, "stream --until-end", "batch"] {
            let ending = try taxi.shell("\"$TAXI\" \(words)")
            #expect(ending.code == 0, "\(ending.errors)")
            #expect(ending.errors.contains("within 2024-03-10 to 2024-03-12"), "\(ending.errors)")
            #expect(ending.errors.contains("stream --from-beginning"), "\(ending.errors)")
        }
        #expect(try offsets(taxi) == offsets(TaxiCLI.filled()))
        try taxi.succeed("audit")

        // One query at a time as well: the others are still said.
        let one = try taxi.succeed("stream", "--until-end", "--from-beginning", "--query", "tripsTotal")
        #expect(!one.errors.contains("warning: "))
        try taxi.succeed("stream", "--until-end", "--from-beginning")
        for words in ["stream --until-end", "batch"] {
            #expect(try !taxi.shell("\"$TAXI\" \(words)").errors.contains("time zone"))
        }
        #expect(try taxi.number("SELECT count(*) FROM settings") == 2)
    }

    @Test func viewsAndTopicsShowTheSameTimes() throws {
        let taxi = try home()
        func views() throws -> Set<String> {
            Set(try taxi.query("SELECT DISTINCT window_start FROM sumfarewindow").compactMap { $0[0].text })
        }
        func messages() throws -> Set<String> {
            let lines = try taxi.succeed("topic", "tail", "sumFareWindowStream", "--from-beginning").lines
            return Set(try lines.compactMap { (try jsonObject($0)["window"] as? [String: Any])?["start"] as? String })
        }
        #expect(try views() != messages())
        try taxi.succeed("batch")
        #expect(try views() == messages())
    }

    /// Nothing is stored for the days that differ: there is nothing to do, and the table follows.
    @Test(arguments: [1, -1] as [Int64])
    func whatTouchesNoResultsIsNotSaid(_ days: Int64) throws {
        let taxi = try TaxiCLI.filled()
        let changed = try home(later: days, from: try taxi.number("SELECT max(from_ms) FROM zone_offsets"))
        #expect(try offsets(changed) != offsets(taxi))
        let ending = try changed.succeed("stream", "--until-end")
        #expect(!ending.errors.contains("time zone"), "\(ending.errors)")
        #expect(try offsets(changed) == offsets(taxi))
    }
}
