internal import CXXHash
import Foundation
import Glibc
public import Problems
import Synchronization

/// Hashes of all bytes of some files (XXH3, 128 bits): by which a file is known again wherever it lies.
///
/// They are computed by a thread of their own while the files are read: at several GB/s it is ahead of whoever reads trips, and costs
/// no second look at a disk. `@unchecked Sendable`: the thread and its owner meet in the mutex and the semaphore.
public final class ContentHash: @unchecked Sendable {
    private let paths: [String]
    private let found = Mutex<[String]?>(nil)
    private let isStopped = Atomic(false)
    private let hasEnded = DispatchSemaphore(value: 0)

    /// Begins.
    ///
    /// - Parameter isPatient: takes only what time the processors have to spare.
    public init(paths: [String], isPatient: Bool = false) {
        self.paths = paths
        let thread = Thread { [self] in
            // On Linux a thread has a niceness of its own.
            if isPatient { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19) }
            let hashes = paths.map { path in
                (try? Self.hash(of: path, isStopped: { isStopped.load(ordering: .relaxed) })) ?? nil
            }
            if !isStopped.load(ordering: .relaxed) { found.withLock { $0 = hashes.map { $0 ?? "" } } }
            hasEnded.signal()
        }
        thread.name = "content-hash"
        thread.start()
    }

    /// In hexadecimal, by file; "" for a pipe and for what cannot be read. nil as long as it is not known.
    public var hashes: [String]? { found.withLock { $0 } }

    /// Waits until the hashes are known.
    public func wait() {
        hasEnded.wait()
        hasEnded.signal()
    }

    /// Gives up; the hashes stay unknown.
    public func stop() { isStopped.store(true, ordering: .relaxed) }

    /// The hash of one file; nil for what is no regular file, or after a stop.
    ///
    /// - Parameter progress: told how many bytes were read.
    public static func hash(
        of path: String, isStopped: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws(Problem) -> String? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw Problem(.read, path, errno) }
        defer { close(file) }
        posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL)
        guard let state = taxi_hash128_begin() else { throw Problem(.software, "out of memory for a hash") }
        var (low, high) = (UInt64(0), UInt64(0))
        // Read, not mapped: what is cut off meanwhile is the end of the file and no signal.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
        defer { buffer.deallocate() }
        var (total, reason) = (0, Int32(0))
        while !isStopped() {
            let count = read(file, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 { reason = errno }
            guard count > 0 else { break }
            taxi_hash128_add(state, buffer.baseAddress, count)
            total += count
            progress(total)
        }
        taxi_hash128_end(state, &low, &high)
        errno = reason
        guard reason == 0 else { throw Problem(.read, path, errno) }
        return isStopped() ? nil : String(high, radix: 16) + ":" + String(low, radix: 16)
    }
}
