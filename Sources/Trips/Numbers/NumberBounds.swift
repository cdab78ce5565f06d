import Basics
public import Time

/// What the numbers of a column may be: narrow enough that sums of them stay far from the ends of 64 bits, wide enough for every
/// real trip.
///
/// One table for all readers: CSV, JSON and stored columns. Beyond it a record is `out_of_range`.
public struct NumberBounds: Sendable, Hashable {
    /// In the column's own unit: dollars, miles, seconds, degrees. Both ends are allowed.
    public let least: Int64
    public let greatest: Int64
    /// How many decimals are kept; further ones are rounded, half away from zero. A whole number has none.
    public let decimals: Int
    /// `dollars`, `miles`; empty for numbers that only name something.
    public let unit: String

    fileprivate init(_ range: ClosedRange<Int64>, decimals: Int = 0, _ unit: String = "") {
        (least, greatest, self.decimals, self.unit) = (range.lowerBound, range.upperBound, decimals, unit)
    }

    /// `0…9,000 miles`
    public var text: String {
        "\(grouped(least))…\(grouped(greatest))" + (unit.isEmpty ? "" : " \(unit)")
    }
}

extension TripField {
    /// The bounds of a column of numbers, nil for texts and times.
    public var bounds: NumberBounds? {
        switch self {
        case .fare, .tips, .tolls, .extras, .total: NumberBounds(-90_000...90_000, decimals: 2, "dollars")
        case .seconds: NumberBounds(0...9_000_000, "seconds")
        case .miles: NumberBounds(0...9_000, decimals: 6, "miles")
        case .pickupTract, .dropoffTract: NumberBounds(0...99_999_999_999)
        case .pickupArea, .dropoffArea: NumberBounds(1...77)
        case .pickupLatitude, .dropoffLatitude: NumberBounds(-90...90, decimals: 10, "degrees")
        case .pickupLongitude, .dropoffLongitude: NumberBounds(-180...180, decimals: 10, "degrees")
        case .tripID, .taxiID, .startTimestamp, .endTimestamp, .paymentType, .company, .pickupLocation,
            .dropoffLocation:
            nil
        }
    }

    /// What of a column is in range, for messages.
    var rangeText: String {
        if let bounds { return bounds.text }
        return kind == .timestamp ? "years 2000…2100" : "longitude -180…180, latitude -90…90"
    }
}

extension WallTime {
    /// The years 2000…2100, on the wall clock.
    public static let validSeconds: Range<Int64> = 946_684_800..<4_133_980_800
}

extension RFC3339 {
    /// The event times that a record may have: the years 2000…2100 in UTC.
    public static let eventTimes: Range<EventTime> = 946_684_800_000..<4_133_980_800_000
}
