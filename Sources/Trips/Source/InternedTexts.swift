internal import CByteScan

/// Texts, each kept once: a batch's cells become places in one block.
final class InternedTexts {
    private var bytes: UnsafeMutablePointer<UInt8>
    private var capacity = 1 << 16
    private var used = 0
    /// Cells by hash, 0 for free; never more than half full.
    private var table = [Int64](repeating: 0, count: 1 << 12)
    private var textCount = 0

    /// So many different ones that another way is better: companies and places are some thousand at most.
    private static let mostTexts = 1 << 17

    var base: UnsafePointer<UInt8> { UnsafePointer(bytes) }
    var byteCount: Int { used }

    init() { bytes = .allocate(capacity: capacity) }
    deinit { bytes.deallocate() }

    /// Replaces the text cells of a batch; false where the texts have become too many.
    func intern(_ batch: TripBatch, fields: [TripField]) -> Bool {
        for field in fields where field.kind == .string {
            let cells = batch.column(field)
            for row in 0..<batch.count {
                let text = TextCell(cell: cells[row])
                cells[row] = text.isEmpty ? TextCell(offset: 0, length: 0).cell : intern(batch.bytes(text))
            }
        }
        return textCount <= Self.mostTexts
    }

    private func intern(_ text: UnsafeBufferPointer<UInt8>) -> Int64 {
        let mask = table.count - 1
        var slot = Int(truncatingIfNeeded: textHash(text)) & mask
        while table[slot] != 0 {
            let known = TextCell(cell: table[slot])
            if known.length == text.count, textsAreEqual(bytes + known.offset, text.baseAddress!, text.count) {
                return table[slot]
            }
            slot = (slot + 1) & mask
        }
        if used + text.count > capacity { grow(by: text.count) }
        _ = UnsafeMutableBufferPointer(start: bytes + used, count: text.count).initialize(fromContentsOf: text)
        let cell = TextCell(offset: used, length: text.count).cell
        used += text.count
        textCount += 1
        table[slot] = cell
        if textCount * 2 > table.count { rehash() }
        return cell
    }

    private func grow(by count: Int) {
        capacity = max(capacity * 2, used + count)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        larger.update(from: bytes, count: used)
        bytes.deallocate()
        bytes = larger
    }

    private func rehash() {
        let old = table
        table = Array(repeating: 0, count: old.count * 2)
        let mask = table.count - 1
        for cell in old where cell != 0 {
            let text = TextCell(cell: cell)
            var slot =
                Int(truncatingIfNeeded: textHash(UnsafeBufferPointer(start: bytes + text.offset, count: text.length)))
                & mask
            while table[slot] != 0 { slot = (slot + 1) & mask }
            table[slot] = cell
        }
    }
}
