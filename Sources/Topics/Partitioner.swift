/// Which partition a record belongs to: as Kafka's own clients say, so that other programs' records of a key meet ours.
///
/// A key always gives the same partition. Records without one stay together until the batch is sent, and then move on to the
/// next partition in turn (the "sticky" way: full batches, spread evenly).
public struct Partitioner: Sendable {
    public let partitionCount: Int
    /// Where records without a key go at present.
    public private(set) var partitionWithoutKey = 0

    /// - Parameter partitionCount: at least 1.
    public init(partitionCount: Int) {
        precondition(partitionCount > 0, "a topic has a partition at least")
        self.partitionCount = partitionCount
    }

    public func partition(forKey key: UnsafeBufferPointer<UInt8>) -> Int {
        Int(Self.murmur2(key) & 0x7fff_ffff) % partitionCount
    }

    public func partition(forKey key: [UInt8]) -> Int { key.withUnsafeBufferPointer(partition(forKey:)) }

    /// Moves records without a key to the next partition; called when a batch of them was sent.
    public mutating func moveOn() { partitionWithoutKey = (partitionWithoutKey + 1) % partitionCount }

    /// MurmurHash2, 32 bits, with Kafka's seed.
    ///
    /// Source: Appleby's MurmurHash2 (public domain), in the variant of `org.apache.kafka.common.utils.Utils.murmur2`.
    public static func murmur2(_ key: UnsafeBufferPointer<UInt8>) -> Int32 {
        let mixer: UInt32 = 0x5bd1_e995
        var hash = 0x9747_b28c ^ UInt32(truncatingIfNeeded: key.count)
        let words = key.count / 4
        if let start = UnsafeRawPointer(key.baseAddress) {
            for word in 0..<words {
                var k = UInt32(littleEndian: start.loadUnaligned(fromByteOffset: word * 4, as: UInt32.self)) &* mixer
                k = (k ^ k >> 24) &* mixer
                hash = (hash &* mixer) ^ k
            }
        }
        let rest = key.count & 3
        if rest > 0 {
            for index in 0..<rest { hash ^= UInt32(key[words * 4 + index]) << UInt32(8 * index) }
            hash = hash &* mixer
        }
        hash = (hash ^ hash >> 13) &* mixer
        return Int32(bitPattern: hash ^ hash >> 15)
    }

    public static func murmur2(_ key: [UInt8]) -> Int32 { key.withUnsafeBufferPointer(murmur2) }
}
