import Problems
import Time
import Trips

/// One local day's windows added up.
struct DayRollup {
    let day: Int
    var fares = GroupSums<FareWords>(ids: FareBucket.all)
    var areas = GroupSums<Int64>(ids: Self.areas)
    var locations = GroupSums<Int64>(ids: 0...Int64(Int32.max))

    /// Results whose windows were pruned: what was rolled up of them stands.
    var pruned: Set<StoredWindows.Source> = []
    /// A location that a window names and the stream's keys do not.
    var unknownLocation: Int64?

    /// Numbers that a community area may have.
    static let areas: ClosedRange<Int64> = 0...999

    init(day: Int) { self.day = day }

    /// - Throws: `Problem(.badData)` where a window named a group that the query cannot have.
    func validate() throws(Problem) {
        if let id = unknownLocation, id >= 0 {
            throw Problem(
                .badData, "keys_hotspotwindow has no location \(id) that stored_hotspotwindow counts",
                hint: "Run taxi-cli audit to see whether the stored results match their source.")
        }
        let sums: [(StoredWindows.Source, (Int64, String)?)] = [
            (.fares, fares.overflow), (.areas, areas.overflow), (.locations, locations.overflow),
        ]
        for case (let source, let (id, column)?) in sums {
            throw Problem(
                .badData,
                "the sum of \(column) of group \(id) in \(source.table) on \(Calendar.text(ofDay: day)) leaves 64 bits",
                hint: "Run taxi-cli audit to see whether the stored results match their source.")
        }
        let strange: [(StoredWindows.Source, Int64?)] = [
            (.fares, fares.strangeID), (.areas, areas.strangeID), (.locations, unknownLocation ?? locations.strangeID),
        ]
        for case (let source, let id?) in strange {
            throw Problem(
                .badData,
                "\(source.table) holds a group \(id) on \(Calendar.text(ofDay: day)) that the query cannot have",
                hint: "Run taxi-cli audit to see whether the stored results match their source.")
        }
    }
}

/// The words of a fare bucket.
struct FareWords: Equatable {
    var trips: Int64 = 0
    var sum: Cents = 0
    var n: Int64 = 0
}

/// A value that group sums add up.
protocol GroupValue {
    static var nothing: Self { get }
    /// Adds another; gives the name of what left 64 bits, or nil.
    mutating func take(_ other: Self) -> String?
    var isNothing: Bool { get }
}

extension Int64: GroupValue {
    static var nothing: Int64 { 0 }
    var isNothing: Bool { self == 0 }

    @inline(__always)
    mutating func take(_ other: Int64) -> String? {
        let (sum, isOver) = addingReportingOverflow(other)
        self = sum
        return isOver ? "pickups" : nil
    }
}

extension FareWords: GroupValue {
    static var nothing: FareWords { FareWords() }
    @inline(__always)
    mutating func take(_ other: Self) -> String? {
        if trips.take(other.trips) != nil { return "trips" }
        if sum.take(other.sum) != nil { return "fares" }
        return n.take(other.n).map { _ in "fares" }
    }
    var isNothing: Bool { self == .nothing }
}

/// Sums by group id, as an array from the smallest to the largest id that came up: they lie close together.
struct GroupSums<Value: GroupValue> {
    private let ids: ClosedRange<Int64>
    private var sums: [Value] = []
    /// The id of `sums[0]`.
    private var first: Int64 = 0
    /// An id outside the allowed ones that came up; its values are not kept.
    private(set) var strangeID: Int64?
    /// A group whose sum left 64 bits, and which sum it was.
    private(set) var overflow: (id: Int64, name: String)?

    init(ids: ClosedRange<Int64>) { self.ids = ids }

    @inline(__always)
    mutating func add(_ value: Value, to id: Int64) {
        let index = Int(id &- first)
        if index >= 0, index < sums.count {
            if let name = sums[index].take(value) { overflow = (id, name) }
        } else {
            grow(to: id, adding: value)
        }
    }

    @inline(never)
    private mutating func grow(to id: Int64, adding value: Value) {
        // A file that was tampered with must not make us ask for all memory there is.
        guard ids.contains(id), sums.isEmpty || abs(id - first) < Int64(sums.count) + 4_000_000 else {
            strangeID = id
            return
        }
        if sums.isEmpty { first = id }
        if id < first {
            sums.insert(contentsOf: repeatElement(.nothing, count: Int(first - id)), at: 0)
            first = id
        }
        let index = Int(id - first)
        if index >= sums.count { sums.append(contentsOf: repeatElement(.nothing, count: index + 1 - sums.count)) }
        sums[index] = value
    }

    /// The groups that have anything, ascending.
    var groups: some Sequence<(id: Int64, value: Value)> {
        sums.enumerated().lazy.filter { !$1.isNothing }.map { [first] in (first + Int64($0), $1) }
    }
}
