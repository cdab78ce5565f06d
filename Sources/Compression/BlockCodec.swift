internal import CSnappy
internal import CZlib
internal import CZstd
public import Problems

/// Packs blocks that lie whole in memory, each for itself.
public enum BlockCodec: String, Sendable, CaseIterable {
    case plain
    /// RFC 1951, without a header or checksum.
    case deflate
    /// One frame or more of RFC 8878.
    case zstandard
    /// Raw, not in frames and without a checksum.
    case snappy

    /// Why a block cannot be unpacked.
    public struct Damage: Error, Sendable {
        public var reason: String
    }

    /// - Throws: `.software` where a library does not work.
    public func pack(_ bytes: UnsafeRawBufferPointer) throws(Problem) -> [UInt8] {
        switch self {
        case .plain: return Array(bytes)
        case .deflate: return try Self.deflate(bytes)
        case .zstandard:
            return try Self.filled(ZSTD_compressBound(bytes.count)) { target throws(Problem) in
                let count = ZSTD_compress(target.baseAddress, target.count, bytes.baseAddress, bytes.count, 3)
                guard ZSTD_isError(count) == 0 else {
                    throw Problem(.software, "libzstd cannot pack: \(String(cString: ZSTD_getErrorName(count)))")
                }
                return count
            }
        case .snappy:
            return try Self.filled(snappy_max_compressed_length(bytes.count)) { target throws(Problem) in
                var count = target.count
                let status = snappy_compress(
                    bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count,
                    target.baseAddress?.assumingMemoryBound(to: CChar.self), &count)
                guard status == SNAPPY_OK else { throw Problem(.software, "libsnappy cannot pack") }
                return count
            }
        }
    }

    /// - Parameter limit: bytes that a block may have unpacked; never more memory than some times what it really has is taken.
    public func unpack(_ bytes: UnsafeRawBufferPointer, limit: Int) throws(Damage) -> [UInt8] {
        switch self {
        case .plain:
            guard bytes.count <= limit else { throw Self.tooLarge(limit) }
            return Array(bytes)
        case .deflate: return try Self.inflate(bytes, limit)
        case .zstandard: return try Self.unpackZstandard(bytes, limit)
        case .snappy: return try Self.unpackSnappy(bytes, limit)
        }
    }

    /// The checksum of zlib and gzip: CRC-32 of ISO 3309.
    public static func crc32(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        UInt32(truncatingIfNeeded: crc32_z(0, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count))
    }

    private static func tooLarge(_ limit: Int) -> Damage {
        Damage(reason: "unpacked it is larger than \(limit >> 20) MiB")
    }

    private static func filled(
        _ capacity: Int, _ body: (UnsafeMutableRawBufferPointer) throws(Problem) -> Int
    ) throws(Problem) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: capacity)
        let count = try bytes.withUnsafeMutableBufferPointer { target throws(Problem) in
            try body(UnsafeMutableRawBufferPointer(target))
        }
        bytes.removeLast(capacity - count)
        return bytes
    }
}

// MARK: - deflate

extension BlockCodec {
    private static func deflate(_ bytes: UnsafeRawBufferPointer) throws(Problem) -> [UInt8] {
        var stream = z_stream()
        guard bytes.count <= Int(Int32.max), taxi_raw_deflate_start(&stream, 6) == Z_OK else {
            throw Problem(.software, "zlib \(String(cString: zlibVersion())) cannot start")
        }
        defer { deflateEnd(&stream) }
        return try filled(Int(deflateBound(&stream, UInt(bytes.count)))) { target throws(Problem) in
            stream.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
            stream.avail_in = UInt32(bytes.count)
            stream.next_out = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
            stream.avail_out = UInt32(target.count)
            guard CZlib.deflate(&stream, Z_FINISH) == Z_STREAM_END else {
                throw Problem(.software, "zlib \(String(cString: zlibVersion())) cannot pack")
            }
            return target.count - Int(stream.avail_out)
        }
    }

