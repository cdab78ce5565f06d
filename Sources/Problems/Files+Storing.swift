internal import Glibc

extension Files {
    /// Puts bytes into a file that somebody named, whole or not at all: what was there stays until all of them are on the disk.
    ///
    /// They are written beside it, and take its name and its permissions. A link stays, and the file that it leads to is replaced. What is no
    /// plain file (a pipe, a device), has other names or another owner, or lies in a folder that takes no new file is written over in place.
    ///
    /// - Throws: what `Problem.init(_:_:_:hint:)` makes of the system's refusal; `hint` where it says nothing better.
    public static func store(_ bytes: [UInt8], at path: String, hint: String? = nil) throws(Problem) {
        var (link, there) = (Glibc.stat(), Glibc.stat())
        let isLink = lstat(path, &link) == 0 && link.st_mode & S_IFMT == S_IFLNK
        let isThere = stat(path, &there) == 0
        guard !isThere || isReplaceable(there), isThere || !isLink, !isOfProcess(path) else {
            return try overwrite(path, with: bytes, hint: hint)
        }
        let target = isLink ? resolved(path) ?? path : path
        let part = "\(target).\(getpid()).part"
        let file = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard file >= 0 else {
            if isThere, [EACCES, EPERM, EROFS].contains(errno) { return try overwrite(path, with: bytes, hint: hint) }
            throw Problem(.create, path, errno, hint: hint)
        }
        defer { close(file) }
        do throws(Problem) {
            if isThere { fchmod(file, there.st_mode & 0o7777) }
            try write(bytes, to: file, of: path)
            guard fsync(file) == 0 else { throw Problem(.write, path, errno, hint: hint) }
            guard rename(part, target) == 0 else { throw Problem(.create, path, errno, hint: hint) }
        } catch {
            unlink(part)
            throw error
        }
    }

    private static func isReplaceable(_ status: Glibc.stat) -> Bool {
        status.st_mode & S_IFMT == S_IFREG && status.st_nlink == 1 && status.st_uid == geteuid()
    }

    /// A name of what a process has open already, such as /dev/stdout: others write into that as well.
    private static func isOfProcess(_ path: String) -> Bool { path.hasPrefix("/dev/") || path.hasPrefix("/proc/") }

    private static func resolved(_ path: String) -> String? {
        guard let resolved = path.withFileName({ realpath($0, nil) }) else { return nil }
        defer { free(resolved) }
        return String(fileName: resolved)
    }

    private static func overwrite(_ path: String, with bytes: [UInt8], hint: String?) throws(Problem) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw Problem(.create, path, errno, hint: hint) }
        defer { close(file) }
        try write(bytes, to: file, of: path)
    }
}
