/// The state of a `distinct`: up to 8,192 values it is the set of their hashes, and counts them exactly; beyond, registers that estimate
/// within about 0.4 %.
///
/// It is a function of the set of values alone, whatever their order and however they came to it: through one sketch or through many
/// that were united.
public struct DistinctSketch: ~Copyable {
    /// So many values are told apart. Two of so many have the same 64 bits once in 500 billion sketches.
    public static let exactLimit = 8192

    /// While exact: open addressing by the first bits of a hash, so that the table is nearly in order; 0 for free. nil for no value.
    private var slots: UnsafeMutablePointer<UInt64>?
    private var capacityBits = 0
    private var used = 0
    private var registers: UnsafeMutablePointer<UInt8>?

    public init() {}

    deinit {
        slots?.deallocate()
        registers?.deallocate()
    }

    public var isEmpty: Bool { used == 0 && registers == nil }

    /// Adds a value by its `DistinctHash`.
    @inline(__always)
    public mutating func insert(_ hash: UInt64) {
        guard let slots else { return insertSlowly(hash) }
        let mask = 1 << capacityBits &- 1
        var slot = Int(truncatingIfNeeded: hash >> UInt64(64 &- capacityBits))
        while true {
            let found = slots[slot]
            if found == hash { return }
            if found == 0 { break }
            slot = (slot &+ 1) & mask
        }
        guard used < Self.exactLimit, used &* 2 < 1 << capacityBits else { return insertSlowly(hash) }
        slots[slot] = hash
        used &+= 1
    }

    /// What is not in a table with room.
    @inline(never)
    private mutating func insertSlowly(_ hash: UInt64) {
        if registers != nil { return raise(hash) }
        if used == Self.exactLimit {
            becomeRegisters()
            return raise(hash)
        }
        grow()
        insert(hash)
    }

    private mutating func grow() {
        let (old, oldCapacity) = (slots, slots == nil ? 0 : 1 << capacityBits)
        capacityBits = slots == nil ? 4 : capacityBits + 1
        let larger = UnsafeMutablePointer<UInt64>.allocate(capacity: 1 << capacityBits)
        larger.initialize(repeating: 0, count: 1 << capacityBits)
        (slots, used) = (larger, 0)
        for slot in 0..<oldCapacity {
            if let hash = old?[slot], hash != 0 { insert(hash) }
        }
        old?.deallocate()
    }

    private mutating func becomeRegisters() {
        let registers = UnsafeMutablePointer<UInt8>.allocate(capacity: DistinctRegisters.count)
        registers.initialize(repeating: 0, count: DistinctRegisters.count)
        self.registers = registers
        guard let slots else { return }
        for slot in 0..<1 << capacityBits where slots[slot] != 0 { raise(slots[slot]) }
        slots.deallocate()
        (self.slots, used) = (nil, 0)
    }

    private func raise(_ hash: UInt64) {
        guard let registers else { return }
        let (register, rank) = DistinctRegisters.place(of: hash)
        if registers[register] < rank { registers[register] = rank }
    }

    public mutating func removeAll() {
        slots?.deallocate()
        registers?.deallocate()
        (slots, registers, used) = (nil, nil, 0)
    }

    /// Adds all values of another.
    public mutating func formUnion(_ other: borrowing DistinctSketch) {
        if let theirs = other.registers { return raise(to: theirs) }
        guard let theirs = other.slots else { return }
        for slot in 0..<1 << other.capacityBits where theirs[slot] != 0 { insert(theirs[slot]) }
    }

    private mutating func raise(to theirs: UnsafePointer<UInt8>) {
        if registers == nil { becomeRegisters() }
        guard let registers else { return }
        for register in 0..<DistinctRegisters.count where registers[register] < theirs[register] {
            registers[register] = theirs[register]
        }
    }

    /// How many distinct values there are; from registers never less than what they begin with.
    public var count: Int64 {
        guard let registers else { return Int64(used) }
        return max(Int64(Self.exactLimit) + 1, DistinctRegisters.estimate(registers))
    }
}

// MARK: - Stored

extension DistinctSketch {
    /// Appends what `DistinctText` describes.
    public func append(to out: inout OutputBuffer) {
        if let registers { return DistinctText.append(registers: registers, to: &out) }
        guard let slots else { return }
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: used) { hashes in
            var count = 0
            for slot in 0..<1 << capacityBits where slots[slot] != 0 {
                // Only those that found their slot taken are out of order, and those whose search began anew at the table's start.
                var place = count
                while place > 0, hashes[place - 1] > slots[slot] {
                    hashes[place] = hashes[place - 1]
                    place -= 1
                }
                hashes[place] = slots[slot]
                count += 1
            }
            DistinctText.append(hashes: UnsafeBufferPointer(hashes), to: &out)
        }
    }

    /// Adds all values of a stored one; false, with nothing added, for a text that is none.
    public mutating func formUnion(stored text: UnsafeRawBufferPointer) -> Bool {
        switch DistinctText.content(of: text) {
        case nil: return false
        case .hashes(let hashes): for hash in hashes { insert(hash) }
        case .registers(let registers): registers.withUnsafeBufferPointer { raise(to: $0.baseAddress!) }
        }
        return true
    }
}
