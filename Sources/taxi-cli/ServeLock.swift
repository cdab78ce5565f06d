import Glibc
import Problems

/// Whose the scheduler of a home is: a lock on a file, which the system frees however its holder dies. The file says which process
/// it is.
final class ServeLock {
    private let descriptor: Int32

    private static func path(_ home: String) -> String { "\(home)/.workflow-serve.lock" }

    /// - Throws: `.tryAgain` where another process has it; `.cannotCreate`, `.noPermission`.
    init(home: String) throws(Problem) {
        let path = Self.path(home)
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Problem(
                .create, path, errno, hint: "Choose another place with --home, or change the permissions.")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder = Self.holder(descriptor)
            close(descriptor)
            throw Problem(
                .tryAgain, "the scheduler of \"\(home)\" runs already\(holder.map { ", in process \($0)" } ?? "")",
                hint: "One is enough: it serves every tenant of the home, and sees new workflows by itself.")
        }
        ftruncate(descriptor, 0)
        let text = "\(getpid())\n"
        _ = text.withCString { pwrite(descriptor, $0, strlen($0), 0) }
    }

    deinit { close(descriptor) }

    /// Whether a scheduler serves the home.
    static func isHeld(home: String) -> Bool {
        let descriptor = open(path(home), O_RDONLY | O_CLOEXEC)
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
