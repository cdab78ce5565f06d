import Basics
import Time
import Trips

/// A trip as the slow reference sees it: plain optionals, money in cents, miles in millionths.
struct SimpleTrip: Sendable, Equatable {
    var id = 0
    var taxi: String? = "taxi"
    var time: EventTime
    var area: Int64?
    var location: String?
    var fare: Int64?
    var tips: Int64?
    var total: Int64?
    var payment: String?
    var company: String?
    var miles: Int64?
    var seconds: Int64?

    static let fields = TripFieldSet([
        .tripID, .taxiID, .seconds, .miles, .pickupArea, .fare, .tips, .total, .paymentType, .company, .pickupLocation,
    ])
}

extension SimpleTrip {
    /// `count` trips in the order of their time, over `span` ms: with nulls everywhere, zero and negative money.
    static func random(_ count: Int, from start: EventTime, over span: Int64, seed: UInt64) -> [SimpleTrip] {
        var numbers = SplitMix64(seed: seed)
        func cents(_ numbers: inout SplitMix64) -> Int64? {
            switch Int.random(in: 0..<20, using: &numbers) {
            case 0: nil
            case 1: 0
            case 2: -Int64.random(in: 1...2000, using: &numbers)
            case 3: Int64.random(in: 30_000...900_000, using: &numbers)
            default: Int64.random(in: 1...6000, using: &numbers)
            }
        }
        func maybe<Value>(_ value: Value, _ numbers: inout SplitMix64) -> Value? {
            Int.random(in: 0..<8, using: &numbers) == 0 ? nil : value
        }
        let companies = ["Flash Cab", "Sun, \"Moon\" & Co", "Zürich Täxi", "A\u{1}B", "A", "5 Star"]
        let trips = (0..<count).map { id in
            let place = Int.random(in: 0..<40, using: &numbers)
            return SimpleTrip(
                id: id, taxi: maybe("taxi \(Int.random(in: 0..<50, using: &numbers))", &numbers),
                time: start + Int64.random(in: 0..<span, using: &numbers),
                area: maybe(Int64.random(in: 1...77, using: &numbers), &numbers),
                location: maybe("POINT (-87.\(place) 41.9)", &numbers), fare: cents(&numbers), tips: cents(&numbers),
                total: cents(&numbers), payment: maybe(["Cash", "Credit Card", "Prcard"][place % 3], &numbers),
                company: maybe(companies[place % companies.count], &numbers),
                miles: maybe(Int64.random(in: 0...40_000_000, using: &numbers), &numbers),
                seconds: maybe(Int64.random(in: 0...9_000, using: &numbers), &numbers))
        }
        return trips.sorted { ($0.time, $0.id) < ($1.time, $1.id) }
    }
}

extension [SimpleTrip] {
    /// The trips in an order in which each comes less than `within` ms of event time too late.
    func shuffled(within: Int64, seed: UInt64) -> [SimpleTrip] {
        var numbers = SplitMix64(seed: seed)
        let places = map { (trip: $0, place: $0.time + Int64.random(in: 0..<Swift.max(1, within), using: &numbers)) }
        return places.sorted { ($0.place, $0.trip.id) < ($1.place, $1.trip.id) }.map(\.trip)
    }

    /// The trips as columns.
    func batch() -> TripBatch {
        let batch = TripBatch(capacity: Swift.max(1, count))
        batch.fields = SimpleTrip.fields
        for (row, trip) in enumerated() {
            func text(_ field: TripField, _ value: String?) {
                batch.column(field)[row] = value.map { batch.keep([UInt8]($0.utf8)).cell } ?? nullCell
            }
            func number(_ field: TripField, _ value: Int64?) { batch.column(field)[row] = value ?? nullCell }
            batch.eventTimes[row] = trip.time
            text(.tripID, "trip \(trip.id)")
            text(.taxiID, trip.taxi)
            text(.paymentType, trip.payment)
            text(.company, trip.company)
            text(.pickupLocation, trip.location)
            number(.pickupArea, trip.area)
            number(.fare, trip.fare)
            number(.tips, trip.tips)
            number(.total, trip.total)
            number(.seconds, trip.seconds)
            number(.miles, trip.miles.map { PackedDecimal(mantissa: $0, scale: 6).cell })
        }
        batch.count = count
        return batch
    }
}
