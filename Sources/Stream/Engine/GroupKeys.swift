import Trips

/// Numbers the groups of a query whose keys are not one integer: each distinct key gets the next id, for ever.
///
/// A key's bytes are its parts one behind the other, each so that its end shows: no two keys are alike.
final class GroupKeys {
    private(set) var keys: [[UInt8]] = []
    private var ids: [[UInt8]: Int64] = [:]
    /// For keys of one text: id + 1 by the text's hash, 0 for free; never more than half full.
    private var textTable = [Int32](repeating: 0, count: 1024)
    /// Hashes of the texts in the table, by id.
    private var textHashes: [Int64: UInt64] = [:]
    /// Ids in the order of their keys' bytes, where that is known.
    private var ranks: [Int32]?

    func id(of key: [UInt8]) -> Int64 {
        if let id = ids[key] { return id }
        let id = Int64(keys.count)
        ids[key] = id
        keys.append(key)
        ranks = nil
        return id
    }

    /// The id of a key that is a single text.
    ///
    /// Complexity: O(length); nothing is allocated for a text that was met before.
    func id(ofText bytes: UnsafeBufferPointer<UInt8>) -> Int64 {
        let hash = textHash(bytes)
        let mask = textTable.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while textTable[slot] != 0 {
            let id = Int(textTable[slot]) - 1
            if isKey(id, bytes) { return Int64(id) }
            slot = (slot + 1) & mask
        }
        let found = id(of: Self.key(parts: [.text(Array(bytes))]))
        remember(found, hash)
        return found
    }

    /// Whether a key is this text: its bytes, then the two zeros of its end.
    @inline(__always)
    private func isKey(_ id: Int, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        keys[id].withUnsafeBufferPointer { key in
            guard key.count == bytes.count &+ 2 else { return false }
            return textsAreEqual(key.baseAddress!, bytes.baseAddress!, bytes.count)
        }
    }

    private func remember(_ id: Int64, _ hash: UInt64) {
        // A text with a zero in it has a longer key, so the table does not find it, and it comes here again.
        guard textHashes[id] == nil else { return }
        if (textHashes.count + 1) * 2 > textTable.count { grow() }
        textHashes[id] = hash
        put(id, hash)
    }

    private func put(_ id: Int64, _ hash: UInt64) {
        let mask = textTable.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while textTable[slot] != 0 { slot = (slot + 1) & mask }
        textTable[slot] = Int32(id + 1)
    }

    private func grow() {
        textTable = Array(repeating: 0, count: textTable.count * 2)
        for (id, hash) in textHashes { put(id, hash) }
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
