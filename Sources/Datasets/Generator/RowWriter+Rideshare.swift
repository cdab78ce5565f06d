import Basics
import Trips

/// Rows of the City's ride-hailing files: the trips of the taxis' model, told as Transportation Network Providers report theirs.
///
/// Source: the City's descriptions of the columns; shares of pooled trips and tips are rough.
extension RowWriter {
    func writeRideshare(
        _ trip: GeneratedTrip, _ random: inout RandomBits, _ defect: TripDefect?, _ out: inout DigitWriter
    ) {
        let isInside = trip.pickup != Places.nowhere && trip.dropoff != Places.nowhere
        writeCourse(trip, defect, &out)
        for _ in 0..<2 {
            out.byte(",")
            out.shortDecimal(hundredths: isInside ? 100 : random.within(5...95))
        }
        out.byte(",")
        writePlaces(trip, defect, &out)
        let isAuthorized = random.happens(60_000)
        let pooled = isAuthorized && random.happens(400_000) ? random.within(2...4) : 1
        out.byte(",")
        writeAmounts(trip, &random, defect, &out)
        if defect == .tooFewFields { return }
        out.byte(",")
        out.string(isAuthorized ? "true" : "false")
        out.byte(",")
        out.string(pooled > 1 ? "true" : "false")
        out.byte(",")
        out.number(pooled)
        out.byte(",")
        if defect == .badUTF8 {
            out.string(",,Caf")
            out.byte(Unicode.Scalar(0xe9))
        } else {
            out.copy(points, trip.pickup)
        }
        out.byte(",")
        out.copy(points, trip.dropoff)
        if defect == .tooManyFields { out.string(",one,more") }
    }

    /// Fares in steps of 2.50, tips in dollars, charges to the cent; what has no fare has none of them.
    private func writeAmounts(
        _ trip: GeneratedTrip, _ random: inout RandomBits, _ defect: TripDefect?, _ out: inout DigitWriter
    ) {
        let isTipped = random.happens(220_000)
        guard trip.fare >= 0 else { return out.string(defect == .badMoney ? "12.5O,,," : ",,,") }
        let fare = (trip.fare + 125) / 250 * 250
        let tip = isTipped ? max(100, (fare / 6 + 50) / 100 * 100) : 0
        let charges = trip.extras + 122 + random.below(5) * 125
        if defect == .badMoney { out.string("12.5O") } else { out.shortDecimal(hundredths: fare) }
        for cents in [tip, charges, fare + tip + charges] {
            out.byte(",")
            out.shortDecimal(hundredths: cents)
        }
    }
}
