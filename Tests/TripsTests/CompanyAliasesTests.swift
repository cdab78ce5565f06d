import Foundation
import Problems
import Testing

@testable import Trips

/// Names of companies in place of their spellings.
@Suite struct CompanyAliasesTests {
    private func aliases(_ text: String) throws -> CompanyAliases {
        try CompanyAliases(Array(text.utf8), file: "aliases.csv")
    }

    private func named(_ companies: [String], _ aliases: CompanyAliases) -> [String?] {
        let batch = TripBatch(capacity: companies.count)
        batch.fields = TripFieldSet([.company])
        for (row, company) in companies.enumerated() { batch.column(.company)[row] = batch.keep(company.utf8).cell }
        batch.count = companies.count
        aliases.apply(to: batch)
        return companies.indices.map { batch.string(.company, $0) }
    }

    @Test func spellingsGetTheirNamesAndOthersStay() throws {
        let aliases = try aliases(
            "\u{feff}name,trips,Spelling\r\nFlash Cab,5,Flash Cab\r\n\r\nFlash Cab,3,\"FLASH \"\"CAB\"\", Inc.\"\nFlash Cab,1,'=flash\n"
        )
        #expect(
            named(["Flash Cab", "FLASH \"CAB\", Inc.", "=flash", "Sun Taxi", "", "flash cab"], aliases)
                == ["Flash Cab", "Flash Cab", "Flash Cab", "Sun Taxi", nil, "flash cab"])
    }

    @Test func theSameBytesHaveTheSameDigest() throws {
        let one = try aliases("spelling,name\na,b\n")
        #expect(try aliases("spelling,name\na,b\n").digest == one.digest)
        #expect(try aliases("spelling,name\na,c\n").digest != one.digest)
    }

    @Test(
        "what is no such file is told of with its line",
        arguments: [
            ("", 1, "is empty"), ("spelling;name\na;b\n", 1, "no columns"),
            ("spelling,company\na,b\n", 1, "no columns"),
            ("spelling,name\na,b\n\nc\n", 4, "1 fields where the header has 2"),
            ("spelling,name\n\"a\nb\",c\nd,\n", 4, "is empty or no text"),
            ("spelling,name\na,b\na,c\n", 3, "has the name \"b\" already"),
            ("spelling,name\na,b\0\n", 2, "is empty or no text"),
        ])
    func refused(_ text: String, _ line: Int, _ words: String) throws {
        let problem = try #require(throws: Problem.self) { try aliases(text) }
        #expect(problem.code == .badData)
        #expect(problem.location?.line == line)
        #expect(problem.message.contains(words), "\(problem.message)")
    }
}
