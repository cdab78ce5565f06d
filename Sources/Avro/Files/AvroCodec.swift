internal import Compression
import Problems

/// How the blocks of an object container file are packed, by the name that the file has for it.
public enum AvroCodec: String, Sendable, CaseIterable {
    case null, deflate, zstandard, snappy

    private var codec: BlockCodec {
        switch self {
        case .null: .plain
        case .deflate: .deflate
        case .zstandard: .zstandard
        case .snappy: .snappy
        }
    }

    /// Of snappy blocks: CRC-32 of what they are unpacked, the highest byte first.
    private static let checksumLength = 4

    func pack(_ bytes: UnsafeRawBufferPointer) throws(Problem) -> [UInt8] {
        var packed = try codec.pack(bytes)
        if self == .snappy { withUnsafeBytes(of: BlockCodec.crc32(bytes).bigEndian) { packed.append(contentsOf: $0) } }
        return packed
    }

    /// - Throws: `BlockDamage` for what is no such block.
    func unpack(_ bytes: UnsafeRawBufferPointer, limit: Int) throws(BlockDamage) -> [UInt8] {
        var content = bytes
        if self == .snappy {
            guard bytes.count >= Self.checksumLength else { throw BlockDamage(reason: "it has no checksum") }
            content = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - Self.checksumLength)])
        }
        let unpacked: [UInt8]
        do throws(BlockCodec.Damage) {
            unpacked = try codec.unpack(content, limit: limit)
        } catch {
            throw BlockDamage(reason: error.reason)
        }
        if self == .snappy {
            let stored = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: content.count, as: UInt32.self))
            let found = unpacked.withUnsafeBytes { BlockCodec.crc32($0) }
            guard stored == found else { throw BlockDamage(reason: "its checksum is another") }
        }
        return unpacked
    }
}

struct BlockDamage: Error {
    var reason: String
}
