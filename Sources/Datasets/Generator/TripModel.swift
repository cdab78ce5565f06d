import Time

/// One generated trip, as numbers; -1 is what the file leaves empty.
struct GeneratedTrip {
    /// Quarter-hours since the first day began, as they pass.
    var start = 0
    var end = 0
    var seconds = 0
    var hundredthsOfMiles = 0
    var pickup = Places.nowhere
    var dropoff = Places.nowhere
    /// Cents; all five are empty when the fare is.
    var fare = 0
    var tips = 0
    var tolls = 0
    var extras = 0
    var total = 0
    var payment = PaymentType.cash
    var taxi = 0
    var company = 0
    /// The exports up to 2016 know fewer companies.
    var isEarly = false
}

/// Makes trips as the City's taxis make them; trip number k needs none of those before it.
///
/// Shares, in millionths, were measured on two whole days of 2022, and for trips before 2017 on samples of the exports of that time:
/// data/README.md.
struct TripModel: Sendable {
    let seed: UInt64
    let quarters: QuarterHours
    let places: Places
    let fleet: Fleet

    init(seed: UInt64, quarters: QuarterHours) {
        (self.seed, self.quarters) = (seed, quarters)
        (places, fleet) = (Places(), Fleet(seed: seed))
    }

    /// - Parameters:
    ///   - number: of the trip in order of time.
    ///   - start: its quarter-hour.
    ///   - isNull: makes it one of those that go nowhere, whatever the dice say.
    func trip(_ number: Int, start: Int, isNull: Bool) -> GeneratedTrip {
        var random = RandomBits(seed: seed, number: UInt64(number))
        let (day, quarter) = quarters.wall(start)
        let (year, month, _) = Calendar.date(ofDay: day)
        let hour = quarter / 4
        var trip = GeneratedTrip()
        trip.start = start
        trip.isEarly = year < 2017
        trip.taxi = fleet.taxi(ofTrip: number, day: day)
        trip.company = fleet.companies[trip.taxi]
        if random.happens(60) { trip.taxi = -1 }
        let meter = trip.isEarly ? .minutes : CompanyTable.all[trip.company].meter
        (trip.pickup, trip.dropoff) = places.draw(hour: hour, &random)

        if isNull || random.happens(meter == .exact ? 2_500 : 58_000) {
            makeNull(&trip, &random)
        } else {
            drive(&trip, hour: hour, meter: meter, &random)
            trip.fare = meteredFare(trip, year: year, month: month)
            pay(&trip, year: year, meter: meter, &random)
            misreport(&trip, meter: meter, &random)
        }
        // The true start lies anywhere in the quarter-hour that rounding made of it.
        trip.end = start + (random.below(900) + trip.seconds) / 900
        misplaceEnd(&trip, &random)
        return trip
    }

    /// A trip that went nowhere: the driver pressed the button, and often again.
    private func makeNull(_ trip: inout GeneratedTrip, _ random: inout RandomBits) {
        if !random.happens(130_000) { trip.dropoff = trip.pickup }
        trip.fare = 325
        if random.happens(180_000) { trip.fare = Self.nullFares[random.below(Self.nullFares.count)] }
        trip.payment = random.happens(870_000) ? .cash : .creditCard
        trip.total = trip.fare
    }

    private static let nullFares = [350, 0, 3500, 400, 425, 4000, 375, 5000, 2000, 6000]

    private func drive(_ trip: inout GeneratedTrip, hour: Int, meter: CompanyTable.Meter, _ random: inout RandomBits) {
        var miles = places.distance(trip.pickup, trip.dropoff) * random.within(104...126) / 100
        if trip.pickup == Places.nowhere || trip.dropoff == Places.nowhere {
            // Some to the suburbs, some that nobody knows anything about.
            miles = random.happens(400_000) ? random.within(20...300) : random.within(300...2400)
        } else {
            // Within an area, and from a point that is its middle to where people really go.
            miles += 8 + random.below(65) + random.below(65)
        }
        let traffic = hour < 6 ? 78 : hour < 7 || hour > 19 ? 92 : (15...18).contains(hour) ? 118 : 104
        var seconds = 60 + 4300 * miles / (1500 + miles)
        seconds = seconds * traffic / 100 * (random.within(650...1150) + random.below(250)) / 1000
        if meter == .minutes {
            // Tenths, and minutes that are rounded.
            miles = (miles + 5) / 10 * 10
            seconds = max(60, (seconds + 30) / 60 * 60)
        }
        (trip.hundredthsOfMiles, trip.seconds) = (miles, seconds)
    }

    /// What the meter shows: flag fall, miles and waiting, in quarters of a dollar, a little dearer each year.
    private func meteredFare(_ trip: GeneratedTrip, year: Int, month: Int) -> Int {
        let waiting = trip.seconds * 13 / 100 / 36 * 25
        let (flagFall, perMile) = year < 2016 ? (225, 200) : (325, 225)
        let driven =
            (trip.hundredthsOfMiles * perMile / 100 + waiting) * (1000 + 12 * max(0, (year - 2016) * 12 + month) / 12)
        return flagFall + (driven / 1000 + 12) / 25 * 25
    }

