import Trips

/// The distinct values of one state, counted in the plainest way: a set of their hashes, and where that outgrows what is told apart,
/// registers.
struct DistinctTally: Equatable {
    private var hashes: Set<UInt64> = []
    /// Empty as long as `hashes` has them all.
    private var registers: [UInt8] = []

    init() {}

    /// nil for a text that no state gives.
    init?(stored text: [UInt8]) {
        switch text.withUnsafeBytes({ DistinctText.content(of: $0) }) {
        case nil: return nil
        case .hashes(let stored): hashes = Set(stored)
        case .registers(let stored): registers = stored
        }
    }

    /// Returns how many bytes more it takes.
    mutating func add(_ hash: UInt64) -> Int {
        guard registers.isEmpty else {
            raise(hash)
            return 0
        }
        guard hashes.insert(hash).inserted else { return 0 }
        guard hashes.count > DistinctSketch.exactLimit else { return 16 }
        registers = Array(repeating: 0, count: DistinctRegisters.count)
        for hash in hashes { raise(hash) }
        defer { hashes = [] }
        return registers.count - 16 * (hashes.count - 1)
    }

    private mutating func raise(_ hash: UInt64) {
        let (register, rank) = DistinctRegisters.place(of: hash)
        registers[register] = max(registers[register], rank)
    }

    var bytes: Int { registers.count + 16 * hashes.count }

    var result: Int64 {
        registers.isEmpty
            ? Int64(hashes.count)
            : max(
                Int64(DistinctSketch.exactLimit) + 1,
                registers.withUnsafeBufferPointer { DistinctRegisters.estimate($0.baseAddress!) })
    }

    /// As it is stored.
    var text: String {
        var out = OutputBuffer()
        if registers.isEmpty {
            hashes.sorted().withUnsafeBufferPointer { DistinctText.append(hashes: $0, to: &out) }
        } else {
            registers.withUnsafeBufferPointer { DistinctText.append(registers: $0.baseAddress!, to: &out) }
        }
        return String(decoding: out.bytes, as: UTF8.self)
    }

    /// Whether another has all of these values, as far as registers know.
    func isPart(of other: DistinctTally) -> Bool {
        if other.registers.isEmpty { return registers.isEmpty && hashes.isSubset(of: other.hashes) }
        if !registers.isEmpty { return zip(registers, other.registers).allSatisfy { $0 <= $1 } }
        return hashes.allSatisfy { hash in
            let (register, rank) = DistinctRegisters.place(of: hash)
            return rank <= other.registers[register]
        }
    }
}
