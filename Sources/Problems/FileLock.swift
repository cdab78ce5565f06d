internal import Glibc

/// A lock on a file (`flock`), which the system frees however its holder dies; freed with the last who has this value.
///
/// It binds only those who ask for it. The file stays: whoever took it away could lock another than who comes next.
public final class FileLock: Sendable {
    public enum Kind: Sendable {
        /// Nobody else has it.
        case alone
        /// Others may have it as well, but none of them alone.
        case shared

        fileprivate var operation: Int32 { self == .alone ? LOCK_EX : LOCK_SH }
    }

    public let descriptor: Int32
    private let path: String

    /// Opens the file, which is made (0600) where there is none; nothing is locked yet.
    ///
    /// - Throws: what `Problem.init(_:_:_:hint:)` makes of the system's refusal.
    public init(path: String, hint: String? = nil) throws(Problem) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Problem(.create, path, errno, hint: hint) }
    }

    /// Of a file that is there already; nil where it cannot be opened.
    public init?(existing path: String) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0 { return nil }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Whether it is locked now; false where another has it.
    public func tryHold(_ kind: Kind = .alone) throws(Problem) -> Bool {
        if flock(descriptor, kind.operation | LOCK_NB) == 0 { return true }
        guard errno == EWOULDBLOCK || errno == EINTR else { throw Problem(.lock, path, errno) }
        return false
    }

    /// Locks it as soon as whoever has it is gone.
    public func hold(_ kind: Kind = .alone) { while flock(descriptor, kind.operation) != 0, errno == EINTR {} }

    public func release() { flock(descriptor, LOCK_UN) }

    /// Whether somebody has a file for itself; false where there is none.
    public static func isHeld(path: String) -> Bool {
        guard let lock = FileLock(existing: path) else { return false }
        return (try? lock.tryHold(.shared)) == false
    }
}
