internal import CZlib
internal import CZstd
import Problems

/// One step of unpacking: how far it came in the input and the output.
struct DecodingStep {
    var consumed: Int
    var produced: Int
}

/// Why a stream cannot be unpacked further.
enum DecodingFailure {
    /// It contradicts itself.
    case damage(String)
    /// Not the stream's fault: unpacking it takes more memory than this process can have.
    case memory(String)
}

/// What unpacks a stream that comes in pieces.
protocol StreamDecoder: AnyObject {
    /// Whether the input may end here: no member or frame has begun that has not ended.
    var isComplete: Bool { get }
    /// Unpacks as much as fits.
    ///
    /// - Parameter failure: set where it goes no further.
    func decode(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, failure: inout DecodingFailure?
    ) -> DecodingStep
}

/// gzip, RFC 1952: any number of members, one after another, and zero bytes after the last (tapes and some tools pad).
final class GzipDecoder: StreamDecoder {
    private enum Place { case betweenMembers, inMember, padding }

    // zlib keeps the address of the stream in its state, so it must not move.
    private let stream: UnsafeMutablePointer<z_stream>
    private var place = Place.betweenMembers

    init() throws(Problem) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard taxi_gzip_inflate_start(stream) == Z_OK else {
            throw Problem(.software, "zlib \(String(cString: zlibVersion())) cannot start")
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    var isComplete: Bool { place != .inMember }

    func decode(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, failure: inout DecodingFailure?
    ) -> DecodingStep {
        // Inside a member zlib may hold output back even where the input is used up.
        guard place == .inMember || !input.isEmpty else { return DecodingStep(consumed: 0, produced: 0) }
        if place == .betweenMembers { place = input.first == 0 ? .padding : .inMember }
        if place == .padding {
            let zeros = input.prefix { $0 == 0 }.count
            if zeros < input.count {
                failure = .damage("something other than padding follows the end of the gzip stream")
            }
            return DecodingStep(consumed: zeros, produced: 0)
        }
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(input.count)
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(clamping: output.count)
        let room = Int(stream.pointee.avail_out)
        let code = inflate(stream, Z_NO_FLUSH)
        switch code {
        case Z_OK, Z_BUF_ERROR: break
        case Z_STREAM_END:
            inflateReset(stream)
            place = .betweenMembers
        case Z_MEM_ERROR: failure = .memory("zlib gets no memory")
        default: failure = .damage(stream.pointee.msg.map { String(cString: $0) } ?? "zlib error \(code)")
        }
        return DecodingStep(
            consumed: input.count - Int(stream.pointee.avail_in), produced: room - Int(stream.pointee.avail_out))
    }
}

/// Zstandard, RFC 8878: any number of frames, skippable ones too, with windows up to 2 GiB (`zstd --long=31`) where that is at most half of
/// the memory that this process may have.
final class ZstdDecoder: StreamDecoder {
    private let context: OpaquePointer
    private(set) var isComplete = true
    private let windowLog: Int32

    init() throws(Problem) {
        guard let context = ZSTD_createDCtx() else { throw Problem(.software, "libzstd cannot start") }
        self.context = context
        windowLog = Self.windowLog(availableBytes: availableMemoryBytes())
        ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, windowLog)
    }

    deinit { ZSTD_freeDCtx(context) }

    private static let largestWindowLog: Int32 = 31

    /// The largest window that is unpacked, as a power of two: at least the 128 MiB that all programs take.
    static func windowLog(availableBytes: Int) -> Int32 {
        let half = max(1, availableBytes / 2)
        return min(largestWindowLog, Int32(max(27, Int.bitWidth - 1 - half.leadingZeroBitCount)))
    }

    func decode(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, failure: inout DecodingFailure?
    ) -> DecodingStep {
        var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
        let result = ZSTD_decompressStream(context, &target, &source)
        if ZSTD_isError(result) != 0 {
            let reason = String(cString: ZSTD_getErrorName(result)).lowercased()
            switch ZSTD_getErrorCode(result) {
            case ZSTD_error_memory_allocation: failure = .memory(reason)
            // One that no machine would do is no window.
            case ZSTD_error_frameParameter_windowTooLarge where windowLog < Self.largestWindowLog:
                failure = .memory("its window is over \(1 << (windowLog - 20)) MiB")
            default: failure = .damage(reason)
            }
        } else if source.pos > 0 || target.pos > 0 {
            // 0: a frame has ended; otherwise what it would like to read next.
            isComplete = result == 0
        }
        return DecodingStep(consumed: source.pos, produced: target.pos)
    }
}
