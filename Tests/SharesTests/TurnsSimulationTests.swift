import Shares
import Testing

/// Streams as they are, under a clock of our own: each computes an epoch in its turn, hands it to its committer, which takes its time beside,
/// and waits where two epochs are under way.
private final class Machine {
    struct Load {
        var tenant: String
        var weight = 1
        /// An epoch's time in a turn, with both slots, and its commit's outside of one.
        var computeNs: Int64
        var commitNs: Int64
        /// For how long it has nothing to do between two epochs; 0 for one that is far behind.
        var restNs: Int64 = 0
        /// The turn with which it stops saying anything; a broker that is away looks like that.
        var hangsAt = Int.max
    }

    private final class Stream {
        let load: Load
        let member: Int32
        var (epochs, turns) = (0, 0)
        var (usedNs, longestWaitNs): (Int64, Int64) = (0, 0)
        private(set) var pending = 0
        private var (toldNs, askedNs): (Int64, Int64) = (0, 0)
        private var isWaiting = false
        private var waits = 0
        unowned let machine: Machine

        init(_ load: Load, _ member: Int32, _ machine: Machine) {
            (self.load, self.member, self.machine) = (load, member, machine)
        }

        private func takeUsed() -> Int64 {
            defer { toldNs = usedNs }
            return usedNs - toldNs
        }

        func ask() {
            askedNs = machine.now
            machine.turns.ask(member, slots: 2, usedNs: takeUsed(), atNs: machine.now)
        }

        func granted() {
            longestWaitNs = max(longestWaitNs, machine.now - askedNs)
            turns += 1
            if turns >= load.hangsAt { return }
            machine.after(load.computeNs) { [self] in
                usedNs += 2 * load.computeNs
                guard pending == 2 else { return submit() }
                isWaiting = true
                waits += 1
                machine.after(20_000_000) { [self, waits] in
                    if isWaiting, waits == self.waits {
                        machine.turns.giveBack(member, usedNs: takeUsed(), atNs: machine.now)
                    }
                }
            }
        }

        private func submit() {
            pending += 1
            if pending == 1 { commit() }
            guard load.restNs > 0 else { return ask() }
            machine.turns.giveBack(member, usedNs: takeUsed(), atNs: machine.now)
            machine.after(load.restNs) { [self] in ask() }
        }

        private func commit() {
            machine.after(load.commitNs) { [self] in
                usedNs += load.commitNs
                epochs += 1
                pending -= 1
                if pending > 0 { commit() }
                guard isWaiting else { return }
                isWaiting = false
                submit()
            }
        }
    }

    var turns = Turns(slots: 2)
    private(set) var now: Int64 = 0
    private var due: [(atNs: Int64, number: Int, body: () -> Void)] = []
    private var number = 0
    private var streams: [Stream] = []

    private func after(_ ns: Int64, _ body: @escaping () -> Void) {
        number += 1
        due.append((now + ns, number, body))
    }

    /// What became of each within a time: epochs, processor time, and the longest wait for a turn, by tenant.
    static func run(_ loads: [Load], seconds: Int64) -> [String: (epochs: Int, usedNs: Int64, longestWaitNs: Int64)] {
        let machine = Machine()
        machine.streams = loads.enumerated().map { Stream($1, Int32($0 + 1), machine) }
        for stream in machine.streams {
            machine.turns.set(weight: stream.load.weight, of: stream.load.tenant)
            machine.turns.join(stream.member, tenant: stream.load.tenant)
            stream.ask()
        }
        while machine.now < seconds * 1_000_000_000 {
            for granted in machine.turns.grant(atNs: machine.now) { machine.streams[Int(granted.member) - 1].granted() }
            let next = machine.due.min { ($0.atNs, $0.number) < ($1.atNs, $1.number) }
            let end = machine.turns.nextEndNs
            guard let next, next.atNs <= end ?? .max else {
                guard let end else { break }
                machine.now = end
                continue
            }
            machine.due.removeAll { $0.number == next.number }
            machine.now = next.atNs
            next.body()
        }
        return Dictionary(
            uniqueKeysWithValues: machine.streams.map { ($0.load.tenant, ($0.epochs, $0.usedNs, $0.longestWaitNs)) })
    }
}

