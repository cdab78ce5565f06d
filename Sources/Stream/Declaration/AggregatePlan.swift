public import Trips

/// What an aggregate does with the values of its column.
public enum AggregateFunction: Sendable, Hashable {
    /// Trips.
    case count
    /// Trips where the column is not null.
    case countField
    case sum
    /// Half-up to 2 decimals (6 for coordinates).
    case avg
    case min
    case max
    /// The standard deviation of the values as a sample, n − 1 in the divisor; rounded as `avg`. Null for fewer than 2 values.
    case stddev
    /// How many different values there are: exactly up to 8,192, beyond within 2 %.
    case distinct
    /// The least value whose share of values up to it is at least this (0…1), within 0.5 %: read from log buckets.
    case quantile(Double)
}

extension AggregateFunction {
    /// As declarations write them.
    static let names = ["count", "sum", "avg", "min", "max", "stddev", "distinct", "quantile"]

    /// - Parameters:
    ///   - name: one of `names`, with a column.
    ///   - share: of a quantile.
    init(_ name: String, share: Double) {
        switch name {
        case "count": self = .countField
        case "sum": self = .sum
        case "avg": self = .avg
        case "min": self = .min
        case "max": self = .max
        case "stddev": self = .stddev
        case "distinct": self = .distinct
        default: self = .quantile(share)
        }
    }

    var name: String {
        switch self {
        case .count, .countField: "count"
        case .sum: "sum"
        case .avg: "avg"
        case .min: "min"
        case .max: "max"
        case .stddev: "stddev"
        case .distinct: "distinct"
        case .quantile: "quantile"
        }
    }

    /// Whether it needs the values of its column to be numbers.
    static func isOfNumbers(_ name: String) -> Bool { !["count", "distinct"].contains(name) }
}

/// What a stored integer stands for.
public enum ValueUnit: Sendable, Hashable {
    case whole, cents, millionths

    /// Decimal places of the integer.
    public var decimals: Int {
        switch self {
        case .whole: 0
        case .cents: 2
        case .millionths: 6
        }
    }
}

/// One aggregate of a query: its function, its column, and what its state looks like in memory and in storage.
///
/// State, in words of 64 bits that merge:
///
///     count            n                    added
///     sum, avg         sum, n               added; n counts the values that are not null
///     min, max         value                `nullCell` for none; stored as NULL
///     stddev           result, n, sum,      n and the sums are added, each sum in two words (`SplitSum`); the result is worked out of
///                      sum of squares       them for each epoch that stores them, since SQL takes no roots; `nullCell` for none
///     distinct         result               beside a sketch, which values are added to; worked out of it in the same way
///     quantile         histogram            counts by `FareBucket` of the integer (cents, millionths, whole); no words
public struct AggregatePlan: Sendable, Hashable {
    public var name: String
    public var function: AggregateFunction
    /// The column it reads; nil for `count()`.
    public var field: TripField?

    public init(name: String, function: AggregateFunction, field: TripField? = nil) {
        (self.name, self.function, self.field) = (name, function, field)
    }

    /// How many words the state has beside a histogram or a sketch.
    public var words: Int {
        switch function {
        case .count, .countField, .min, .max, .distinct: 1
        case .sum, .avg: 2
        case .stddev: 6
        case .quantile: 0
        }
    }

    /// Whether its first word is `nullCell` as long as no value was added.
    public var beginsWithNull: Bool {
        switch function {
        case .min, .max, .stddev: true
        case .count, .countField, .sum, .avg, .distinct, .quantile: false
        }
    }

    /// How many bits its sums have.
    var sumBits: Int { function == .stddev ? 128 : 64 }

    public var hasHistogram: Bool { if case .quantile = function { true } else { false } }
    public var hasSketch: Bool { function == .distinct }

    /// One column of storage, or one element of a packed group.
    public struct Column: Sendable, Hashable {
        public enum Kind: Sendable {
            case word, nullableWord
            /// Text: JSON, and what `DistinctText` describes.
            case histogram, sketch

            public var isText: Bool { self == .histogram || self == .sketch }
        }
        public var name: String
        public var kind: Kind
        /// Whether it counts something, and so cannot be negative.
        public var isCount = false
        /// Whether it is the lower word of a `SplitSum`.
        public var isLow = false
    }

    /// The state's columns, in order.
    public var columns: [Column] {
        switch function {
        case .count, .countField: [Column(name: name, kind: .word, isCount: true)]
        case .sum, .avg:
            [Column(name: "\(name)_sum", kind: .word), Column(name: "\(name)_n", kind: .word, isCount: true)]
        case .min, .max: [Column(name: name, kind: .nullableWord)]
        case .stddev:
            [Column(name: name, kind: .nullableWord), Column(name: "\(name)_n", kind: .word, isCount: true)]
                + ["sum", "squares"].flatMap { sum in
                    [
                        Column(name: "\(name)_\(sum)_high", kind: .word),
                        Column(name: "\(name)_\(sum)_low", kind: .word, isLow: true),
                    ]
                }
        case .distinct:
            // What is read most comes first: SQLite need not look at the pages of the rest.
            [
                Column(name: name, kind: .word, isCount: true), Column(name: "\(name)_sketch", kind: .sketch),
            ]
        case .quantile: [Column(name: name, kind: .histogram)]
        }
    }

    /// Unit of the state's integers.
    public var unit: ValueUnit {
        switch (function, field?.kind) {
        case (.count, _), (.countField, _), (.distinct, _): .whole
        case (_, .money): .cents
        case (_, .decimal): .millionths
        default: .whole
        }
    }

    /// Decimal places of the result.
    public var decimals: Int {
        switch function {
        case .count, .countField, .sum, .min, .max, .distinct: unit.decimals
        case .avg, .stddev: field?.isCoordinate == true ? 6 : 2
        // As many as keep its promise: miles are fractions of a mile too.
        case .quantile: max(2, unit.decimals)
        }
    }

    /// How a declaration writes it: `quantile(fare, 0.9)`.
    public var expression: String {
        let column = field?.name ?? ""
        if case .quantile(let share) = function { return "quantile(\(column), \(share))" }
        return "\(function.name)(\(column))"
    }
}

extension TripField {
    var isCoordinate: Bool {
        switch self {
        case .pickupLatitude, .pickupLongitude, .dropoffLatitude, .dropoffLongitude: true
        default: false
        }
    }
}
