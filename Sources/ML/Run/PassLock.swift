public import Problems

/// Who works on a model, or serves a tenant's.
public final class PassLock {
    private let lock: FileLock

    /// - Parameters:
    ///   - folder: of the tenant.
    ///   - name: of what is locked: a model, or `serve`.
    /// - Throws: `.tryAgain` where another process has it; `.cannotCreate`, `.noPermission`.
    public init(folder: String, name: String, busy: String) throws(Problem) {
        lock = try FileLock(path: "\(folder)/.ml-\(name).lock")
        guard try lock.tryHold() else {
            throw Problem(.tryAgain, busy, hint: "Wait for its end; taxi-cli ml history shows what it does.")
        }
    }
}
