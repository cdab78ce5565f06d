/// Who computes next, where several tenants share the processors of a machine.
///
/// A process asks before each quantum (an epoch of a stream, a commit of a replay, some ms of a batch) for as many slots as it has workers, and
/// says afterwards what processor time it has used. Each tenant has an account of used time divided by its weight; of those that ask, the one
/// with the least goes first: weighted deficit round robin whose rounds are as small as a quantum. While somebody asks no slot stays free that
/// would do for him, so an idle share goes to whoever needs it.
///
/// - Who is away for a moment, for its own commit or for records, keeps its claim: it comes back with what it had, `claim` behind the others at
///   most, so that who was idle for long saves up no more than that. Turns are not interrupted, though, and whoever has less of a claim would
///   slip in at each such moment: two would alternate whatever their weights are. So the slots of one that has always come back soon are kept
///   free for him for as long as that, `pauseNs` at most, where that is short beside the turns that he has.
/// - A turn that is not given back ends by itself: a process that hangs holds up nobody else for long.
/// - What was used outside of turns (what a transaction could not interrupt, programs of a step) is paid for afterwards, `debt` at most.
///
/// A value: it knows no clock and no process, and is asked by one thread.
///
/// Source: Shreedhar, Varghese, "Efficient Fair Queuing Using Deficit Round Robin", SIGCOMM 1995; the rule for tenants that come back
/// after a pause: Goyal, Vin, Cheng, "Start-time Fair Queuing", SIGCOMM 1996.
public struct Turns: Sendable {
    public typealias Member = Int32

    private struct Account: Sendable {
        var weight: Double
        /// Used processor time, ns, divided by the weight.
        var used = 0.0
        /// When it had nothing to do; nil while it has.
        var restedNs: Int64?
        /// Means of the last ones: how long it was away, and what processor time it used between.
        var gapNs = Double.infinity
        var turnNs = 0.0
        var usedSinceNs: Int64 = 0

        mutating func comesBack(atNs now: Int64) {
            guard let restedNs else { return }
            let (gap, turn) = (Double(max(0, now - restedNs)), Double(usedSinceNs))
            gapNs = gapNs.isFinite ? (3 * gapNs + gap) / 4 : gap
            turnNs = (3 * turnNs + turn) / 4
            (self.restedNs, usedSinceNs) = (nil, 0)
        }

        /// Until when its slots are kept free; nil where that is not worth it.
        var expectedNs: Int64? {
            guard let restedNs, gapNs <= Turns.pauseNs, gapNs * 4 <= turnNs else { return nil }
            return restedNs + Int64(min(Turns.pauseNs, gapNs * 2))
        }
    }
    private struct Wish: Sendable {
        var member: Member
        var slots: Int
        var longestNs: Int64
    }
    private struct Holder: Sendable {
        var slots: Int
        var endNs: Int64
        /// Whether its slots are others' by now, though it may still compute.
        var isOver = false
    }
    /// How long a turn lasts at most. Long beside an epoch, since on a machine that others keep busy that takes its time, and whoever waits for
    /// something gives its turn back.
    public static let longestNs: Int64 = 2_000_000_000
    /// The same for who computes between waits of which he cannot tell: a statement of SQL, rows for a server.
    public static let shortNs: Int64 = 50_000_000
    /// For how long slots are kept free for one who is away.
    static let pauseNs = 5_000_000.0
    /// In the unit of an account: so far behind who was granted last somebody may come back.
    static let claim = 200_000_000.0
    /// In the unit of an account: so far ahead of who was granted last somebody may be.
    static let debt = 1_000_000_000.0

    public var slots: Int { didSet { slots = max(1, slots) } }
    private var accounts: [String: Account] = [:]
    private var tenants: [Member: String] = [:]
    /// Who computes.
    private var holders: [Member: Holder] = [:]
    /// In the order in which they came.
    private var wishes: [Wish] = []
    /// The account of whom the last slot was given to.
    private var newest = 0.0
    /// Until when slots are kept free.
    private var keptNs: Int64?

    /// - Parameter slots: how many workers compute at once; at least 1.
    public init(slots: Int) { self.slots = max(1, slots) }

    private var free: Int { slots - holders.values.reduce(0) { $0 + ($1.isOver ? 0 : $1.slots) } }

