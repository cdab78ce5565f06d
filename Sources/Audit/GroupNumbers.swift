import Trips

/// Numbers texts, and keys of several parts, in the order in which they are met: the group ids of a recount.
///
/// A key of one text is its bytes. Of several parts each is a byte that says its kind, then a text's length (4 bytes) and bytes, or
/// an integer's 8 bytes: no two keys are alike.
struct GroupNumbers {
    enum Part: Hashable {
        case text([UInt8])
        case integer(Int64)
    }

    private var bytes: [UInt8] = []
    /// Where each key ends in `bytes`, after a leading 0.
    private var ends = [0]
    /// Number + 1 by hash, 0 for free; never more than half full.
    private var slots = [UInt32](repeating: 0, count: 1024)

    var count: Int { ends.count - 1 }
    /// What it takes in memory.
    var size: Int { bytes.capacity + ends.capacity * 8 + slots.count * 4 }

    func withKey<Result>(_ number: Int64, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        bytes.withUnsafeBufferPointer {
            body(UnsafeBufferPointer(rebasing: $0[ends[Int(number)]..<ends[Int(number) + 1]]))
        }
    }

    /// The number of a key; nil where it was never added.
    func find(_ key: UnsafeBufferPointer<UInt8>) -> Int64? { look(key).number }

    /// The number of a key; the next one where it is new.
    mutating func number(of key: UnsafeBufferPointer<UInt8>) -> Int64 {
        let (found, slot) = look(key)
        if let found { return found }
        bytes.append(contentsOf: key)
        ends.append(bytes.count)
        slots[slot] = UInt32(count)
        if count * 2 > slots.count { grow() }
        return Int64(count - 1)
    }

    private func look(_ key: UnsafeBufferPointer<UInt8>) -> (number: Int64?, slot: Int) {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: textHash(key)) & mask
        return bytes.withUnsafeBufferPointer { bytes in
            while slots[slot] != 0 {
                let number = Int(slots[slot]) - 1
                let (start, length) = (ends[number], ends[number + 1] - ends[number])
                if length == key.count,
                    length == 0 || textsAreEqual(bytes.baseAddress! + start, key.baseAddress!, length)
                {
                    return (Int64(number), slot)
                }
                slot = (slot + 1) & mask
            }
            return (nil, slot)
        }
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: slots.count * 2)
        let mask = slots.count - 1
        for number in 0..<count {
            var slot = withKey(Int64(number)) { Int(truncatingIfNeeded: textHash($0)) & mask }
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = UInt32(number + 1)
        }
    }
}

extension GroupNumbers {
    /// A key of several parts.
    static func key(_ parts: [Part]) -> [UInt8] {
        if parts.count == 1, case .text(let text) = parts[0] { return text }
        var key: [UInt8] = []
        for part in parts {
            switch part {
            case .text(let text):
                key.append(1)
                withUnsafeBytes(of: UInt32(text.count).littleEndian) { key += $0 }
                key += text
            case .integer(let value):
                key.append(2)
                withUnsafeBytes(of: value.littleEndian) { key += $0 }
            }
        }
        return key
    }

    /// The parts of a key, of which there are `count`.
    func parts(of number: Int64, count: Int) -> [Part] {
        withKey(number) { bytes in
            if count == 1 { return [.text(Array(bytes))] }
            var rest = bytes[...]
            func integer(_ width: Int) -> UInt64 {
                defer { rest = rest.dropFirst(width) }
                return rest.prefix(width).reversed().reduce(0) { $0 << 8 | UInt64($1) }
            }
            return (0..<count).map { _ in
                if rest.popFirst() == 2 { return .integer(Int64(bitPattern: integer(8))) }
                let length = Int(integer(4))
                defer { rest = rest.dropFirst(length) }
                return .text(Array(rest.prefix(length)))
            }
        }
    }
}
