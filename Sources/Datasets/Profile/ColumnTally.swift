import Basics
import Trips

/// What is counted of one column.
struct ColumnTally {
    let field: TripField
    private(set) var empty = 0
    private(set) var zeros = 0
    private(set) var rounded = 0
    private(set) var lowest: Int64?
    private(set) var highest: Int64?
    private(set) var sum: Int64 = 0
    private(set) var quoted = 0
    private(set) var texts = 0
    private(set) var distinct: DistinctSample
    /// Text of values, by hash, for columns of which the commonest are wanted.
    private var names: [UInt64: String] = [:]
    private let keepsNames: Bool

    /// More different texts than that are not named.
    private static let maximumNames = 4096

    init(_ field: TripField, capacity: Int) {
        self.field = field
        distinct = DistinctSample(capacity: capacity)
        keepsNames = [.paymentType, .company, .pickupArea, .dropoffArea].contains(field)
    }

    mutating func add(_ batch: TripBatch) {
        rounded += batch.rounded[field] ?? 0
        switch field.kind {
        case .string: addTexts(batch)
        case .decimal: addNumbers(batch) { PackedDecimal(cell: $0).millionths }
        case .timestamp: addNumbers(batch) { WallTime(cell: $0).seconds }
        case .integer, .money: addNumbers(batch) { $0 }
        }
    }

    private mutating func addTexts(_ batch: TripBatch) {
        let cells = batch.column(field)
        for row in 0..<batch.count {
            let text = TextCell(cell: cells[row])
            let bytes = batch.bytes(text)
            if bytes.isEmpty {
                empty += 1
                continue
            }
            texts += 1
            // Text that is no piece of the source had doubled quotes, so it was quoted as well.
            if text.cell < 0 || (text.offset > 0 && batch.source[text.offset - 1] == UInt8(ascii: "\"")) { quoted += 1 }
            let hash = byteHash(bytes)
            if distinct.add(hash), keepsNames, names.count < Self.maximumNames {
                names[hash] = String(decoding: bytes, as: UTF8.self)
            }
        }
    }

    /// - Parameter value: of a cell, in a unit in which values can be compared and added.
    @inline(__always)
    private mutating func addNumbers(_ batch: TripBatch, _ value: (Int64) -> Int64) {
        let cells = batch.column(field)
        var (low, high) = (lowest ?? .max, highest ?? .min)
        for row in 0..<batch.count {
            let cell = cells[row]
            guard cell != nullCell else {
                empty += 1
                continue
            }
            let number = value(cell)
            if number == 0 { zeros += 1 }
            low = min(low, number)
            high = max(high, number)
            sum &+= number
            let hash = splitMix64(UInt64(bitPattern: number))
            if distinct.add(hash), keepsNames { names[hash] = String(number) }
        }
        if low <= high { (lowest, highest) = (low, high) }
    }

    /// The values that came most often, with their counts; equal counts by name.
    func commonest(_ count: Int) -> [FileProfile.Share] {
        let named = distinct.commonest(Self.maximumNames).compactMap { value in
            names[value.hash].map { FileProfile.Share(value: $0, count: value.count) }
        }
        return Array(named.sorted { ($1.count, $0.value) < ($0.count, $1.value) }.prefix(count))
    }

    func profile(rows: Int) -> FileProfile.Column {
        let isNumber = field.kind == .integer || field.kind == .money || field.kind == .decimal
        return FileProfile.Column(
            name: field.name, empty: empty, minimum: lowest.map(text), maximum: highest.map(text),
            zeros: isNumber ? zeros : nil, rounded: isNumber ? rounded : nil, distinct: distinct.distinct,
            isDistinctExact: distinct.isExact)
    }

    func text(_ number: Int64) -> String {
        switch field.kind {
        case .money: decimalText(number, decimals: 2)
        case .decimal: shortDecimal(decimalText(number, decimals: 6))
        case .timestamp: WallTime(seconds: number, form: WallTime.portalForm).text
        case .integer, .string: String(number)
        }
    }
}

/// `4.16` of `4.160000`, `3` of `3.000000`.
private func shortDecimal(_ text: String) -> String {
    let digits = text.prefix(through: text.lastIndex { $0 != "0" } ?? text.startIndex)
    return String(digits.last == "." ? digits.dropLast() : digits)
}
