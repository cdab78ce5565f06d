import Foundation
import Testing

@testable import Stream

/// The table of docs/decisions/0016-whom-the-outbox-is-for.md, cell for cell.
@Suite struct OutboxRuleTests {
    /// Of topics that are as they were; columns as `OutboxRule.Waiting`.
    private static let table: [(mark: OutboxRule.Mark, verdicts: [OutboxRule.Verdict])] = [
        (.none, [.done, .send, .done, .refuse(.unclear)]),
        (.stale, [.refuse(.behind), .refuse(.behind), .refuse(.behind), .refuse(.behind)]),
        (.older, [.refuse(.behind), .send, .done, .send]),
        (.same, [.done, .refuse(.behind), .done, .done]),
        (.newer, [.refuse(.ahead), .refuse(.ahead), .refuse(.ahead), .refuse(.ahead)]),
        (.foreign, [.refuse(.foreign), .refuse(.foreign), .refuse(.foreign), .refuse(.foreign)]),
    ]

    @Test func everyCellIsDecided() {
        #expect(Self.table.map(\.mark) == OutboxRule.Mark.allCases)
        for (mark, verdicts) in Self.table {
            for (waiting, verdict) in zip(OutboxRule.Waiting.allCases, verdicts) {
                #expect(
                    OutboxRule.verdict(mark, waiting, .same, forgets: true) == verdict, "\(mark), \(waiting)")
            }
        }
    }

    /// Whose topics lack what was acknowledged sends nothing, unless somebody else is to be told of first.
    @Test(arguments: [OutboxRule.Topics.recreated, .shorter], OutboxRule.Waiting.allCases)
    func topicsThatLackMessagesAreRefused(topics: OutboxRule.Topics, waiting: OutboxRule.Waiting) {
        for mark in OutboxRule.Mark.allCases {
            let refusal: OutboxRule.Refusal =
                switch mark {
                case .foreign: .foreign
                case .newer: .ahead
                default: .behind
                }
            #expect(OutboxRule.verdict(mark, waiting, topics, forgets: true) == .refuse(refusal), "\(mark)")
        }
    }

    /// Where marks stay as long as messages, one that is gone was never there, or the topics are another copy.
    @Test func aStoreThatForgetsNothingHasAMarkWhereSomethingWasSent() {
        #expect(OutboxRule.verdict(.none, .none, .same, forgets: false) == .refuse(.behind))
        #expect(OutboxRule.verdict(.none, .pending, .same, forgets: false) == .send)
    }

    @Test(arguments: ["", "0123456789abcdef 5", "0123456789abcdef five 2024-01-01", "2024-01-01T00:00:00Z-1"])
    func aPositionOfSomebodyElseIsNone(_ text: String) {
        #expect(SentPosition(Array(text.utf8)) == nil)
    }

    @Test func aPositionIsReadAsItWasWritten() {
        let position = SentPosition(database: "0123456789abcdef", sequence: 7, run: "a run of many words")
        #expect(SentPosition(position.bytes) == position)
    }
}
