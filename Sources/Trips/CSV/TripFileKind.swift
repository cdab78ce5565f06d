/// Which of the City's data sets a file is of.
public enum TripFileKind: String, Sendable, Codable, CaseIterable {
    /// *Taxi Trips*.
    case taxi
    /// *Transportation Network Providers - Trips*: ride-hailing, of 2018 to 2022 or (with three columns more) since 2023.
    case rideshare

    public var words: String { self == .taxi ? "taxi trips" : "ride-hailing trips" }

    /// Fields that no file of the kind has: null in each of its trips, and nothing to warn of.
    public var lacks: TripFieldSet { self == .taxi ? [] : TripFieldSet([.taxiID, .tolls, .paymentType, .company]) }
}

extension CSVHeader {
    /// Ride-hailing where a column says so and none that only taxis have says otherwise.
    public var kind: TripFileKind {
        let isRideshare = names.contains { Self.rideshareFields[Self.normalized($0)] != nil || Self.isKnown(other: $0) }
        return isRideshare && present.intersection(TripFileKind.rideshare.lacks).isEmpty ? .rideshare : .taxi
    }

    /// Names that ride-hailing files have for what taxis' call otherwise, normalized.
    static let rideshareFields: [String: TripField] = ["tip": .tips, "additionalcharges": .extras]

    /// Columns of ride-hailing files that hold no field of a trip, normalized.
    private static let rideshareOthers: Set<String> = [
        "percenttimechicago", "percentdistancechicago", "sharedtripauthorized", "sharedtripmatch", "tripspooled",
    ]

    /// Whether a column is known, and left out for all that.
    static func isKnown(other name: String) -> Bool { rideshareOthers.contains(normalized(name)) }

    /// Fields that the file has no column for and its kind would have.
    public var missing: TripFieldSet { TripFieldSet.all.subtracting(present).subtracting(kind.lacks) }
    /// Columns of the file's kind that are known and left out.
    public var leftOut: [String] { zip(names, fields).compactMap { $1 == nil && Self.isKnown(other: $0) ? $0 : nil } }
}
