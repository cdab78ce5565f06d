import Topics
import Trips

/// Columns of numbers as their format is described, one byte and one cell at a time: what the fast reader is held to.
enum SlowNumbers {
    /// - Returns: nil where the bytes are no such column.
    static func read(_ encoding: UInt8, _ bytes: [UInt8], count: Int) -> [Int64]? {
        var place = 0
        func unsigned(_ width: Int) -> UInt64? {
            guard bytes.count - place >= width else { return nil }
            defer { place += width }
            return bytes[place..<place + width].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        func signed() -> Int64? { unsigned(8).map { Int64(bitPattern: $0) } }
        var cells: [Int64] = []
        switch encoding {
        case 0:
            guard let cell = signed() else { return nil }
            cells = Array(repeating: cell, count: count)
        case 1:
            guard let base = signed(), let step = signed(), let width = unsigned(1), [1, 2, 4, 8].contains(width) else {
                return nil
            }
            for _ in 0..<count {
                guard let number = unsigned(Int(width)) else { return nil }
                if width == 8 {
                    cells.append(Int64(bitPattern: number))
                } else if number == (1 << (8 * width)) - 1 {
                    cells.append(.min)
                } else {
                    let (product, isLarge) = Int64(number).multipliedReportingOverflow(by: step)
                    let (cell, isLarger) = base.addingReportingOverflow(product)
                    if isLarge || isLarger { return nil }
                    cells.append(cell)
                }
            }
        case 2:
            guard let size = unsigned(2) else { return nil }
            let entries = (0..<size).map { _ in signed() }
            guard let width = unsigned(1), width == 1 || width == 2 else { return nil }
            for _ in 0..<count {
                guard let index = unsigned(Int(width)), index < size, let cell = entries[Int(index)] else { return nil }
                cells.append(cell)
            }
        default: return nil
        }
        return place == bytes.count ? cells : nil
    }
}

/// How many rows a payload of columns says that it has.
func rowCount(_ payload: [UInt8]) -> Int {
    payload.count < 5 ? 0 : payload[1...4].reversed().reduce(0) { $0 << 8 | Int($1) }
}

/// What a reader of a topic gets from a stored batch.
func records(_ payload: [UInt8], _ encoding: BatchEncoding) throws -> [TopicRecord] {
    let batch = StoredBatch(
        partition: 0, baseOffset: 0, count: min(rowCount(payload), 1 << 28), times: 0...7, encoding: encoding,
        payload: payload)
    return try batch.records()
}
