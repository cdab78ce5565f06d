import CommandSupport
import Foundation
import SQLite
import Testing

/// Databases that are put back from an older copy, alone or together.
@Suite struct OlderCopiesTests {
    private static let names = ["results.db", "topics.db"]

    /// A home in which the first half of the trips was streamed, a copy of its databases, and then the second half streamed as well.
    private func advanced() throws -> (taxi: TaxiCLI, copy: String) {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "1000", "--seed", "1", "first.csv")
        try taxi.succeed("data", "generate", "--rows", "1000", "--seed", "2", "second.csv")
        try taxi.succeed("produce", "first.csv", "--max", "--clock", "start", "--partitions", "2")
        try taxi.succeed("stream", "--until-end")
        let copy = taxi("copy")
        try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
        for name in Self.names { try save("\(taxi.tenantFolder)/\(name)", to: "\(copy)/\(name)") }
        try taxi.succeed("produce", "second.csv", "--max", "--clock", "start")
        try taxi.succeed("stream", "--until-end")
        return (taxi, copy)
    }

    private func save(_ path: String, to copy: String) throws {
        try Connection(path: path).execute("VACUUM INTO '\(copy)'")
    }

    private func restore(_ names: [String], of taxi: TaxiCLI, from copy: String) throws {
        for name in names {
            let path = "\(taxi.tenantFolder)/\(name)"
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
            try FileManager.default.copyItem(atPath: "\(copy)/\(name)", toPath: path)
        }
    }

    private func expectRefused(_ taxi: TaxiCLI, says text: String, place: SourceLocation = #_sourceLocation) throws {
        for command in [["stream", "--until-end"], ["doctor"]] {
            let ending = try taxi.start(command).wait()
            #expect(ending.code == 65, "\(command) \(ending.errors)", sourceLocation: place)
            let said = command[0] == "doctor" ? ending.text : ending.errors
            #expect(said.contains(text), "\(said)", sourceLocation: place)
            #expect(said.contains("--from-beginning"), "\(said)", sourceLocation: place)
        }
    }

    /// The way on that every message names.
    private func expectRightAfterwards(_ taxi: TaxiCLI, trips: Int64, place: SourceLocation = #_sourceLocation) throws {
        try taxi.succeed("stream", "--until-end", "--from-beginning")
        #expect(try taxi.number("SELECT sum(trips_total) FROM tripstotal") == trips, sourceLocation: place)
        try taxi.succeed("stream", "--until-end")
        #expect(try taxi.run("audit").code == 0, sourceLocation: place)
        #expect(try taxi.run("doctor").code == 0, sourceLocation: place)
    }

    @Test func offsetsThatWereUsedTwiceAreNotTakenForTheFirst() throws {
        let (taxi, copy) = try advanced()
        try restore(["topics.db"], of: taxi, from: copy)
        try expectRefused(taxi, says: "which ends at")
        try taxi.succeed("data", "generate", "--rows", "3000", "--seed", "3", "third.csv")
        try taxi.succeed("produce", "third.csv", "--max", "--clock", "start")
        try expectRefused(taxi, says: "an older copy that has been filled again")
        #expect(try taxi.run("audit").code == 65)
        try expectRightAfterwards(taxi, trips: 4000)
    }

    @Test func resultsBehindTheirMessagesAreNotSentAgain() throws {
        let (taxi, copy) = try advanced()
        let messages = try taxi.recordCount("chicago_tripsTotalStream")
        try restore(["results.db"], of: taxi, from: copy)
        try expectRefused(taxi, says: "that the results know nothing of: results.db is an older copy")
        #expect(try taxi.recordCount("chicago_tripsTotalStream") == messages)
        try expectRightAfterwards(taxi, trips: 2000)
    }

    @Test func resultsThatWereMadeAnewAreNotSentBehindOlderOnes() throws {
        let (taxi, _) = try advanced()
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: taxi.resultsPath + suffix) }
        let ending = try taxi.run("stream", "--until-end")
        #expect(ending.code == 65)
        #expect(ending.errors.contains("another results.db"), "\(ending.errors)")
        try expectRightAfterwards(taxi, trips: 2000)
    }

    /// The trips are all there: only the messages are of an earlier time.
    @Test func messagesThatWereSentAndAreGoneAreMissed() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "1000", "trips.csv")
        // Each replay is a batch, and each batch an epoch.
        for _ in 0..<3 { try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start", "--again") }
        let copy = taxi("copy")
        try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
        try save(taxi.topicsPath, to: "\(copy)/topics.db")
        try taxi.succeed("stream", "--until-end", "--epoch-records", "100")
        try restore(["topics.db"], of: taxi, from: copy)
        try expectRefused(taxi, says: "lack messages of query")
        try expectRightAfterwards(taxi, trips: 3000)
    }

    @Test(arguments: [[0, 1], []]) func databasesOfOneTimeGoOnWithoutAWord(_ restored: [Int]) throws {
        let (taxi, copy) = try advanced()
        try restore(restored.map { Self.names[$0] }, of: taxi, from: copy)
        for path in [taxi.resultsPath, taxi.topicsPath] { try Connection(path: path).execute("VACUUM") }
        let trips: Int64 = restored.isEmpty ? 2000 : 1000
        #expect(try taxi.succeed("stream", "--until-end").errors.contains("error") == false)
        #expect(try taxi.number("SELECT sum(trips_total) FROM tripstotal") == trips)
        try taxi.succeed("produce", "second.csv", "--max", "--clock", "start", "--again")
        try taxi.succeed("stream", "--until-end")
        #expect(try taxi.number("SELECT sum(trips_total) FROM tripstotal") == trips + 1000)
        #expect(try taxi.run("audit").code == 0)
        #expect(try taxi.run("doctor").code == 0)
    }

    @Test func aCopyOfAQuietHomeIsAsGoodAsTheHome() throws {
        let (taxi, _) = try advanced()
        let moved = try TaxiCLI()
        for name in ["second.csv", "data"] {
            try FileManager.default.copyItem(atPath: taxi(name), toPath: moved(name))
        }
        try moved.succeed("produce", "second.csv", "--max", "--clock", "start", "--again")
        try moved.succeed("stream", "--until-end")
        #expect(try moved.run("audit").code == 0)
    }

    @Test func doctorRefusesDatabasesOfANewerVersion() throws {
        for name in Self.names {
            let taxi = try TaxiCLI.filled()
            try Connection(path: "\(taxi.tenantFolder)/\(name)").execute("PRAGMA user_version = 99")
            let ending = try taxi.run("doctor")
            #expect(ending.code == 78, "\(ending.text)")
            #expect(ending.text.contains("was written by a newer taxi-cli"), "\(ending.text)")
        }
    }
}
