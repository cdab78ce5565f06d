import Basics
import Foundation
import Problems
import Testing

import Time
@testable import Trips

@Suite struct RejectGuardTests {
    /// Stretches of good and bad records in the order of their file, and what is said of them: nil where they pass.
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// Above 0 for good records, below for bad ones.
        var stretches: [Int]
        var verdict: String?
        init(_ description: String, _ stretches: [Int], _ verdict: String?) {
            (testDescription, self.stretches, self.verdict) = (description, stretches, verdict)
        }

        var isGood: [Bool] { stretches.flatMap { Array(repeating: $0 > 0, count: abs($0)) } }
    }

    static let cases = [
        Case("half of a short input passes", [500, -500], nil),
        Case("more than half of the first thousand", [499, -501, 9000], "501 of 1000"),
        Case("more than half of an input shorter than that", [3, -4], "4 of 7"),
        Case("a thousand good ones excuse nothing", [1000, -5000], "5000 of 6000"),
        Case("half of ten thousand passes", [1000, -5000, 14_000], nil),
        Case("one more is too much, wherever the ten thousand begin", [5000, -5001, 5000], "5001 of 10000"),
        Case("the end counts with what came before it", [12_000, -5500], "5500 of 9500"),
        Case("a last block that is not full is judged with nine others", [10_000, -4900], nil),
        Case("nothing at all passes", [], nil),
    ]

    static func reject(_ record: Int) -> Reject {
        Reject(
            reason: .badMoney, detail: "x", location: InputLocation(file: "f", line: record + 2, column: 1), bytes: [])
    }

    private func verdict(_ body: () throws(Problem) -> Void) -> String? {
        do throws(Problem) { try body() } catch {
            #expect(error.code == .badData)
            return error.message.components(separatedBy: " records").first
        }
        return nil
    }

    @Test(
        "the verdict depends on the records alone, not on how they are cut", arguments: cases,
        [1, 7, 999, 4096, 100_000])
    func inOrder(_ c: Case, chunk: Int) {
        let isGood = c.isGood
        let found = verdict { () throws(Problem) in
            var guards = RejectGuard(source: "f")
            for start in stride(from: 0, to: isGood.count, by: chunk) {
                let records = start..<min(start + chunk, isGood.count)
                let lines = records.filter { isGood[$0] }.map { Int64($0 + 2) }
                // Framing finds its rejects before decoding does.
                let bad = records.filter { !isGood[$0] }
                let rejects = (bad.filter { $0 % 2 == 0 } + bad.filter { $0 % 2 == 1 }).map(Self.reject)
                try lines.withUnsafeBufferPointer { lines throws(Problem) in
                    try guards.observe(accepted: lines, rejects: rejects)
                }
            }
            try guards.finish()
        }
        #expect(found == c.verdict)
    }

    @Test(
        "rejects that are met later and in another order give the same verdict", arguments: cases,
        [1, 2, 3] as [UInt64])
    func later(_ c: Case, seed: UInt64) {
        let isGood = c.isGood
        let found = verdict { () throws(Problem) in
            var guards = RejectGuard(source: "f").keepingBlocks()
            try guards.accept(isGood.count)
            try guards.finish()
            let bad = isGood.indices.filter { !isGood[$0] }
                .sorted { splitMix64(UInt64($0) &* seed) < splitMix64(UInt64($1) &* seed) }
            for record in bad { try guards.reject(Self.reject(record), ofRecord: record) }
        }
        #expect((found == nil) == (c.verdict == nil), "\(found ?? "passes")")
    }

    @Test func theCommonestReasonsOfTheStretchAreTold() {
        var guards = RejectGuard(source: "f")
        #expect {
            try guards.accept(100)
            for record in 0..<400 { try guards.reject(Self.reject(record)) }
            try guards.finish()
        } throws: { error in
            let problem = error as? Problem
            return problem?.message == "400 of 500 records of \"f\" cannot be used:\n  400 bad_money, such as f:2:1: x"
                && problem?.hint?.contains("data profile f") == true
        }
    }

    @Test func whoOnlyLooksIsNotStopped() throws {
        var guards = RejectGuard(source: "f", isTolerant: true)
        for record in 0..<3000 { try guards.reject(Self.reject(record)) }
        try guards.finish()
        #expect(guards.records == 3000)
    }
}
