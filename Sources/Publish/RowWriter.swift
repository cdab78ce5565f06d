internal import Postgres
internal import Problems
internal import SQLite

/// Writes rows of a view into a COPY, each value as its column's type.
struct RowWriter {
    let view: String
    let names: [String]
    let types: [PublishedType]
    /// How many texts had a NUL or a byte that is no UTF-8, in whose place U+FFFD went out.
    private(set) var replacedTexts = 0

    init(view: String, names: [String], types: [PublishedType]) {
        (self.view, self.names, self.types) = (view, names, types)
    }

    /// - Throws: `.badData` for a value that its type does not hold, with the view, the column and the value.
    mutating func write(_ row: Statement, to stream: CopyStream) throws(Problem) {
        try stream.beginRow(fields: types.count)
        for column in types.indices {
            let kind = row.kind(column)
            if kind == .null {
                stream.null()
                continue
            }
            switch types[column] {
            case .bigint: stream.int64(try whole(row, column, kind))
            case .smallint:
                guard let value = Int16(exactly: try whole(row, column, kind)) else {
                    throw unfit(row, column)
                }
                stream.int16(value)
            case .double:
                guard kind == .integer || kind == .real else { throw unfit(row, column) }
                stream.double(row.real(column))
            case .numeric(let decimals):
                stream.numeric(try scaled(row, column, kind, decimals), scale: decimals)
            case .timestamptz:
                let ms =
                    kind == .integer ? row.integer(column) : kind == .text ? row.withBytes(column, ISOText.ms) : nil
                guard let ms, stream.timestamp(ms: ms) else { throw unfit(row, column) }
            case .date:
                let day =
                    kind == .integer ? row.integer(column) : kind == .text ? row.withBytes(column, ISOText.day) : nil
                guard let day, stream.day(day) else { throw unfit(row, column) }
            case .text:
                guard kind != .blob else { throw unfit(row, column) }
                if row.withBytes(column, stream.text) { replacedTexts += 1 }
            }
        }
    }

    private func whole(_ row: Statement, _ column: Int, _ kind: Statement.Kind) throws(Problem) -> Int64 {
        if kind == .integer { return row.integer(column) }
        guard kind == .real, let value = Int64(exactly: row.real(column)) else { throw unfit(row, column) }
        return value
    }

    /// A number as an integer of so many decimals. Views divide integers by powers of ten, so that what multiplying leaves is noise.
    private func scaled(
        _ row: Statement, _ column: Int, _ kind: Statement.Kind, _ decimals: Int
    ) throws(Problem) -> Int64 {
        let power = Self.powers[decimals]
        if kind == .integer {
            let (value, isTooGreat) = row.integer(column).multipliedReportingOverflow(by: power)
            guard !isTooGreat else { throw unfit(row, column) }
            return value
        }
        guard kind == .real else { throw unfit(row, column) }
        let product = row.real(column) * Double(power)
        let rounded = product.rounded()
        guard let value = Int64(exactly: rounded), abs(product - rounded) <= max(1e-4, abs(product) * 1e-12) else {
            throw unfit(row, column)
        }
        return value
    }

    private static let powers: [Int64] = [
        1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000,
    ]

    private func unfit(_ row: Statement, _ column: Int) -> Problem {
        let shown = row.kind(column) == .blob ? "a blob" : "\"\(row.text(column).prefix(80))\""
        return Problem(
            .badData, "column \(names[column]) of \(view) holds \(shown), which \(types[column].sql) does not",
            hint: "taxi-cli audit shows whether the results are right; --views leaves the view out.")
    }
}