    /// A tenant's share, as far as others want theirs; at least 1.
    public mutating func set(weight: Int, of tenant: String) {
        accounts[tenant, default: Account(weight: 1, used: newest)].weight = Double(max(1, weight))
    }

    /// A process of a tenant, which may ask from now on.
    public mutating func join(_ member: Member, tenant: String) {
        tenants[member] = tenant
        if accounts[tenant] == nil { accounts[tenant] = Account(weight: 1, used: newest) }
    }

    /// It asks for no more, and has nothing any more; as when it has died.
    public mutating func leave(_ member: Member) {
        tenants[member] = nil
        holders[member] = nil
        wishes.removeAll { $0.member == member }
    }

    /// It wants to compute with so many workers. What it held is given back, with what it has used.
    ///
    /// - Parameters:
    ///   - longestNs: after which the turn is over, also where nobody says so.
    ///   - now: as for `grant`.
    public mutating func ask(
        _ member: Member, slots: Int, usedNs: Int64, longestNs: Int64 = longestNs, atNs now: Int64
    ) {
        guard let tenant = tenants[member] else { return }
        let hadTurn = holders.removeValue(forKey: member) != nil
        charge(member, usedNs: usedNs)
        accounts[tenant]?.comesBack(atNs: now)
        guard !wishes.contains(where: { $0.member == member }) else { return }
        if !hadTurn, !isAtWork(tenant), let used = accounts[tenant]?.used {
            accounts[tenant]?.used = max(used, newest - Self.claim)
        }
        wishes.append(Wish(member: member, slots: min(max(1, slots), self.slots), longestNs: longestNs))
    }

    /// It has nothing to do for now, and has used so much.
    ///
    /// - Parameter now: as for `grant`.
    public mutating func giveBack(_ member: Member, usedNs: Int64, atNs now: Int64) {
        holders[member] = nil
        charge(member, usedNs: usedNs)
        guard let tenant = tenants[member], !isAtWork(tenant) else { return }
        accounts[tenant]?.restedNs = now
    }

    /// It has used so much; what it holds it keeps.
    public mutating func charge(_ member: Member, usedNs: Int64) {
        guard let tenant = tenants[member], let account = accounts[tenant], usedNs > 0 else { return }
        let used = account.used + Double(usedNs) / account.weight
        // What nobody else wanted at the time is not to be paid for ever.
        accounts[tenant]?.used = max(account.used, min(used, newest + Self.debt))
        accounts[tenant]?.usedSinceNs += usedNs
    }

    private func isAtWork(_ tenant: String) -> Bool {
        holders.keys.contains { tenants[$0] == tenant } || wishes.contains { tenants[$0.member] == tenant }
    }

    /// Gives free slots to those who ask, the one first that has had the least; each has its turn until it asks again or gives it back, or until
    /// it is over.
    ///
    /// - Parameter now: of a clock that never jumps.
    public mutating func grant(atNs now: Int64) -> [(member: Member, slots: Int)] {
        for member in Array(holders.keys) where now >= holders[member]?.endNs ?? .max { holders[member]?.isOver = true }
        var granted: [(member: Member, slots: Int)] = []
        keptNs = nil
        while let next = wishes.indices.min(by: { used(wishes[$0]) < used(wishes[$1]) }) {
            let wish = wishes[next]
            // Who is next waits for as many as it needs, and nobody slips past: a quantum is short, and else the wide would starve.
            guard min(wish.slots, slots) <= free else { break }
            keptNs = accounts.values.filter { $0.used < used(wish) }.compactMap(\.expectedNs).filter { $0 > now }.min()
            if keptNs != nil { break }
            wishes.remove(at: next)
            newest = max(newest, used(wish))
            holders[wish.member] = Holder(slots: wish.slots, endNs: now + wish.longestNs)
            granted.append((wish.member, wish.slots))
        }
        return granted
    }

    /// When somebody who waits may have more, though nobody says anything; nil where nobody waits.
    public var nextEndNs: Int64? {
        wishes.isEmpty ? nil : (holders.values.filter { !$0.isOver }.map(\.endNs) + [keptNs].compactMap { $0 }).min()
    }

    private func used(_ wish: Wish) -> Double { tenants[wish.member].flatMap { accounts[$0]?.used } ?? 0 }
}
