import Basics
import Foundation
import Glibc
package import Testing

/// A file of which some rows were rejected, and their corrected lines: what `dead-letter replay --from` takes.
///
/// The same seed gives the same trips with and without dirt, so that the corrected rows are those of the clean file.
package struct DirtyReplay {
    package let taxi: TaxiCLI
    /// How many dead letters there are.
    package let letters: Int
    /// All trips of the clean file, as a topic has them, sorted.
    package let trips: [String]
    package static let edit = ["dead-letter", "replay", "--from", "fix.txt"]
    package static let read = ["--clock", "start", "--spread", "uniform"]

    /// Makes the files, and sends the dirty one.
    package init(_ taxi: TaxiCLI, rows: Int = 1500, partitions: Int = 1) throws {
        self.taxi = taxi
        let generate = [
            "data", "generate", "--rows", "\(rows)", "--seed", "5", "--from", "2024-03-08", "--to", "2024-03-12",
        ]
        try #require(try taxi.start(generate + ["clean.csv"]).wait().code == 0)
        try #require(try taxi.start(generate + ["--dirty", "2%", "dirty.csv"]).wait().code == 0)
        let replay = ["produce", "--max", "--partitions", "\(partitions)"] + Self.read
        let produced = try taxi.start(replay + ["dirty.csv"]).wait()
        try #require(produced.code == 0, "\(produced.errors)")
        let clean = try TaxiCLI()
        try #require(try clean.start(replay + [taxi("clean.csv")]).wait().code == 0)
        trips = try clean.succeed("topic", "tail", "ingestData", "--from-beginning").lines.sorted()

        let rows = try String(contentsOfFile: taxi("clean.csv"), encoding: .utf8).split(separator: "\n")
        let listed = try taxi.succeed("dead-letter", "list", "--format", "jsonl").lines.map { try jsonObject($0) }
        letters = listed.count
        let lines = try listed.map { letter in
            let source = try #require(letter["source"] as? String)
            let line = try #require(source.split(separator: ":").last.flatMap { Int($0) })
            return "\(letter["partition"] ?? "")/\(letter["offset"] ?? "")\t\(rows[line - 1])\n"
        }
        try lines.joined().write(toFile: taxi("fix.txt"), atomically: true, encoding: .utf8)
    }

    /// Runs the replay of the corrected rows to its end, with kills at moments that the seed decides.
    ///
    /// - Returns: how many kills met a replay that ran.
    package func run(kills: Int, seed: UInt64, sourceLocation: SourceLocation = #_sourceLocation) throws -> Int {
        var random = SplitMix64(seed: seed)
        var met = 0
        for _ in 0..<kills {
            // Slow enough that it has something left to do at most kills.
            let replay = try taxi.start(Self.edit + ["--rate", "400/s"])
            usleep(UInt32.random(in: 1_000...500_000, using: &random))
            if replay.isRunning { met += 1 }
            replay.killAtOnce()
        }
        let last = try taxi.start(Self.edit).wait()
        #expect(last.code == 0, "seed \(seed): \(last.errors)", sourceLocation: sourceLocation)
        return met
    }

    /// Expects that the topic has each trip of the clean file once, those of dead letters with their place, and that nothing is left.
    package func expectEachTripOnce(_ note: String = "", sourceLocation: SourceLocation = #_sourceLocation) throws {
        let found = try taxi.succeed("topic", "tail", "ingestData", "--from-beginning").lines.sorted()
        #expect(found.count == trips.count, "\(note)", sourceLocation: sourceLocation)
        #expect(found == trips, "\(note)", sourceLocation: sourceLocation)
        let replayed = try taxi.succeed("topic", "tail", "ingestData", "--meta", "--from-beginning").lines.compactMap {
            (try jsonObject($0)["headers"] as? [String: Any])?["taxi.replay.of"] as? String
        }
        #expect(replayed.count == letters && Set(replayed).count == letters, "\(note)", sourceLocation: sourceLocation)
        let ending = try taxi.start(Self.edit + ["--dry-run", "--summary-json", "left.json"]).wait()
        let left = try jsonObject(String(contentsOfFile: taxi("left.json"), encoding: .utf8))
        #expect(
            (left["fates"] as? [String: Int])?["settled"] == letters, "\(note) \(ending.errors)",
            sourceLocation: sourceLocation)
    }
}
