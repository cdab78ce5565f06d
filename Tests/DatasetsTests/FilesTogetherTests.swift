import TestSupport
import Basics
import Foundation
import Testing
import Trips

@testable import Datasets

/// What `data profile` says of several files together.
@Suite struct FilesTogetherTests {
    private func file(_ folder: TemporaryFolder, _ name: String, _ trips: [(id: String, company: String)]) throws
        -> String
    {
        let rows = trips.map { "\($0.id),\($0.company),04/13/2024 10:00:00 AM" }
        return try folder.write(
            (["Trip ID,Company,Trip Start Timestamp"] + rows).map { $0 + "\n" }.joined(), to: name)
    }

    private func together(_ paths: [String]) throws -> FilesTogether {
        let files = FilesTally()
        for path in paths { _ = try FileProfile(path: path, among: files) }
        return files.together
    }

    @Test func tripsThatRepeatAcrossFilesAreCountedBySetOfFiles() throws {
        let folder = try TemporaryFolder()
        // Twice in one file is no repeat across files; an empty ID is none at all.
        let one = try file(folder, "1.csv", ["a", "a", "b", "c", "d", ""].map { ($0, "") })
        let two = try file(folder, "2.csv", ["b", "c", "c", "e", ""].map { ($0, "") })
        let three = try file(folder, "3.csv", ["c", "d", "f", "b"].map { ($0, "") })
        let found = try together([one, two, three])
        #expect(found.files == [one, two, three])
        #expect(found.repeatedTrips == 3 && found.isRepeatedExact)
        #expect(
            found.shared == [
                .init(files: [one, two, three], trips: 2), .init(files: [one, three], trips: 1),
            ])
        #expect(found.lines.contains("  trips      3 in more than one file"))
        #expect(found.lines.contains("    2 in \(one) and \(two) and \(three)"))
        #expect(try together([one]).repeatedTrips == 0)
    }

    /// IDs of five files that overlap at random, counted the slow way: the same while they fit, and nearly from then on.
    @Test(arguments: [1, 2, 3] as [UInt64], [1 << 16, 1 << 11])
    func setsAreThoseOfASlowCount(seed: UInt64, capacity: Int) {
        var trips = SharedTrips(capacity: capacity)
        var filesOf: [UInt64: [Int]] = [:]
        var step = seed &* 1_000_003
        for file in 0..<5 {
            trips.begin()
            for _ in 0..<8_000 {
                step += 1
                let id = splitMix64(step) % 20_000
                trips.add(splitMix64(id))
                if filesOf[id, default: []].last != file { filesOf[id, default: []].append(file) }
            }
        }
        var sets: [[Int]: Int] = [:]
        for set in filesOf.values where set.count > 1 { sets[set, default: 0] += 1 }
        let found = trips.shared
        #expect(trips.isExact == (filesOf.count <= capacity))
        if trips.isExact {
            #expect(Dictionary(uniqueKeysWithValues: found.map { ($0.files, $0.trips) }) == sets)
        }
        // So many IDs stand for each that is kept: a count of n is off by √(n · that), of which five are allowed.
        let each = Double(max(1, filesOf.count / (capacity / 2)))
        for set in found {
            let right = Double(sets[set.files] ?? 0)
            #expect(abs(Double(set.trips) - right) <= 5 * (right * each).squareRoot() + each, "\(set.files)")
        }
        let all = found.reduce(0) { $0 + $1.trips }
        #expect(abs(Double(all) / Double(sets.values.reduce(0, +)) - 1) < 0.1)
    }

    struct Spelling: Sendable, CustomTestStringConvertible {
        var spellings: [String]
        var areOne: Bool
        var testDescription: String { spellings.joined(separator: " | ") }
    }

    @Test(arguments: [
        Spelling(spellings: ["Flash Cab", "FLASH CAB", "Flash-Cab", "flashcab", " Flash  Cab "], areOne: true),
        Spelling(spellings: ["Blue Ribbon Taxi Association Inc.", "Blue Ribbon Taxi Association, INC"], areOne: true),
        Spelling(
            spellings: ["3591 - 63480 Chuks Cab", "3591- 63480 Chuks Cab", "3591 - Chuks Cab", "Chuks Cab"],
            areOne: true),
        Spelling(spellings: ["Sam & Sons L.L.C.", "Sam and Sons llc"], areOne: true),
        Spelling(spellings: ["Luhak Corp", "6743 - 78771 Luhak Corp", "Luhak Corporation"], areOne: true),
        Spelling(spellings: ["303 Taxi", "24 Seven Taxi"], areOne: false),
        Spelling(spellings: ["303 Taxi", "Taxi"], areOne: false),
        Spelling(spellings: ["Top Cab", "Top Cab Affiliation"], areOne: false),
        Spelling(spellings: ["5062 - 34841 Sam Mestas", "5062 - 34841 Ann Mestas"], areOne: false),
        Spelling(spellings: ["Inc.", "LLC"], areOne: false),
        Spelling(spellings: ["1234 - 567", "1234 - 568"], areOne: false),
        Spelling(spellings: ["Çelik Taksi", "çelik taksi"], areOne: true),
    ])
    func spellingsOfOneCompanyHaveOneKey(_ c: Spelling) {
        let keys = Set(c.spellings.map(CompanySpelling.key))
        #expect(keys.count == (c.areOne ? 1 : c.spellings.count), "\(keys)")
        #expect(keys.allSatisfy { !$0.isEmpty })
    }

    @Test func companiesUnderSeveralSpellingsAreListedAndWritten() throws {
        let folder = try TemporaryFolder()
        let one = try file(
            folder, "1.csv",
            [("a", "Flash Cab"), ("b", "Flash Cab"), ("c", "\"City, Inc.\""), ("d", "Sun Taxi"), ("e", "")])
        let two = try file(folder, "2.csv", [("f", "FLASH CAB"), ("g", "Flash Cab"), ("h", "City"), ("i", "City")])
        let found = try together([one, two])
        #expect(found.spellings == 5 && found.isSpellingsExact)
        #expect(found.companies.map(\.name) == ["Flash Cab", "City"])
        #expect(
            found.companies[0].spellings == [
                .init(spelling: "Flash Cab", trips: 3, files: 2), .init(spelling: "FLASH CAB", trips: 1, files: 1),
            ])
        #expect(
            found.aliases
                == "spelling,name,trips\r\nFlash Cab,Flash Cab,3\r\nFLASH CAB,Flash Cab,1\r\nCity,City,2\r\n\"City, Inc.\",City,1\r\n"
        )
        #expect(found.lines.contains("  companies  2 under several spellings, of 5 spellings"))
        #expect(found.lines.contains("    \"Flash Cab\" 3; \"FLASH CAB\" 1"))
        // Within one file too.
        #expect(try together([one]).companies.isEmpty)
    }

    @Test func filesWithoutTripIDSaySo() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("Trip Start Timestamp,Fare\n04/13/2024 10:00:00 AM,5\n", to: "a.csv")
        let found = try together([path, path])
        #expect(found.repeatedTrips == nil)
        #expect(found.lines.contains("  trips      without Trip ID: nothing tells whether they repeat"))
    }
}
