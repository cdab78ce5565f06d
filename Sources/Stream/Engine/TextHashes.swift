import Trips

/// The hashes of a column's values, for `distinct`.
final class TextHashes {
    /// The last hash of each text by its cell: texts of a stored batch are shared, so that a taxi's 128 characters are hashed once a batch.
    private var cells: [Int64] = []
    private var hashes: [Int64] = []
    private static let bits: UInt64 = 12
    /// Of fewer rows it does not pay to forget those of the batch before.
    private static let fewRows = 512

    /// Fills `out` with the hash of each row, 0 for null.
    func fill(_ out: UnsafeMutablePointer<Int64>, _ field: TripField, _ batch: TripBatch, from first: Int) {
        let column = batch.column(field)
        switch field.kind {
        case .string where batch.count - first < Self.fewRows:
            for row in first..<batch.count { out[row] = Self.hash(column[row], batch) }
        case .string: fillTexts(out, column, batch, from: first)
        case .decimal:
            for row in first..<batch.count {
                out[row] =
                    column[row] == nullCell ? 0 : Int64(bitPattern: DistinctHash.of(decimal: .init(cell: column[row])))
            }
        case .integer, .money, .timestamp:
            for row in first..<batch.count {
                out[row] = column[row] == nullCell ? 0 : Int64(bitPattern: DistinctHash.of(integer: column[row]))
            }
        }
    }

    private static func hash(_ cell: Int64, _ batch: TripBatch) -> Int64 {
        let text = TextCell(cell: cell)
        return text.isEmpty ? 0 : Int64(bitPattern: DistinctHash.of(text: batch.bytes(text)))
    }

    private func fillTexts(
        _ out: UnsafeMutablePointer<Int64>, _ column: UnsafePointer<Int64>, _ batch: TripBatch, from first: Int
    ) {
        if cells.isEmpty {
            cells = Array(repeating: 0, count: 1 << Int(Self.bits))
            hashes = cells
        }
        // A cell of 0 is an empty text, which has place 0, and whose hash is 0 too.
        cells.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
        hashes[0] = 0
        cells.withUnsafeMutableBufferPointer { cells in
            hashes.withUnsafeMutableBufferPointer { hashes in
                for row in first..<batch.count {
                    let cell = column[row]
                    let place = Int((UInt64(bitPattern: cell) &* 0x9e37_79b9_7f4a_7c15) >> (64 - Self.bits))
                    if cells[place] != cell {
                        cells[place] = cell
                        hashes[place] = Self.hash(cell, batch)
                    }
                    out[row] = hashes[place]
                }
            }
        }
    }
}
