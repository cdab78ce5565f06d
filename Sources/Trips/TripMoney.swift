/// How money is written where trips leave the house.
public enum TripMoney: String, Sendable, CaseIterable {
    /// `fare`, in dollars with two decimals.
    case decimal
    /// `fare_cents`, a whole number, for readers that know no decimals.
    case cents

    /// What columns of money are called in front of this where they hold cents.
    public static let centsSuffix = "_cents"

    /// What a field is called.
    public func name(of field: TripField) -> String {
        field.kind == .money && self == .cents ? field.name + Self.centsSuffix : field.name
    }
}
