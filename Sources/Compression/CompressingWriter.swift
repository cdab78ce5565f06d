internal import CZlib
internal import CZstd
public import Problems

/// Writes a file, packed as its name says: `.gz`, `.zst`, or plain.
///
/// The file has its name, in the place of one that had it, when `finish()` returns; see `FileReplacement`. Not thread-safe.
public final class CompressingWriter {
    public let format: CompressionFormat
    private let file: OpenFile
    private let encoder: Encoder
    private let buffer: UnsafeMutableRawBufferPointer
    private var isFinished = false

    private enum Encoder {
        case plain
        case gzip(UnsafeMutablePointer<z_stream>)
        case zstd(OpaquePointer)
    }

    private static let bufferSizeBytes = 1 << 18

    /// - Throws: `.cannotCreate`, `.noPermission`.
    public convenience init(path: String) throws(Problem) {
        try self.init(OpenFile(writing: path), CompressionFormat(path: path))
    }

    /// Writes to an open descriptor, such as standard output, which stays open.
    public convenience init(descriptor: Int32, name: String, format: CompressionFormat = .plain) throws(Problem) {
        try self.init(OpenFile(descriptor: descriptor, name: name, closing: false), format)
    }

    private init(_ file: OpenFile, _ format: CompressionFormat) throws(Problem) {
        switch format {
        case .plain: encoder = .plain
        case .gzip:
            let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
            stream.initialize(to: z_stream())
            guard taxi_gzip_deflate_start(stream, 6) == Z_OK else {
                stream.deallocate()
                throw Problem(.software, "zlib \(String(cString: zlibVersion())) cannot start")
            }
            encoder = .gzip(stream)
        case .zstd:
            guard let context = ZSTD_createCCtx() else { throw Problem(.software, "libzstd cannot start") }
            ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
            encoder = .zstd(context)
        }
        (self.file, self.format) = (file, format)
        buffer = .allocate(byteCount: Self.bufferSizeBytes, alignment: 64)
    }

    deinit {
        switch encoder {
        case .plain: break
        case .gzip(let stream):
            deflateEnd(stream)
            stream.deallocate()
        case .zstd(let context): ZSTD_freeCCtx(context)
        }
        buffer.deallocate()
    }

    /// - Throws: `.inputOutput`, such as a full disk.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
        precondition(!isFinished, "the file was finished")
        switch encoder {
        case .plain: try file.write(bytes)
        case .gzip(let stream): try deflate(bytes, stream, Z_NO_FLUSH)
        case .zstd(let context): try compress(bytes, context, ZSTD_e_continue)
        }
    }

    public func write(_ bytes: [UInt8]) throws(Problem) {
        try bytes.withUnsafeBufferPointer { (bytes) throws(Problem) in try write(UnsafeRawBufferPointer(bytes)) }
    }

    /// Writes what is still held back and the end of the stream, and closes the file.
    public func finish() throws(Problem) {
        guard !isFinished else { return }
        isFinished = true
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        switch encoder {
        case .plain: break
        case .gzip(let stream): try deflate(nothing, stream, Z_FINISH)
        case .zstd(let context): try compress(nothing, context, ZSTD_e_end)
        }
        try file.close()
    }

    private func deflate(
        _ bytes: UnsafeRawBufferPointer, _ stream: UnsafeMutablePointer<z_stream>, _ flush: Int32
    ) throws(Problem) {
        var rest = bytes
        repeat {
            // zlib counts in 32 bits.
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(piece.count))
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: piece.baseAddress?.assumingMemoryBound(to: UInt8.self))
            stream.pointee.avail_in = UInt32(piece.count)
            repeat {
                stream.pointee.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
                stream.pointee.avail_out = UInt32(buffer.count)
                // Cannot fail: the parameters were checked at the start, and "no progress" only ends the loop.
                _ = CZlib.deflate(stream, flush)
                try file.write(
                    UnsafeRawBufferPointer(rebasing: buffer[..<(buffer.count - Int(stream.pointee.avail_out))]))
            } while stream.pointee.avail_out == 0
        } while !rest.isEmpty
    }

    private func compress(
        _ bytes: UnsafeRawBufferPointer, _ context: OpaquePointer, _ directive: ZSTD_EndDirective
    ) throws(Problem) {
        var source = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        while true {
            var target = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
            let rest = ZSTD_compressStream2(context, &target, &source, directive)
            guard ZSTD_isError(rest) == 0 else {
                throw Problem(.inputOutput, "cannot pack \"\(file.name)\": \(String(cString: ZSTD_getErrorName(rest)))")
            }
            try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<target.pos]))
            if directive == ZSTD_e_end ? rest == 0 : source.pos == source.size { return }
        }
    }
}
