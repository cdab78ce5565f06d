import Basics
import Time
public import Trips

/// What a comparison reads.
public enum Operand: Sendable, Hashable {
    /// A column: integers as they are, money in cents, decimals in millionths, times in seconds of wall time, strings in bytes.
    case field(TripField)
    /// Of the event time on the wall clock of the tenant's zone, as in `GroupKey`; never null.
    case day, hour, hourOfWeek

    public var name: String {
        switch self {
        case .field(let field): field.name
        case .day: GroupKey.day.name
        case .hour: GroupKey.hour.name
        case .hourOfWeek: GroupKey.hourOfWeek.name
        }
    }
}

public enum Comparison: String, Sendable, Hashable {
    case equal = "="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
}

/// A query's `where`, checked and with its values in the units of the columns.
///
/// It has the three values of SQL: a comparison with null is unknown, `not` of unknown is unknown, and a trip passes only
/// where the whole is true. Strings compare by their UTF-8 bytes; an empty one is a null.
public indirect enum Predicate: Sendable, Hashable {
    /// Two or more, of which all hold.
    case and([Predicate])
    /// Two or more, of which one holds.
    case or([Predicate])
    case not(Predicate)
    case compareInteger(Operand, Comparison, Int64)
    case compareString(TripField, Comparison, [UInt8])
    /// Values in ascending order, none twice.
    case inIntegers(Operand, [Int64])
    case inStrings(TripField, [[UInt8]])
    case isNull(Operand)
    case isNotNull(Operand)

    /// The columns it reads.
    public var fields: TripFieldSet {
        switch self {
        case .and(let parts), .or(let parts): parts.reduce(into: []) { $0.formUnion($1.fields) }
        case .not(let part): part.fields
        case .compareInteger(let operand, _, _), .inIntegers(let operand, _), .isNull(let operand),
            .isNotNull(let operand):
            if case .field(let field) = operand { TripFieldSet(field) } else { [] }
        case .compareString(let field, _, _), .inStrings(let field, _): TripFieldSet(field)
        }
    }
}

extension Predicate: CustomStringConvertible {
    /// The expression as a declaration would write it; two predicates that mean different things differ in it.
    public var description: String {
        switch self {
        case .and(let parts): parts.map(\.inParentheses).joined(separator: " and ")
        case .or(let parts): parts.map(\.inParentheses).joined(separator: " or ")
        case .not(let part): "not (\(part))"
        case .compareInteger(let operand, let comparison, let value):
            "\(operand.name) \(comparison.rawValue) \(operand.text(of: value))"
        case .compareString(let field, let comparison, let bytes):
            "\(field.name) \(comparison.rawValue) \(Self.quoted(bytes))"
        case .inIntegers(let operand, let values):
            "\(operand.name) in (\(values.map(operand.text).joined(separator: ", ")))"
        case .inStrings(let field, let values):
            "\(field.name) in (\(values.map(Self.quoted).joined(separator: ", ")))"
        case .isNull(let operand): "\(operand.name) is null"
        case .isNotNull(let operand): "\(operand.name) is not null"
        }
    }

    private var inParentheses: String {
        switch self {
        case .and, .or: "(\(self))"
        default: description
        }
    }

    private static func quoted(_ bytes: [UInt8]) -> String {
        SQLText.literal(String(decoding: bytes, as: UTF8.self))
    }
}

extension Operand {
    /// A value as a literal of this operand.
    func text(of value: Int64) -> String {
        switch self {
        case .day: return "'\(Calendar.text(ofDay: Int(value)))'"
        case .hour, .hourOfWeek: return "\(value)"
        case .field(let field):
            switch field.kind {
            case .money: return decimalText(value, decimals: 2)
            case .decimal: return decimalText(value, decimals: 6)
            case .timestamp:
                let day = floorDivide(value, 86_400)
                let second = Int(value - day * 86_400)
                let time = [second / 3600, second / 60 % 60, second % 60].map { $0 < 10 ? "0\($0)" : "\($0)" }
                return "'\(Calendar.text(ofDay: Int(day))) \(time.joined(separator: ":"))'"
            case .integer, .string: return "\(value)"
            }
        }
    }
}

extension Predicate: JoinedCondition {}
