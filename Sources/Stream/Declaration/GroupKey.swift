public import Time
public import Trips

/// One thing that a query groups by. A trip where it is null belongs to no group and is counted as skipped.
public enum GroupKey: Sendable, Hashable {
    /// A string or integer column.
    case field(TripField)
    /// Days since 1970-01-01 of the event time on the wall clock of the tenant's zone.
    case day
    /// Hour of the local day, 0…23.
    case hour
    /// Hour of the local week, 0 = Monday 00h … 167 = Sunday 23h.
    case hourOfWeek
    /// `FareBucket` of the fare.
    case fareBucket

    static let derived: [GroupKey] = [.day, .hour, .hourOfWeek, .fareBucket]

    /// The name in a declaration and in output messages.
    public var name: String {
        switch self {
        case .field(let field): field.name
        case .day: "day"
        case .hour: "hour"
        case .hourOfWeek: "hour_of_week"
        case .fareBucket: "fare_bucket"
        }
    }

    /// The column that has to be parsed, if any.
    public var field: TripField? {
        switch self {
        case .field(let field): field
        case .fareBucket: .fare
        case .day, .hour, .hourOfWeek: nil
        }
    }

    public var isString: Bool {
        if case .field(let field) = self { field.kind == .string } else { false }
    }

    /// The hour of the day, 0…23, of milliseconds since 1970 on a wall clock.
    @inlinable public static func hour(ofLocalMs localMs: Int64) -> Int64 {
        floorDivide(localMs, 3_600_000) &- floorDivide(localMs, 86_400_000) &* 24
    }

    /// The hour of the week, 0…167 from Monday 00h, of milliseconds since 1970 on a wall clock.
    @inlinable public static func hourOfWeek(ofLocalMs localMs: Int64) -> Int64 {
        // 1970-01-01 was a Thursday, 72 hours into its week.
        let hours = floorDivide(localMs, 3_600_000) &+ 72
        return hours &- floorDivide(hours, 168) &* 168
    }
}
