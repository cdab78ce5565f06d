import Trips

/// Which of the City's exports a generated file looks like.
public enum TripFileStyle: String, CaseIterable, Sendable {
    /// Since 2017: 23 columns, `45.50`, quotes only where a comma asks for them, LF.
    case portal
    /// Of 2016: a 24th column, `$45.50` and `"$1,234.00"`, quotes where there is a blank, `""` for nothing, CRLF.
    case dollar
    /// Ride-hailing (Transportation Network Providers) since 2023: 24 columns without taxi, payment, company and tolls, `12.5`,
    /// fares in steps of 2.50 and tips in whole dollars.
    case rideshare

    /// The first line, with its line end.
    var header: String {
        if self == .rideshare { return Self.rideshareHeader + "\n" }
        let names = TripField.allCases.map(\.header) + (self == .dollar ? ["Community Areas"] : [])
        return names.map(field).joined(separator: ",") + (self == .dollar ? "\r\n" : "\n")
    }

    /// A field of text, quoted as the style quotes.
    func field(_ text: String) -> String {
        let isQuoted = self == .dollar ? text.isEmpty || text.contains(" ") || text.contains(",") : text.contains(",")
        return isQuoted ? "\"\(text)\"" : text
    }

    var empty: StaticString { self == .dollar ? "\"\"" : "" }

    /// Latitude, longitude and point of a place, given in units of 10^-10 degrees, as three fields; empty ones for 0, 0.
    ///
    /// Columns have nine decimals (of ride-hailing ten), points ten (in 2016 six), without zeros at the end.
    func point(longitude: Int64, latitude: Int64) -> String {
        guard longitude != 0 || latitude != 0 else { return [field(""), field(""), field("")].joined(separator: ",") }
        let digits = self == .dollar ? 6 : 10
        let point = "POINT (\(Self.degrees(longitude, decimals: digits)) \(Self.degrees(latitude, decimals: digits)))"
        let places = self == .rideshare ? 10 : 9
        return
            "\(Self.degrees(latitude, decimals: places)),\(Self.degrees(longitude, decimals: places)),\(field(point))"
    }

    private static let rideshareHeader = """
        Trip ID,Trip Start Timestamp,Trip End Timestamp,Trip Seconds,Trip Miles,Percent Time Chicago,Percent Distance Chicago,\
        Pickup Census Tract,Dropoff Census Tract,Pickup Community Area,Dropoff Community Area,Fare,Tip,Additional Charges,\
        Trip Total,Shared Trip Authorized,Shared Trip Match,Trips Pooled,Pickup Centroid Latitude,Pickup Centroid Longitude,\
        Pickup Centroid Location,Dropoff Centroid Latitude,Dropoff Centroid Longitude,Dropoff Centroid Location
        """

    /// Rounded half to even, as the portal does.
    static func degrees(_ value: Int64, decimals: Int) -> String {
        var unit: UInt64 = 1
        for _ in decimals..<10 { unit *= 10 }
        let (whole, rest) = value.magnitude.quotientAndRemainder(dividingBy: unit)
        let isUp = rest * 2 > unit || (rest * 2 == unit && whole % 2 == 1)
        var digits = String(whole + (isUp ? 1 : 0))
        digits = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
        var fraction = digits.suffix(decimals)
        while fraction.last == "0" { fraction.removeLast() }
        let sign = value < 0 ? "-" : ""
        return sign + digits.dropLast(decimals) + (fraction.isEmpty ? "" : "." + fraction)
    }
}