@Suite struct TurnsSimulationTests {
    private static let ms: Int64 = 1_000_000

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var computeMs: Int64
        var commitMs: Int64
        var restMs: Int64 = 0
    }

    @Test(arguments: [
        Case(testDescription: "computing is what takes time", computeMs: 12, commitMs: 4),
        Case(testDescription: "commits are as long", computeMs: 8, commitMs: 8),
        Case(testDescription: "commits are longer", computeMs: 5, commitMs: 9),
        Case(testDescription: "a moment away after each epoch", computeMs: 10, commitMs: 4, restMs: 1),
    ])
    func threeToOneIsThreeToOne(_ c: Case) {
        let ms = Self.ms
        let load = Machine.Load(
            tenant: "a", computeNs: c.computeMs * ms, commitNs: c.commitMs * ms, restNs: c.restMs * ms)
        var (heavy, light) = (load, load)
        (heavy.weight, light.tenant) = (3, "b")
        let alone = Machine.run([load], seconds: 20)["a"]!.epochs
        let both = Machine.run([heavy, light], seconds: 20)
        let ratio = Double(both["a"]!.epochs) / Double(both["b"]!.epochs)
        #expect(abs(ratio - 3) < 0.3, "\(ratio)")
        // Nobody is served by keeping the machine idle.
        #expect(both["a"]!.epochs + both["b"]!.epochs > alone * 9 / 10)
        let equal = Machine.run(
            [
                load,
                {
                    var other = load; other.tenant = "b"; return other
                }(),
            ], seconds: 20)
        for tenant in ["a", "b"] { #expect(equal[tenant]!.epochs * 100 >= alone * 45) }
    }

    @Test func aQuietTenantWaitsForOneEpochOfAFlood() {
        let quiet = Machine.Load(tenant: "quiet", computeNs: Self.ms, commitNs: 2 * Self.ms, restNs: 50 * Self.ms)
        let flood = Machine.Load(tenant: "flood", computeNs: 15 * Self.ms, commitNs: 5 * Self.ms)
        let both = Machine.run([flood, quiet], seconds: 20)
        #expect(both["quiet"]!.longestWaitNs <= 15 * Self.ms)
        // What the quiet one leaves is the flood's.
        let alone = Machine.run([flood], seconds: 20)["flood"]!.epochs
        #expect(both["flood"]!.epochs > alone * 8 / 10)
    }

    @Test func nobodyIsKeptWaitingForOneThatComesOftenForLittle() {
        let often = Machine.Load(tenant: "often", weight: 9, computeNs: 10_000, commitNs: 10_000, restNs: Self.ms)
        let busy = Machine.Load(tenant: "busy", computeNs: 10 * Self.ms, commitNs: 4 * Self.ms)
        let alone = Machine.run([busy], seconds: 10)["busy"]!.epochs
        #expect(Machine.run([often, busy], seconds: 10)["busy"]!.epochs > alone * 9 / 10)
    }

    @Test func whoHangsInItsTurnHoldsUpNobodyForLong() {
        let hanging = Machine.Load(tenant: "away", computeNs: Self.ms, commitNs: Self.ms, hangsAt: 5)
        let other = Machine.Load(tenant: "other", computeNs: 10 * Self.ms, commitNs: 4 * Self.ms)
        let both = Machine.run([hanging, other], seconds: 10)
        #expect(both["other"]!.longestWaitNs <= Turns.longestNs + 10 * Self.ms)
        #expect(both["other"]!.epochs > Machine.run([other], seconds: 10)["other"]!.epochs * 7 / 10)
    }

    /// Commits that are slow for a reason of their own, such as a broker, leave the processors to the other.
    @Test func whoWaitsForCommitsTakesNothingFromOthers() {
        let slow = Machine.Load(tenant: "slow", weight: 3, computeNs: 5 * Self.ms, commitNs: 60 * Self.ms)
        let other = Machine.Load(tenant: "other", computeNs: 10 * Self.ms, commitNs: 4 * Self.ms)
        let both = Machine.run([slow, other], seconds: 10)
        #expect(both["slow"]!.epochs > Machine.run([slow], seconds: 10)["slow"]!.epochs * 9 / 10)
        #expect(both["other"]!.epochs * 100 > Machine.run([other], seconds: 10)["other"]!.epochs * 55)
    }

    @Test func whatWasUsedOutsideOfTurnsIsPaidForButNotForEver() {
        var turns = Turns(slots: 1)
        for (member, name) in [(Int32(1), "a"), (2, "b")] { turns.join(member, tenant: name) }
        turns.ask(2, slots: 1, usedNs: 0, atNs: 0)
        #expect(turns.grant(atNs: 0).map(\.member) == [2])
        // An hour of a program that asked nobody, since nobody else wanted anything.
        turns.charge(1, usedNs: 3_600_000_000_000)
        turns.ask(1, slots: 1, usedNs: 0, atNs: 0)
        var turnsOfB = 0
        for round in 0..<1000 {
            turns.ask(2, slots: 1, usedNs: 10_000_000, atNs: 0)
            if turns.grant(atNs: Int64(round)).map(\.member) == [1] { break }
            turnsOfB += 1
        }
        #expect((50...150).contains(turnsOfB))
    }
}
