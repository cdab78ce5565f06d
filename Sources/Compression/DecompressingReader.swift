public import Problems

/// Reads a file as it is or, where its first bytes say gzip or zstd, unpacked; whatever the file is called.
///
/// A gzip file may have several members and a zstd file several frames (`cat a.gz b.gz`, `pigz`, `pzstd`). Not thread-safe.
public final class DecompressingReader {
    public let format: CompressionFormat
    /// The path, or what the descriptor was called: for messages.
    public var name: String { file.name }
    /// How many bytes of the file, packed as they are, have been used.
    public private(set) var bytePosition: Int64 = 0

    private let file: OpenFile
    private let decoder: (any StreamDecoder)?
    private let buffer: UnsafeMutableRawBufferPointer
    /// What lies in `buffer` and is not used yet.
    private var pending: Range<Int>
    private var isAtEnd = false
    /// What went wrong after bytes that could still be given out; thrown by the next read, and by each after it.
    private var failure: Problem?

    private static let bufferSizeBytes = 1 << 18

    /// - Parameter isStopped: asked before each read, and while nothing comes: whether nobody waits for the bytes any more.
    /// - Throws: `.noInput` where there is no such file, `.noPermission`, `.inputOutput`; `.interrupted` where it was stopped.
    public convenience init(path: String, isStopped: (() -> Bool)? = nil) throws(Problem) {
        try self.init(OpenFile(reading: path, isStopped: isStopped))
    }

    /// Reads an open descriptor, such as standard input; waits for its first bytes, which tell the format.
    public convenience init(
        descriptor: Int32, name: String, closing: Bool = false, isStopped: (() -> Bool)? = nil
    ) throws(Problem) {
        try self.init(OpenFile(descriptor: descriptor, name: name, closing: closing, isStopped: isStopped))
    }

    private init(_ file: OpenFile) throws(Problem) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSizeBytes, alignment: 64)
        do {
            var filled = 0
            while filled < CompressionFormat.magicLength {
                let count = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
                if count == 0 { break }
                filled += count
            }
            format = CompressionFormat(firstBytes: buffer[..<filled])
            decoder =
                switch format {
                case .plain: nil
                case .gzip: try GzipDecoder()
                case .zstd: try ZstdDecoder()
                }
            (self.file, self.buffer, pending) = (file, buffer, 0..<filled)
        } catch {
            buffer.deallocate()
            throw error
        }
    }

    deinit { buffer.deallocate() }

    /// Fills `target` with what comes next, as far as that is at hand; 0 at the end only.
    ///
    /// - Throws: `.badData` for a stream that is cut short or damaged, with the place in the file; bytes before the damage
    ///   are given out first. `.tryAgain` for one that takes more memory to unpack than there is. `.inputOutput` where the system cannot read.
    public func read(into target: UnsafeMutableRawBufferPointer) throws(Problem) -> Int {
        if let failure { throw failure }
        if target.isEmpty { return 0 }
        if let decoder { return try unpack(with: decoder, into: target) }
        if pending.isEmpty {
            let count = try file.read(into: target)
            bytePosition += Int64(count)
            return count
        }
        let count = min(pending.count, target.count)
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[pending.prefix(count)]))
        use(count)
        return count
    }

    private func unpack(
        with decoder: any StreamDecoder, into target: UnsafeMutableRawBufferPointer
    ) throws(Problem) -> Int {
        var filled = 0
        while filled < target.count {
            var failed: DecodingFailure?
            let step = decoder.decode(
                UnsafeRawBufferPointer(rebasing: buffer[pending]),
                into: UnsafeMutableRawBufferPointer(rebasing: target[filled...]), failure: &failed)
            use(step.consumed)
            filled += step.produced
            if let failed {
                failure = problem(failed)
            } else if step.consumed > 0 || step.produced > 0 {
                continue
            } else if filled == 0 {
                // Nothing to give out yet, so waiting for the file costs nobody anything.
                try refill()
                if !isAtEnd { continue }
                if !decoder.isComplete { failure = problem(.damage("the \(format) stream ends too early")) }
            }
            break
        }
        if filled == 0, let failure { throw failure }
        return filled
    }

    private func refill() throws(Problem) {
        let rest = pending.count
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[pending]))
        pending = 0..<rest
        let count = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[rest...]))
        pending = 0..<rest + count
        isAtEnd = count == 0
    }

    private func use(_ count: Int) {
        pending = pending.lowerBound + count..<pending.upperBound
        bytePosition += Int64(count)
    }

    private func problem(_ failure: DecodingFailure) -> Problem {
        switch failure {
        case .damage(let reason):
            Problem(
                .badData, "\"\(name)\" is damaged at byte \(bytePosition): \(reason)",
                hint:
                    "Fetch the file again, or see what can be saved of it with \(format == .gzip ? "gzip" : "zstd") -t."
            )
        case .memory(let reason):
            Problem(
                .tryAgain, "unpacking \"\(name)\" takes more memory than this process can have: \(reason)",
                hint: format == .zstd
                    ? "It was packed with --long: pack it again without, or read it where there is more memory."
                    : "Read it where there is more memory.")
        }
    }
}
