internal import Postgres
internal import Problems

/// A type of PostgreSQL that a column has.
public enum PublishedType: Sendable, Hashable {
    case bigint
    /// Flags, 0 and 1: SQL that compares them with numbers is the same here and there.
    case smallint
    case double
    /// Twenty digits in all, so that each 64-bit number of that unit fits.
    case numeric(decimals: Int)
    /// From ms UTC, or from ISO 8601 with an offset.
    case timestamptz
    /// From days since 1970, or from `2024-04-13`.
    case date
    case text

    var sql: String {
        switch self {
        case .bigint: "bigint"
        case .smallint: "smallint"
        case .double: "double precision"
        case .numeric(let decimals): "numeric(20,\(decimals))"
        case .timestamptz: "timestamptz"
        case .date: "date"
        case .text: "text"
        }
    }
}

/// A column as it is published.
public struct PublishedColumn: Sendable, Hashable {
    public var name: String
    /// nil where only the values tell: columns of somebody's own analyses.
    public var type: PublishedType?
    /// For people, with its unit; "" for nothing to say.
    public var about: String

    public init(_ name: String, _ type: PublishedType?, _ about: String = "") {
        (self.name, self.type, self.about) = (name, type, about)
    }
}

/// A public view as it is published: a table of the same name with the same columns.
public struct PublishedView: Sendable {
    /// Where its rows come from.
    public enum Source: Sendable {
        /// The windows of a query: rows of `stored`, whose key is the window's start in ms. `select` gives the view's columns, times as ms
        /// and days as numbers, of the windows from its first parameter up to before its second.
        case windows(stored: String, keys: String?, select: String)
        /// All rows at once.
        case rows(select: String)
    }

    public var name: String
    public var about: String
    public var columns: [PublishedColumn]
    /// Columns that tell rows apart; none where that is not known. Where values turn out to contradict it, there is no primary key.
    public var key: [String]
    public var source: Source
    /// The query whose checkpoint changes whenever rows do; nil for rows of anything else.
    public var query: String?

    public init(
        name: String, about: String, columns: [PublishedColumn], key: [String], source: Source, query: String? = nil
    ) {
        (self.name, self.about, self.columns, self.key) = (name, about, columns, key)
        (self.source, self.query) = (source, query)
    }
}
