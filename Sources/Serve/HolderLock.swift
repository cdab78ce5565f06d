internal import Glibc
public import Problems

/// A lock on a file, which the system frees however its holder dies. The file says which process that is.
public final class HolderLock {
    private let descriptor: Int32

    /// - Parameters:
    ///   - isAlone: whether nobody else may have it; else all others that share it may.
    ///   - hint: what to do where the file cannot be made.
    ///   - held: what to say where another process has it, whose number is nil where the file does not say.
    /// - Throws: what `held` gives; `.cannotCreate`, `.noPermission`.
    public init(
        path: String, isAlone: Bool = true, hint: String? = nil, held: (_ holder: Int32?) -> Problem
    ) throws(Problem) {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Problem(.create, path, errno, hint: hint) }
        guard flock(descriptor, (isAlone ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 else {
            let holder = Self.holder(descriptor)
            close(descriptor)
            throw held(holder)
        }
        ftruncate(descriptor, 0)
        let text = "\(getpid())\n"
        _ = text.withCString { pwrite(descriptor, $0, strlen($0), 0) }
    }

    deinit { close(descriptor) }

    /// Whether a process has it for itself.
    public static func isHeld(path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0
    }

    private static func holder(_ descriptor: Int32) -> Int32? {
        withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { buffer in
            let count = pread(descriptor, buffer.baseAddress, buffer.count, 0)
            guard count > 0 else { return nil }
            return Int32(String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").first ?? "")
        }
    }
}
