import Foundation
import Glibc
import Problems

/// Who runs which queries of a tenant: a lock file a query, held as long as the process lives and freed by the system however it dies.
///
/// The locks only tell a standby when to begin. What keeps two processes from counting twice is the generation in each epoch's
/// transaction.
final class QueryLocks {
    /// What a stream does where another process runs its queries.
    enum Policy: String, CaseIterable {
        case takeover, standby
    }

    private var locks: [FileLock] = []
    private var held = 0

    /// - Parameter folder: the tenant's; the files lie in its folder `locks`.
    /// - Throws: `.cannotCreate`, `.noPermission`.
    init(folder: String, queries: [String]) throws(Problem) {
        let folder = "\(folder)/locks"
        let hint = "Choose another place with --home, or change the permissions."
        guard mkdir(folder, 0o700) == 0 || (errno == EEXIST && Files.isFolder(folder)) else {
            throw Problem(.create, folder, errno, hint: hint)
        }
        // In one order everywhere, so that no two processes wait for each other.
        for query in queries.sorted() { locks.append(try FileLock(path: "\(folder)/\(query)", hint: hint)) }
    }

    /// Takes the locks that are free, in their order; true when all are held.
    func tryHold() throws(Problem) -> Bool {
        while held < locks.count {
            guard try locks[held].tryHold() else { return false }
            held += 1
        }
        return true
    }

    /// Takes each lock as soon as whoever holds it has ended, which a takeover will make it do; waits for nothing.
    func holdWhenFree() {
        let thread = Thread { [locks] in
            for lock in locks { lock.hold() }
        }
        thread.name = "query-locks"
        thread.start()
    }

    func release() { for lock in locks { lock.release() } }
}
