import Glibc
public import Problems
import Synchronization

/// The file `<home>/<tenant>/live/<command>-<pid>.metrics` in which one process keeps its live numbers: mapped into its memory, so
/// that counting costs no call, and the last values survive a kill.
///
///     0    8  "TAXILIVE"                        256  entries, one behind the other:
///     8    4  version, 1                          0  4  kind: 1 counter, 2 gauge, 3 histogram
///     12   4  process id                          4  4  length of the text
///     16   8  1 where the process has ended       8  4  number of words
///             by itself, else 0                   12 4  length of the entry, a multiple of 8
///     24   8  started, ms UTC                     16    words, 8 bytes each
///     32   8  bytes in use                              text: name{label="value",…}, zeros behind it
///     64  64  command
///     128 128 start in the kernel's words
///
/// Integers are little-endian; texts UTF-8, zeros behind them. An entry counts once the bytes in use reach behind it.
public final class LiveFile {
    static let magic: [UInt8] = Array("TAXILIVE".utf8)
    static let version: UInt32 = 1
    static let headerBytes = 256
    /// Room in the address space; blocks of the disk are taken as they are needed.
    static let mappedBytes = 8 << 20
    static let blockBytes = 64 << 10
    static let commandBytes = 64
    static let startBytes = 128

    public let path: String
    private let descriptor: Int32
    private let memory: UnsafeMutableRawPointer
    private var used = LiveFile.headerBytes
    private var reserved = 0

    /// Creates the file and its folder.
    ///
    /// - Parameters:
    ///   - folder: of all live files of a tenant; made where it is missing.
    ///   - command: as the user calls it, such as `stream`.
    ///   - start: of this process, in the kernel's words.
    ///   - nowMs: ms UTC.
    /// - Throws: `Problem` where it cannot be made, a full disk included.
    public init(folder: String, command: String, start: String, nowMs: Int64) throws(Problem) {
        try Files.makeFolders(folder, hint: "The program goes on without live numbers.")
        path = "\(folder)/\(command.replacing(" ", with: "-"))-\(getpid()).metrics"
        let making = "\(path).new"
        descriptor = open(making, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Problem(.create, making, errno) }
        var failure: Int32 = 0
        if ftruncate(descriptor, off_t(Self.mappedBytes)) != 0 { failure = errno }
        if failure == 0 { failure = posix_fallocate(descriptor, 0, off_t(Self.blockBytes)) }
        var mapped: UnsafeMutableRawPointer?
        if failure == 0 {
            mapped = mmap(nil, Self.mappedBytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
            if mapped == MAP_FAILED { failure = errno }
        }
        guard failure == 0, let mapped else {
            close(descriptor)
            unlink(making)
            throw Problem(.create, making, failure)
        }
        (memory, reserved) = (mapped, Self.blockBytes)
        memory.copyMemory(from: Self.magic, byteCount: 8)
        memory.storeBytes(of: Self.version.littleEndian, toByteOffset: 8, as: UInt32.self)
        memory.storeBytes(of: getpid(), toByteOffset: 12, as: Int32.self)
        memory.storeBytes(of: nowMs, toByteOffset: 24, as: Int64.self)
        memory.storeBytes(of: Int64(used), toByteOffset: 32, as: Int64.self)
        memory.copyText(command, at: 64, room: Self.commandBytes)
        memory.copyText(start, at: 128, room: Self.startBytes)
        // Whoever lists the folder finds whole headers only.
        guard rename(making, path) == 0 else {
            failure = errno
            munmap(memory, Self.mappedBytes)
            close(descriptor)
            unlink(making)
            throw Problem(.create, path, failure)
        }
    }

    private func word(at offset: Int) -> UnsafeMutablePointer<Atomic<Int64>> {
        (memory + offset).assumingMemoryBound(to: Atomic<Int64>.self)
    }

    /// Adds an entry; nil where there is no room for it, in the file or on the disk.
    func add(_ kind: Metric.Kind, _ text: String, _ initial: [Int64]) -> UnsafeMutablePointer<Atomic<Int64>>? {
        let text = Array(text.utf8)
        let length = (16 + initial.count * 8 + text.count + 7) / 8 * 8
        guard used + length <= Self.mappedBytes, reserve(used + length) else { return nil }
        memory.storeBytes(of: kind.code, toByteOffset: used, as: UInt32.self)
        memory.storeBytes(of: UInt32(text.count), toByteOffset: used + 4, as: UInt32.self)
        memory.storeBytes(of: UInt32(initial.count), toByteOffset: used + 8, as: UInt32.self)
        memory.storeBytes(of: UInt32(length), toByteOffset: used + 12, as: UInt32.self)
        for (index, value) in initial.enumerated() {
            memory.storeBytes(of: value, toByteOffset: used + 16 + index * 8, as: Int64.self)
        }
        (memory + used + 16 + initial.count * 8).copyMemory(from: text, byteCount: text.count)
        let words = word(at: used + 16)
        used += length
        word(at: 32).pointee.store(Int64(used), ordering: .releasing)
        return words
    }

    /// Takes blocks of the disk before they are written to: a mapped page that finds no room kills the process.
    private func reserve(_ bytes: Int) -> Bool {
        while reserved < bytes {
            guard posix_fallocate(descriptor, off_t(reserved), off_t(Self.blockBytes)) == 0 else { return false }
            reserved += Self.blockBytes
        }
        return true
    }

    /// Notes that the process ends by itself.
    func end() { word(at: 16).pointee.store(1, ordering: .relaxed) }

    // The mapping stays as long as the process: counters point into it.
    deinit { close(descriptor) }
}

extension Metric.Kind {
    var code: UInt32 {
        switch self {
        case .counter: 1
        case .gauge: 2
        case .histogram: 3
        }
    }

    init?(code: UInt32) {
        guard let kind = [Metric.Kind.counter, .gauge, .histogram].first(where: { $0.code == code }) else { return nil }
        self = kind
    }
}

extension UnsafeMutableRawPointer {
    /// A text and zeros; what is longer than `room` is cut.
    fileprivate func copyText(_ text: String, at offset: Int, room: Int) {
        let bytes = Array(text.utf8.prefix(room))
        (self + offset).copyMemory(from: bytes, byteCount: bytes.count)
    }
}
