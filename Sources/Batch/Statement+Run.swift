import SQLite

extension Statement {
    /// Runs a statement that gives no rows, with integers bound from the first parameter on.
    func run(_ values: Int64...) throws {
        for (index, value) in values.enumerated() { bind(index, value) }
        try run()
    }

    /// Runs a statement that gives no rows, with any values bound from the first parameter on.
    func run(_ values: [SQLValue]) throws {
        try bind(values)
        try run()
    }
}

extension SQLValue {
    /// An integer, or null where there is none.
    init(_ value: Int64?) { self = value.map { .integer($0) } ?? .null }
    /// A boolean as the views show it.
    init(flag: Bool) { self = .integer(flag ? 1 : 0) }
}
