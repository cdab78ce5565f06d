import Basics
import Trips

/// The taxis of a generated file: who drives for whom, and who drives which trip.
struct Fleet: Sendable {
    /// A prime, so that any step between 1 and the fleet's size meets every taxi once. About the taxis of two days of 2022.
    static let size = 2003

    /// The company of each taxi, an index of `CompanyTable.all`.
    let companies: [Int]
    private let seed: UInt64

    init(seed: UInt64) {
        self.seed = seed ^ 0x7a_c515
        let total = CompanyTable.all.reduce(0) { $0 + $1.trips }
        var companies: [Int] = []
        var trips = 0
        for (index, company) in CompanyTable.all.enumerated() {
            trips += company.trips
            // Even the smallest company has a taxi.
            let until = max(companies.count + 1, trips * Self.size / total)
            companies += Array(repeating: index, count: until - companies.count)
        }
        self.companies = Array(companies.prefix(Self.size))
    }

    /// The taxi of a trip, by its number in time: as many trips as there are taxis go by before one drives again,
    /// apart from taxis that stand in for others that have a day off (one in seven).
    func taxi(ofTrip number: Int, day: Int) -> Int {
        let (round, place) = number.quotientAndRemainder(dividingBy: Self.size)
        var random = RandomBits(seed: seed, number: UInt64(round))
        let step = random.within(1...Self.size - 1)
        var taxi = (place &* step &+ random.below(Self.size)) % Self.size
        var attempt = 0
        while attempt < 3, isOff(taxi, day: day) {
            taxi = (taxi &* 7 &+ 1 &+ attempt) % Self.size
            attempt += 1
        }
        return taxi
    }

    private func isOff(_ taxi: Int, day: Int) -> Bool {
        mixed64(seed &+ UInt64(taxi) &* 0x1_0001 &+ UInt64(bitPattern: Int64(day)) << 32) % 7 == 0
    }

    /// The 64 bytes behind the 128 digits of a taxi's identifier.
    func identifier(ofTaxi taxi: Int) -> [UInt8] {
        var random = RandomBits(seed: seed, number: UInt64(taxi) | 1 << 62)
        return (0..<8).flatMap { _ in withUnsafeBytes(of: random.next().bigEndian, Array.init) }
    }
}
