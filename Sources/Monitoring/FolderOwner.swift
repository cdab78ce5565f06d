import Glibc
import Problems

/// Files that root makes in a tenant's folder: pages of all tenants run as root, while the services of one may run as another user.
///
/// SQLite gives the files that it makes beside a database that one's owner; the database itself is ours to give away.
enum FolderOwner {
    /// Makes the file where it is not there, and gives it, and one that root has made before, to the owner of its folder. Nothing where this process
    /// is not root's.
    ///
    /// - Throws: `.noPermission` for what somebody has put in the file's place, so that root does not write elsewhere for him.
    static func give(_ path: String) throws(Problem) {
        guard geteuid() == 0 else { return }
        var folder = Glibc.stat()
        guard stat(Files.folder(of: path), &folder) == 0, folder.st_uid != 0 else { return }
        let made = Problems.open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        if made >= 0 {
            // Nobody can have locks on it yet, so that closing it loses none.
            defer { close(made) }
            guard fchown(made, folder.st_uid, folder.st_gid) == 0 else { throw refused(path, Problem.text(errno)) }
            return
        }
        var file = Glibc.stat()
        guard lstat(path, &file) == 0 else { return }
        guard file.st_mode & S_IFMT == S_IFREG, file.st_nlink == 1, [0, folder.st_uid].contains(file.st_uid) else {
            throw refused(path, "it is no plain file of the folder's owner")
        }
        for name in [path, "\(path)-wal", "\(path)-shm"] where lstat(name, &file) == 0 && file.st_uid == 0 {
            lchown(name, folder.st_uid, folder.st_gid)
        }
    }

    private static func refused(_ path: String, _ reason: String) -> Problem {
        Problem(
            .noPermission, "cannot write \"\(visible(path))\" for the owner of its folder: \(reason)",
            hint: "Move it away: it holds the history of metrics alone.")
    }
}
