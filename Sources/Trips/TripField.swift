/// What a column of the City's export holds.
public enum FieldKind: Sendable {
    case string
    /// Local wall time of the city, as the publisher wrote it: `WallTime`.
    case timestamp
    case integer
    /// A decimal with the digits of its source: `PackedDecimal`.
    case decimal
    /// An amount in dollars, held as `Cents`.
    case money
}

/// The 23 columns of the City of Chicago's *Taxi Trips* export, in its order.
public enum TripField: UInt8, CaseIterable, Sendable {
    case tripID, taxiID, startTimestamp, endTimestamp, seconds, miles
    case pickupTract, dropoffTract, pickupArea, dropoffArea
    case fare, tips, tolls, extras, total, paymentType, company
    case pickupLatitude, pickupLongitude, pickupLocation
    case dropoffLatitude, dropoffLongitude, dropoffLocation

    public static let count = 23

    /// The field's name in JSON and in query declarations.
    public var name: String { Self.table[Int(rawValue)].name }
    /// The header of the official export.
    public var header: String { Self.table[Int(rawValue)].header }
    public var kind: FieldKind { Self.table[Int(rawValue)].kind }

    public init?(name: String) {
        guard let index = Self.table.firstIndex(where: { $0.name == name }) else { return nil }
        self.init(rawValue: UInt8(index))
    }

    private static let table: [(name: String, header: String, kind: FieldKind)] = [
        ("trip_id", "Trip ID", .string),
        ("taxi_id", "Taxi ID", .string),
        ("trip_start_timestamp", "Trip Start Timestamp", .timestamp),
        ("trip_end_timestamp", "Trip End Timestamp", .timestamp),
        ("trip_seconds", "Trip Seconds", .integer),
        ("trip_miles", "Trip Miles", .decimal),
        ("pickup_census_tract", "Pickup Census Tract", .integer),
        ("dropoff_census_tract", "Dropoff Census Tract", .integer),
        ("pickup_community_area", "Pickup Community Area", .integer),
        ("dropoff_community_area", "Dropoff Community Area", .integer),
        ("fare", "Fare", .money),
        ("tips", "Tips", .money),
        ("tolls", "Tolls", .money),
        ("extras", "Extras", .money),
        ("trip_total", "Trip Total", .money),
        ("payment_type", "Payment Type", .string),
        ("company", "Company", .string),
        ("pickup_centroid_latitude", "Pickup Centroid Latitude", .decimal),
        ("pickup_centroid_longitude", "Pickup Centroid Longitude", .decimal),
        ("pickup_centroid_location", "Pickup Centroid Location", .string),
        ("dropoff_centroid_latitude", "Dropoff Centroid Latitude", .decimal),
        ("dropoff_centroid_longitude", "Dropoff Centroid Longitude", .decimal),
        ("dropoff_centroid_location", "Dropoff Centroid  Location", .string),
    ]
}

/// A set of trip fields: which columns a batch holds or a reader needs.
public struct TripFieldSet: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public init(_ field: TripField) { rawValue = 1 << UInt32(field.rawValue) }
    public init(_ fields: [TripField]) { self = fields.reduce(into: []) { $0.formUnion(.init($1)) } }

    public static let all = TripFieldSet(rawValue: (1 << UInt32(TripField.count)) - 1)
    public func contains(_ field: TripField) -> Bool { rawValue & (1 << UInt32(field.rawValue)) != 0 }
    /// The fields of the set, in the export's order.
    public var fields: [TripField] { TripField.allCases.filter(contains) }
}
