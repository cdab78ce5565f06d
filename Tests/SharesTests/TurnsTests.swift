import Shares
import Testing

@Suite struct TurnsTests {
    /// Tenants that always have something to compute, each quantum of a given length: the processor time that each got.
    private func share(
        weights: [String: Int], quantaNs: [String: Int64], members: Int = 1, slots: Int = 1, rounds: Int
    ) -> [String: Int64] {
        var turns = Turns(slots: slots)
        var tenants: [Int32: String] = [:]
        for (name, weight) in weights.sorted(by: { $0.key < $1.key }) {
            turns.set(weight: weight, of: name)
            for _ in 0..<members {
                let member = Int32(tenants.count + 1)
                tenants[member] = name
                turns.join(member, tenant: name)
                turns.ask(member, slots: 1, usedNs: 0, atNs: 0)
            }
        }
        var used: [String: Int64] = [:]
        /// Who computes, and when it has done.
        var running: [(member: Int32, endNs: Int64)] = []
        var now: Int64 = 0
        for _ in 0..<rounds {
            for granted in turns.grant(atNs: 0) {
                running.append((granted.member, now + quantaNs[tenants[granted.member]!]!))
            }
            let next = running.indices.min { running[$0].endNs < running[$1].endNs }!
            let ended = running.remove(at: next)
            now = ended.endNs
            let tenant = tenants[ended.member]!
            used[tenant, default: 0] += quantaNs[tenant]!
            turns.ask(ended.member, slots: 1, usedNs: quantaNs[tenant]!, atNs: 0)
        }
        return used
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var weights: [String: Int]
        var quantaNs: [String: Int64]
        var members = 1
        var slots = 1
    }

    @Test(arguments: [
        Case(testDescription: "equal", weights: ["a": 1, "b": 1], quantaNs: ["a": 10, "b": 10]),
        Case(testDescription: "three to one", weights: ["a": 3, "b": 1], quantaNs: ["a": 10, "b": 10]),
        Case(testDescription: "long quanta", weights: ["a": 1, "b": 1], quantaNs: ["a": 100, "b": 3]),
        Case(testDescription: "long quanta and weights", weights: ["a": 1, "b": 3], quantaNs: ["a": 70, "b": 3]),
        Case(
            testDescription: "many processes", weights: ["a": 2, "b": 1, "c": 1], quantaNs: ["a": 9, "b": 7, "c": 11],
            members: 3, slots: 2),
    ])
    func processorTimeFollowsWeights(_ c: Case) {
        let used = share(
            weights: c.weights, quantaNs: c.quantaNs, members: c.members, slots: c.slots, rounds: 20_000)
        let (all, sum) = (Double(used.values.reduce(0, +)), Double(c.weights.values.reduce(0, +)))
        for (name, weight) in c.weights {
            let share = Double(used[name] ?? 0) / all
            #expect(abs(share - Double(weight) / sum) < 0.02, "\(name): \(share)")
        }
    }

    @Test func whoRestsLeavesItsShareAndSavesLittleUp() {
        var turns = Turns(slots: 1)
        for (member, name) in [(Int32(1), "a"), (2, "b")] { turns.join(member, tenant: name) }
        // a alone, for long
        for _ in 0..<100 {
            turns.ask(1, slots: 1, usedNs: 100_000_000, atNs: 0)
            #expect(turns.grant(atNs: 0).map(\.member) == [1])
        }
        turns.ask(2, slots: 1, usedNs: 0, atNs: 0)
        var turnsOfB = 0
        turns.ask(1, slots: 1, usedNs: 100_000_000, atNs: 0)
        for _ in 0..<20 {
            let member = turns.grant(atNs: 0)[0].member
            if member == 2 { turnsOfB += 1 }
            turns.ask(member, slots: 1, usedNs: 100_000_000, atNs: 0)
        }
        #expect((10...13).contains(turnsOfB), "\(turnsOfB)")
    }

    @Test func aWideOneIsNotStarvedByNarrowOnes() {
        var turns = Turns(slots: 2)
        for member in Int32(1)...3 { turns.join(member, tenant: "\(member)") }
        turns.ask(1, slots: 1, usedNs: 0, atNs: 0)
        turns.ask(2, slots: 1, usedNs: 0, atNs: 0)
        #expect(turns.grant(atNs: 0).map(\.member) == [1, 2])
        turns.ask(3, slots: 8, usedNs: 0, atNs: 0)
        turns.ask(1, slots: 1, usedNs: 10, atNs: 0)
        // One slot is free, and the one that has had nothing needs both.
        #expect(turns.grant(atNs: 0).isEmpty)
        turns.giveBack(2, usedNs: 10, atNs: 0)
        #expect(turns.grant(atNs: 0).map(\.slots) == [2])
    }

    @Test func whatADeadProcessHeldIsFree() {
        var turns = Turns(slots: 1)
        turns.join(1, tenant: "a")
        turns.join(2, tenant: "b")
        turns.ask(1, slots: 1, usedNs: 0, atNs: 0)
        turns.ask(2, slots: 1, usedNs: 0, atNs: 0)
        #expect(turns.grant(atNs: 0).map(\.member) == [1])
        #expect(turns.grant(atNs: 0).isEmpty)
        turns.leave(1)
        #expect(turns.grant(atNs: 0).map(\.member) == [2])
        // A late word of the dead changes nothing.
        turns.ask(1, slots: 1, usedNs: 5, atNs: 0)
        turns.giveBack(2, usedNs: 5, atNs: 0)
        #expect(turns.grant(atNs: 0).isEmpty)
    }
}
