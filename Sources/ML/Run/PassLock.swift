internal import Glibc
public import Problems

/// Who works on a model, or serves a tenant's: a lock on a file, which the system frees however its holder dies.
public final class PassLock {
    private let descriptor: Int32

    /// - Parameters:
    ///   - folder: of the tenant.
    ///   - name: of what is locked: a model, or `serve`.
    /// - Throws: `.tryAgain` where another process has it; `.cannotCreate`, `.noPermission`.
    public init(folder: String, name: String, busy: String) throws(Problem) {
        let path = "\(folder)/.ml-\(name).lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Problem(.create, path, errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw Problem(.tryAgain, busy, hint: "Wait for its end; taxi-cli ml history shows what it does.")
        }
    }

    deinit { close(descriptor) }
}
