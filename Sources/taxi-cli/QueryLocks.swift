import Foundation
import Glibc
import Problems

/// Who runs which queries of a tenant: a lock file a query, held as long as the process lives and freed by the system however it dies.
///
/// The locks only tell a standby when to begin. What keeps two processes from counting twice is the generation in each epoch's
/// transaction.
///
/// `@unchecked Sendable`: the descriptors are made once; the thread of `holdWhenFree` only waits on them.
final class QueryLocks: @unchecked Sendable {
    /// What a stream does where another process runs its queries.
    enum Policy: String, CaseIterable {
        case takeover, standby
    }

    private var descriptors: [Int32] = []
    private var held = 0

    /// - Parameter folder: the tenant's; the files lie in its folder `locks`.
    /// - Throws: `.cannotCreate`, `.noPermission`.
    init(folder: String, queries: [String]) throws(Problem) {
        let locks = "\(folder)/locks"
        guard mkdir(locks, 0o700) == 0 || (errno == EEXIST && Files.isFolder(locks)) else { throw Self.problem(locks) }
        // In one order everywhere, so that no two processes wait for each other.
        for query in queries.sorted() {
            let path = "\(locks)/\(query)"
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else {
                release()
                throw Self.problem(path)
            }
            descriptors.append(descriptor)
        }
    }

    /// Takes the locks that are free, in their order; true when all are held.
    func tryHold() throws(Problem) -> Bool {
        while held < descriptors.count {
            guard flock(descriptors[held], LOCK_EX | LOCK_NB) == 0 else {
                if errno == EWOULDBLOCK || errno == EINTR { return false }
                throw Problem(
                    Problem.Code(errno, doing: .lock), "cannot lock a query: \(Problem.text(errno))")
            }
            held += 1
        }
        return true
    }

    /// Takes each lock as soon as whoever holds it has ended, which a takeover will make it do; waits for nothing.
    func holdWhenFree() {
        let waiting = descriptors
        let thread = Thread {
            for descriptor in waiting { while flock(descriptor, LOCK_EX) != 0, errno == EINTR {} }
        }
        thread.name = "query-locks"
        thread.start()
    }

    func release() {
        // The process's end does the same; closing would pull the descriptors from under a thread that waits on them.
        for descriptor in descriptors { flock(descriptor, LOCK_UN) }
    }

    private static func problem(_ path: String) -> Problem {
        Problem(.create, path, errno, hint: "Choose another place with --home, or change the permissions.")
    }
}
