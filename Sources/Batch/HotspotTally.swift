/// Pickups by place, and on how many days a place was among the day's ten busiest.
///
/// Places are small dense ids. Ties go to the place that comes first in the analysis's own order: `precedence`.
struct HotspotTally: PeriodSum {
    private var pickups: [Int64] = []
    private var top10Days: [Int64] = []
    /// Days with at least one pickup anywhere.
    private(set) var days: Int64 = 0
    private(set) var total: Int64 = 0
    private(set) var damage: String?
    private let precedence: Precedence
    private var today: [Place] = []
    /// A file that was tampered with must not make us ask for all memory there is.
    private static let ids = 0..<4_000_000

    /// A place with its pickups on a day or in a period.
    private struct Place {
        var id: Int
        var pickups: Int64
    }

    /// Which of two places with equal pickups comes first.
    struct Precedence {
        /// Position of each id in the order; nil where ids are in order themselves.
        var positions: [Int32]?

        @inline(__always)
        func isBefore(_ a: Int, _ b: Int) -> Bool {
            if let positions { position(a, positions) < position(b, positions) } else { a < b }
        }

        /// A damaged month may name a place that there is not; it comes last, and is told of when its name is looked for.
        @inline(__always)
        private func position(_ id: Int, _ positions: [Int32]) -> Int32 { id < positions.count ? positions[id] : .max }
    }

    /// A place's figures in its period.
    struct Ranked: Equatable {
        var rank: Int64
        var id: Int
        var pickups: Int64
        var top10Days: Int64
        /// Among the ten busiest on at least three quarters of the days with data.
        var isPersistent: Bool
    }

    init(precedence: Precedence) { self.precedence = precedence }

    /// Adds a place's pickups of the current day; a place comes once a day.
    mutating func add(_ pickups: Int64, at id: Int) {
        guard Self.ids ~= id else { return damage = "there is no place \(id)" }
        if pickups > 0 { today.append(Place(id: id, pickups: pickups)) }
    }

    mutating func endDay() {
        guard !today.isEmpty else { return }
        days += 1
        grow(to: today.reduce(0) { max($0, $1.id) } + 1)
        for place in today { count(place.pickups, at: place.id) }
        for id in busiest(10) { top10Days[id] += 1 }
        today.removeAll(keepingCapacity: true)
    }

    mutating func merge(_ other: HotspotTally) {
        grow(to: other.pickups.count)
        for id in other.pickups.indices {
            count(other.pickups[id], at: id)
            top10Days[id] += other.top10Days[id]
        }
        days += other.days
        if damage == nil { damage = other.damage }
    }

    /// Adds to the sums; no place's is greater than that of all.
    private mutating func count(_ n: Int64, at id: Int) {
        let (sum, isOver) = total.addingReportingOverflow(n)
        if isOver { damage = "the sum of pickups leaves 64 bits" }
        total = sum
        pickups[id] &+= n
    }

    var words: [Int64] {
        [days] + pickups.indices.flatMap { pickups[$0] == 0 ? [] : [Int64($0), pickups[$0], top10Days[$0]] }
    }

    mutating func restore(_ words: [Int64]) -> Bool {
        guard words.count % 3 == 1, 0...31 ~= words[0] else { return false }
        let places = stride(from: 1, to: words.count, by: 3)
        for index in places {
            guard Self.ids ~= Int(words[index]), words[index + 1] > 0, 0...words[0] ~= words[index + 2] else {
                return false
            }
            // Places that have no position in the order are not ours.
            if let positions = precedence.positions, Int(words[index]) >= positions.count { return false }
        }
        grow(to: places.reduce(0) { max($0, Int(words[$1]) + 1) })
        for index in places {
            count(words[index + 1], at: Int(words[index]))
            top10Days[Int(words[index])] += words[index + 2]
        }
        days += words[0]
        return damage == nil
    }

    /// All places with pickups; rank 1 has the most.
    func ranked() -> [Ranked] {
        let places = pickups.indices.filter { pickups[$0] > 0 }.map { Place(id: $0, pickups: pickups[$0]) }
        return places.sorted(by: isBusier).enumerated().map { index, place in
            Ranked(
                rank: Int64(index) + 1, id: place.id, pickups: place.pickups, top10Days: top10Days[place.id],
                isPersistent: 4 * top10Days[place.id] >= 3 * days)
        }
    }

    /// Today's busiest places, kept sorted while looking at each place once: cheaper than sorting some hundreds for ten.
    private func busiest(_ count: Int) -> [Int] {
        var top: [Place] = []
        top.reserveCapacity(count + 1)
        for place in today {
            if top.count == count, !isBusier(place, top[count - 1]) { continue }
            top.insert(place, at: top.firstIndex { isBusier(place, $0) } ?? top.count)
            if top.count > count { top.removeLast() }
        }
        return top.map(\.id)
    }

    @inline(__always)
    private func isBusier(_ a: Place, _ b: Place) -> Bool {
        a.pickups != b.pickups ? a.pickups > b.pickups : precedence.isBefore(a.id, b.id)
    }

    private mutating func grow(to count: Int) {
        guard count > pickups.count else { return }
        pickups.append(contentsOf: repeatElement(0, count: count - pickups.count))
        top10Days.append(contentsOf: repeatElement(0, count: count - top10Days.count))
    }
}
