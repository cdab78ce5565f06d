/// Who computes next, where several tenants share the processors of a machine.
///
/// A process asks before each quantum (an epoch of a stream, a commit of a replay) for as many slots as it has workers, and says afterwards
/// what processor time it has used. Each tenant has an account of used time divided by its weight; of those that ask, the one with the least
/// goes first: weighted deficit round robin whose rounds are as small as a quantum. While somebody asks no slot stays free that would do for
/// him, so an idle share goes to whoever needs it; who was idle saves nothing up for later.
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
    }
    private struct Wish: Sendable {
        var member: Member
        var slots: Int
    }
    public var slots: Int { didSet { slots = max(1, slots) } }
    private var accounts: [String: Account] = [:]
    private var tenants: [Member: String] = [:]
    /// How many slots each of those has that compute.
    private var holders: [Member: Int] = [:]
    /// In the order in which they came.
    private var wishes: [Wish] = []
    /// The account of whom the last slot was given to.
    private var newest = 0.0

    /// - Parameter slots: how many workers compute at once; at least 1.
    public init(slots: Int) { self.slots = max(1, slots) }

    private var free: Int { slots - holders.values.reduce(0, +) }

    /// A tenant's share, as far as others want theirs; at least 1.
    public mutating func set(weight: Int, of tenant: String) {
        accounts[tenant, default: Account(weight: 1)].weight = Double(max(1, weight))
    }

    /// A process of a tenant, which may ask from now on.
    public mutating func join(_ member: Member, tenant: String) {
        tenants[member] = tenant
        if accounts[tenant] == nil { accounts[tenant] = Account(weight: 1) }
    }

    /// It asks for no more, and has nothing any more; as when it has died.
    public mutating func leave(_ member: Member) {
        tenants[member] = nil
        holders[member] = nil
        wishes.removeAll { $0.member == member }
    }

    /// It wants to compute with so many workers. What it held is given back, with what it has used.
    public mutating func ask(_ member: Member, slots: Int, usedNs: Int64) {
        guard let tenant = tenants[member] else { return }
        let hadTurn = holders[member] != nil
        giveBack(member, usedNs: usedNs)
        guard !wishes.contains(where: { $0.member == member }) else { return }
        // Whoever has waited or computed all the while keeps its account; one that comes back begins with the others.
        if !hadTurn, !isAtWork(tenant), let used = accounts[tenant]?.used { accounts[tenant]?.used = max(used, newest) }
        wishes.append(Wish(member: member, slots: min(max(1, slots), self.slots)))
    }

    /// It has nothing to do for now, and has used so much.
    public mutating func giveBack(_ member: Member, usedNs: Int64) {
        guard let tenant = tenants[member] else { return }
        holders[member] = nil
        if let account = accounts[tenant] { accounts[tenant]?.used += Double(max(0, usedNs)) / account.weight }
    }

    private func isAtWork(_ tenant: String) -> Bool {
        holders.keys.contains { tenants[$0] == tenant } || wishes.contains { tenants[$0.member] == tenant }
    }

    /// Gives free slots to those who ask, the one first that has had the least; each has its turn until it asks again or gives it back.
    public mutating func grant() -> [(member: Member, slots: Int)] {
        var granted: [(member: Member, slots: Int)] = []
        while let next = wishes.indices.min(by: { used(wishes[$0]) < used(wishes[$1]) }) {
            let wish = wishes[next]
            // Who is next waits for as many as it needs, and nobody slips past: a quantum is short, and else the wide would starve.
            guard min(wish.slots, slots) <= free else { break }
            wishes.remove(at: next)
            newest = max(newest, used(wish))
            holders[wish.member] = wish.slots
            granted.append((wish.member, wish.slots))
        }
        return granted
    }

    private func used(_ wish: Wish) -> Double { tenants[wish.member].flatMap { accounts[$0]?.used } ?? 0 }
}
