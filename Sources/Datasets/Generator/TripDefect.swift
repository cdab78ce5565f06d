public import Trips

/// What can be wrong with a row that is made for tests; a reader of all columns rejects each for the reason of the same name.
public enum TripDefect: Int, CaseIterable, Sendable {
    /// `n/a` for the pickup's area.
    case badNumber
    /// `12.5O` for the fare, with a letter.
    case badMoney
    /// The 32nd day of a 13th month.
    case badTimestamp
    /// The row ends after Trip Total.
    case tooFewFields
    /// The row goes on after its last column.
    case tooManyFields
    /// A company with a letter of ISO 8859-1.
    case badUTF8
    /// A pickup in area 78 or above.
    case outOfRange

    public var reason: RejectReason {
        switch self {
        case .badNumber: .badNumber
        case .badMoney: .badMoney
        case .badTimestamp: .badTimestamp
        case .tooFewFields: .tooFewFields
        case .tooManyFields: .tooManyFields
        case .badUTF8: .badUTF8
        case .outOfRange: .outOfRange
        }
    }
}
