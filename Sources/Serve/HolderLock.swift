internal import Glibc
public import Problems

/// A lock on a file that says which process has it.
public final class HolderLock {
    private let lock: FileLock

    /// - Parameters:
    ///   - isAlone: whether nobody else may have it; else all others that share it may.
    ///   - hint: what to do where the file cannot be made.
    ///   - held: what to say where another process has it, whose number is nil where the file does not say.
    /// - Throws: what `held` gives; `.cannotCreate`, `.noPermission`.
    public init(
        path: String, isAlone: Bool = true, hint: String? = nil, held: (_ holder: Int32?) -> Problem
    ) throws(Problem) {
        lock = try FileLock(path: path, hint: hint)
        guard try lock.tryHold(isAlone ? .alone : .shared) else { throw held(Self.holder(lock.descriptor)) }
        ftruncate(lock.descriptor, 0)
        let text = "\(getpid())\n"
        _ = text.withCString { pwrite(lock.descriptor, $0, strlen($0), 0) }
    }

    private static func holder(_ descriptor: Int32) -> Int32? {
        withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { buffer in
            let count = pread(descriptor, buffer.baseAddress, buffer.count, 0)
            guard count > 0 else { return nil }
            return Int32(String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").first ?? "")
        }
    }
}