    private static func inflate(_ bytes: UnsafeRawBufferPointer, _ limit: Int) throws(Damage) -> [UInt8] {
        var stream = z_stream()
        guard bytes.count <= Int(Int32.max), taxi_raw_inflate_start(&stream) == Z_OK else {
            throw Damage(reason: "zlib cannot start")
        }
        defer { inflateEnd(&stream) }
        stream.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.avail_in = UInt32(bytes.count)
        return try growing(bytes.count, limit) { room throws(Damage) in
            stream.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
            stream.avail_out = UInt32(room.count)
            let code = CZlib.inflate(&stream, Z_NO_FLUSH)
            guard code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR else {
                throw Damage(reason: stream.msg.map { String(cString: $0) } ?? "zlib error \(code)")
            }
            let isAtEnd = code == Z_STREAM_END
            // What follows the end is passed over: some writers leave a part of zlib's checksum there.
            if !isAtEnd, stream.avail_out > 0 { throw Damage(reason: "its stream ends too early") }
            return (room.count - Int(stream.avail_out), isAtEnd)
        }
    }

    /// Unpacks step by step into memory that doubles, until a step says that it was the last.
    private static func growing(
        _ packed: Int, _ limit: Int,
        _ step: (UnsafeMutableRawBufferPointer) throws(Damage) -> (count: Int, isLast: Bool)
    ) throws(Damage) -> [UInt8] {
        // One byte more than is allowed shows that it is too large.
        var bytes = [UInt8](repeating: 0, count: min(max(packed * 4, 1 << 12), limit + 1))
        var used = 0
        while true {
            let (count, isLast) = try bytes.withUnsafeMutableBufferPointer { all throws(Damage) in
                try step(UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(all)[used...]))
            }
            used += count
            guard used <= limit else { throw tooLarge(limit) }
            if isLast { break }
            if used == bytes.count { bytes += [UInt8](repeating: 0, count: min(used, limit + 1 - used)) }
        }
        bytes.removeLast(bytes.count - used)
        return bytes
    }
}

// MARK: - zstandard and snappy

extension BlockCodec {
    private static func unpackZstandard(_ bytes: UnsafeRawBufferPointer, _ limit: Int) throws(Damage) -> [UInt8] {
        guard let context = ZSTD_createDCtx() else { throw Damage(reason: "libzstd cannot start") }
        defer { ZSTD_freeDCtx(context) }
        var source = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        return try growing(bytes.count, limit) { room throws(Damage) in
            var target = ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
            let rest = ZSTD_decompressStream(context, &target, &source)
            guard ZSTD_isError(rest) == 0 else {
                throw Damage(reason: String(cString: ZSTD_getErrorName(rest)).lowercased())
            }
            let isUsedUp = source.pos == source.size
            if rest > 0, isUsedUp, target.pos < target.size { throw Damage(reason: "its frame ends too early") }
            return (target.pos, rest == 0 && isUsedUp)
        }
    }

    private static func unpackSnappy(_ bytes: UnsafeRawBufferPointer, _ limit: Int) throws(Damage) -> [UInt8] {
        let packed = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
        var count = 0
        guard snappy_uncompressed_length(packed, bytes.count, &count) == SNAPPY_OK else {
            throw Damage(reason: "it does not say its length")
        }
        guard count <= limit else { throw tooLarge(limit) }
        // Three bytes are a copy of 64 at most.
        guard count <= bytes.count * 32 else { throw Damage(reason: "it says a length that it cannot have") }
        var unpacked = [UInt8](repeating: 0, count: count)
        let status = unpacked.withUnsafeMutableBytes { target in
            snappy_uncompress(
                packed, bytes.count, target.baseAddress?.assumingMemoryBound(to: CChar.self), &count)
        }
        guard status == SNAPPY_OK, count == unpacked.count else { throw Damage(reason: "it is no snappy block") }
        return unpacked
    }
}
