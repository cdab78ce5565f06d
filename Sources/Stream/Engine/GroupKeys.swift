import Trips

/// Numbers the groups of a query whose keys are not one integer: each distinct key gets the next id, for ever.
///
/// A key's bytes are its parts one behind the other, each so that its end shows: no two keys are alike.
final class GroupKeys {
    private(set) var keys: [[UInt8]] = []
    private var ids: [[UInt8]: Int64] = [:]
    /// Text cells that were looked up in this batch: rows of a stored batch share the cells of equal texts.
    private var recent = [(cell: Int64, id: Int64)](repeating: (nullCell, 0), count: 1024)
    /// Ids in the order of their keys' bytes, where that is known.
    private var ranks: [Int32]?

    /// Forgets the cells of the last batch.
    func beginBatch() {
        for i in recent.indices { recent[i].cell = nullCell }
    }

    func id(of key: [UInt8]) -> Int64 {
        if let id = ids[key] { return id }
        let id = Int64(keys.count)
        ids[key] = id
        keys.append(key)
        ranks = nil
        return id
    }

    /// The id of a single text, remembering its cell.
    @inline(__always)
    func id(of cell: Int64, in batch: TripBatch) -> Int64 {
        let slot = Int(truncatingIfNeeded: splitMix64(UInt64(bitPattern: cell))) & 1023
        if recent[slot].cell == cell { return recent[slot].id }
        return lookUp(cell, slot, batch)
    }

    @inline(never)
    private func lookUp(_ cell: Int64, _ slot: Int, _ batch: TripBatch) -> Int64 {
        let found = id(of: GroupKeys.key(parts: [.text(Array(batch.bytes(TextCell(cell: cell))))]))
        recent[slot] = (cell, found)
        return found
    }

    /// For each id its place among all ids, in the order of the keys: what makes output the same whoever came first.
    func order() -> [Int32] {
        if let ranks { return ranks }
        var ranks = [Int32](repeating: 0, count: keys.count)
        for (rank, id) in keys.indices.sorted(by: { keys[$0].lexicographicallyPrecedes(keys[$1]) }).enumerated() {
            ranks[id] = Int32(rank)
        }
        self.ranks = ranks
        return ranks
    }
}

extension GroupKeys {
    enum Part: Equatable {
        case text([UInt8])
        case integer(Int64)
    }

    /// Text: its bytes, of which a 0 becomes 0 and 255, and 0 and 0 at the end; integer: 8 bytes, big-endian with the sign turned. So
    /// keys have the order of their parts, whatever characters a text has.
    static func key(parts: [Part]) -> [UInt8] {
        var key: [UInt8] = []
        for part in parts {
            switch part {
            case .text(let bytes):
                for byte in bytes {
                    key.append(byte)
                    if byte == 0 { key.append(255) }
                }
                key += [0, 0]
            case .integer(let value):
                withUnsafeBytes(of: (UInt64(bitPattern: value) ^ (1 << 63)).bigEndian) { key += $0 }
            }
        }
        return key
    }

    /// The parts of a key, as `isText` says which they are.
    static func parts(of key: [UInt8], isText: [Bool]) -> [Part] {
        var rest = key[...]
        return isText.map { isText in
            if isText {
                var text: [UInt8] = []
                while let byte = rest.popFirst() {
                    // A 0 is followed by 255 where it is a character, else by the end's other 0.
                    if byte == 0, rest.popFirst() != 255 { break }
                    text.append(byte)
                }
                return .text(text)
            }
            defer { rest = rest.dropFirst(8) }
            let bits = rest.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return .integer(Int64(bitPattern: bits ^ (1 << 63)))
        }
    }
}
