import Basics
import Time
import Trips

/// Writes generated trips as the City's export writes them, into a buffer that the caller empties.
///
/// Everything that repeats (times, taxis, places, companies) is made once as bytes and copied from then on.
struct RowWriter {
    /// No row is longer.
    static let maximumRowLength = 1024

    let style: TripFileStyle
    private let quarters: QuarterHours
    /// `04/13/2024 ` of each day and `07:45:00 PM` of each quarter-hour.
    private let dates: [UInt8]
    private let times: [UInt8]
    private let taxis: [UInt8]
    let areas: Pieces
    let tracts: Pieces
    private let boundaryKeys: Pieces
    /// Latitude, longitude and point, with the commas between them.
    let points: Pieces
    private let payments: Pieces
    private let companies: Pieces
    private let earlyCompanies: Pieces
    private let areaOfPlace: [Int]

    init(style: TripFileStyle, quarters: QuarterHours, model: TripModel) {
        (self.style, self.quarters) = (style, quarters)
        let dayCount = Int(quarters.onTheWall.last ?? 0) / 96 + 1
        dates = (0..<dayCount).flatMap { day in
            let (year, month, dayOfMonth) = Calendar.date(ofDay: quarters.firstDay + day)
            return Array("\(twoDigits(month))/\(twoDigits(dayOfMonth))/\(year) ".utf8)
        }
        times = (0..<96).flatMap { quarter in
            let hour = quarter / 4
            return Array(
                "\(twoDigits((hour + 11) % 12 + 1)):\(twoDigits(quarter % 4 * 15)):00 \(hour < 12 ? "AM" : "PM")".utf8)
        }
        taxis = (0..<Fleet.size).flatMap {
            model.fleet.identifier(ofTaxi: $0).flatMap { hexadecimal($0, digits: 2).utf8 }
        }
        let places = model.places
        areaOfPlace = places.areas
        areas = Pieces(places.areas.map { style.field($0 == 0 ? "" : String($0)) })
        tracts = Pieces(places.tracts.map { style.field($0 == 0 ? "" : String($0)) })
        boundaryKeys = Pieces(places.areas.map { style.field($0 == 0 ? "" : String(AreaTable.boundaryKeys[$0 - 1])) })
        points = Pieces(
            places.areas.indices.map { style.point(longitude: places.longitudes[$0], latitude: places.latitudes[$0]) })
        payments = Pieces(PaymentType.allCases.map { style.field($0.name) })
        companies = Pieces(CompanyTable.all.map { style.field($0.name) })
        earlyCompanies = Pieces(CompanyTable.all.map { style.field($0.earlyName) })
    }

    /// Writes one row and its line end at `start`, at most `maximumRowLength` bytes; returns where it ends.
    func write(
        _ trip: GeneratedTrip, identifier: inout RandomBits, defect: TripDefect?, to start: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        var out = DigitWriter(out: start)
        out.hex(identifier.next(), digits: 16)
        out.hex(identifier.next(), digits: 16)
        out.hex(identifier.next(), digits: 8)
        out.byte(",")
        if style == .rideshare {
            writeRideshare(trip, &identifier, defect, &out)
            out.byte("\n")
            return out.end
        }
        if trip.taxi >= 0 { out.copy(taxis, trip.taxi * 128, 128) } else { out.string(style.empty) }
        out.byte(",")
        writeCourse(trip, defect, &out)
        out.byte(",")
        writePlaces(trip, defect, &out)
        out.byte(",")
        writeMoney(trip, defect, &out)
        if defect != .tooFewFields { writeRest(trip, defect, &out) }
        if style == .dollar { out.byte("\r") }
        out.byte("\n")
        return out.end
    }

    /// When, how long, how far.
    func writeCourse(_ trip: GeneratedTrip, _ defect: TripDefect?, _ out: inout DigitWriter) {
        if defect == .badTimestamp { out.string("13/32/2024 07:45:00 AM") } else { writeTime(trip.start, &out) }
        out.byte(",")
        writeTime(trip.end, &out)
        out.byte(",")
        if trip.seconds >= 0 { out.number(trip.seconds) } else { out.string(style.empty) }
        out.byte(",")
        out.shortDecimal(hundredths: trip.hundredthsOfMiles)
    }

    /// Tracts and areas.
    func writePlaces(_ trip: GeneratedTrip, _ defect: TripDefect?, _ out: inout DigitWriter) {
        out.copy(tracts, trip.pickup)
        out.byte(",")
        out.copy(tracts, trip.dropoff)
        out.byte(",")
        switch defect {
        case .badNumber: out.string("n/a")
        case .outOfRange: out.number(78 + trip.start % 22)
        default: out.copy(areas, trip.pickup)
        }
        out.byte(",")
        out.copy(areas, trip.dropoff)
    }

    private func writeTime(_ quarter: Int, _ out: inout DigitWriter) {
        guard quarter >= 0 else { return out.string(style.empty) }
        let (day, inDay) = Int(quarters.onTheWall[quarter]).quotientAndRemainder(dividingBy: 96)
        if style == .dollar { out.byte("\"") }
        out.copy(dates, day * 11, 11)
        out.copy(times, inDay * 11, 11)
        if style == .dollar { out.byte("\"") }
    }

    private func writeMoney(_ trip: GeneratedTrip, _ defect: TripDefect?, _ out: inout DigitWriter) {
        if defect == .badMoney { out.string("12.5O") } else { writeMoney(trip.fare, trip, &out) }
        for cents in [trip.tips, trip.tolls, trip.extras, trip.total] {
            out.byte(",")
            writeMoney(cents, trip, &out)
        }
    }

    private func writeMoney(_ cents: Int, _ trip: GeneratedTrip, _ out: inout DigitWriter) {
        if trip.fare < 0 { return out.string(style.empty) }
        if style == .portal { return out.fixedDecimal(hundredths: cents) }
        guard cents >= 100_000 else {
            out.byte("$")
            return out.fixedDecimal(hundredths: cents)
        }
        out.string("\"$")
        out.number(cents / 100_000)
        out.byte(",")
        out.three(cents / 100 % 1000)
        out.byte(".")
        out.two(cents % 100)
        out.byte("\"")
    }

    private func writeRest(_ trip: GeneratedTrip, _ defect: TripDefect?, _ out: inout DigitWriter) {
        out.byte(",")
        out.copy(payments, trip.payment.rawValue)
        out.byte(",")
        if defect == .badUTF8 {
            out.string("Caf")
            out.byte(Unicode.Scalar(0xe9))
        } else {
            out.copy(trip.isEarly ? earlyCompanies : companies, trip.company)
        }
        out.byte(",")
        out.copy(points, trip.pickup)
        out.byte(",")
        out.copy(points, trip.dropoff)
        if style == .dollar {
            out.byte(",")
            out.copy(boundaryKeys, trip.pickup)
        }
        if defect == .tooManyFields { out.string(",one,more") }
    }
}

private func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : String(value) }