    private func pay(_ trip: inout GeneratedTrip, year: Int, meter: CompanyTable.Meter, _ random: inout RandomBits) {
        trip.payment = paymentType(year: year, isEarly: trip.isEarly, meter: meter, &random)
        // An app names its price before the ride.
        if trip.payment == .mobile, random.happens(550_000) { trip.fare = trip.fare * random.within(850...1100) / 1000 }
        if places.isAirport(trip.pickup) {
            trip.extras = Self.airportExtras[Self.airportExtraChoice.pick(&random)]
        } else {
            trip.extras = Self.extras[Self.extraChoice.pick(&random)]
        }
        if random.happens(1_700) { trip.tolls = Self.tolls[random.below(Self.tolls.count)] }
        trip.tips = tip(trip, &random)
        trip.total = trip.fare + trip.tips + trip.tolls + trip.extras
        if meter == .exact, year >= 2018 {
            // A fee that has no column.
            if trip.payment == .creditCard, random.happens(990_000) { trip.total += 50 }
            if trip.payment == .mobile, random.happens(116_000) { trip.total += random.happens(50_000) ? 195 : 50 }
        }
    }

    /// Payment by apps came up between 2017 and 2022.
    private func paymentType(
        year: Int, isEarly: Bool, meter: CompanyTable.Meter, _ random: inout RandomBits
    ) -> PaymentType {
        let choice =
            isEarly ? PaymentType.before2017 : meter == .exact ? PaymentType.ofExactMeters : PaymentType.ofMinuteMeters
        let type = PaymentType(rawValue: choice.pick(&random)) ?? .cash
        guard type == .mobile || type == .prcard, !random.happens((year - 2016) * 1_000_000 / 6) else { return type }
        return random.happens(550_000) ? .cash : .creditCard
    }

    private func tip(_ trip: GeneratedTrip, _ random: inout RandomBits) -> Int {
        switch trip.payment {
        case .creditCard, .pcard:
            if !random.happens(938_000) { return 0 }
            // Whole dollars on short rides, else what the screen offers, else something in between.
            if trip.fare < 1200, random.happens(620_000) { return 100 * random.within(1...3) }
            let offered = [20, 20, 25, 25, 30]
            let percent = random.happens(500_000) ? offered[random.below(offered.count)] : random.within(14...34)
            return (trip.fare + trip.extras) * percent / 100
        case .mobile:
            return random.happens(916_000)
                ? trip.fare * (random.happens(700_000) ? 23 : random.within(11...23)) / 100 : 0
        case .prcard: return random.happens(60_000) ? trip.fare * random.within(1...25) / 100 : 0
        case .cash: return random.happens(5_400) ? 100 * random.within(1...10) : 0
        case .unknown: return random.happens(3_500) ? trip.fare / 5 : 0
        case .noCharge, .dispute: return 0
        }
    }

    private static let airportExtras = [400, 500, 0, 600, 550, 450, 700, 650, 800]
    private static let airportExtraChoice = WeightedChoice([2157, 791, 224, 169, 165, 129, 81, 49, 35])
    private static let extras = [0, 100, 400, 150, 500, 200, 50, 550, 450, 600, 300, 2800, 2500]
    private static let extraChoice = WeightedChoice([23250, 2522, 880, 504, 330, 393, 155, 90, 80, 80, 70, 60, 60])
    private static let tolls = [100, 100, 200, 190, 150, 450, 600]

    /// What meters get wrong.
    private func misreport(_ trip: inout GeneratedTrip, meter: CompanyTable.Meter, _ random: inout RandomBits) {
        if random.happens(meter == .exact ? 30_000 : 240_000) { trip.hundredthsOfMiles = 0 }
        let die = random.below(1_000_000)
        switch die {
        case ..<2_700: trip.seconds = random.within(1...45)
        case ..<4_400: trip.seconds = 0
        case ..<5_600: trip.seconds = 10_800 + random.below(69_000)
        case ..<5_750:
            // Real rows have such fares, in cash and for no miles.
            let fare = 50_000 + random.below(700) * 1_000 + random.below(40)
            (trip.fare, trip.total, trip.tips, trip.tolls, trip.extras) = (fare, fare, 0, 0, 0)
            (trip.payment, trip.hundredthsOfMiles) = (.cash, 0)
        case ..<6_050: trip.fare = -1
        default: break
        }
    }

    /// Trips of more than a day, without an end, or (before 2017) that end before they start, have no duration.
    private func misplaceEnd(_ trip: inout GeneratedTrip, _ random: inout RandomBits) {
        let die = random.below(1_000_000)
        if die < 290 {
            (trip.seconds, trip.end) = (-1, trip.start + random.within(144...268))
        } else if die < (trip.isEarly ? 1_100 : 330) {
            (trip.seconds, trip.end) = (-1, -1)
        } else if trip.isEarly, die < 6_700, trip.start >= 3 {
            (trip.seconds, trip.end) = (-1, trip.start - random.within(1...3))
        }
    }
}
