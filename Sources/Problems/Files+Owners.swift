internal import Glibc

/// Who decides what a file holds: whoever else may write it can have us run what he likes.
extension Files {
    /// Sees that a file or folder is root's or this process's user's, and that nobody else may write it.
    ///
    /// - Parameters:
    ///   - what: for the message, such as `the home`.
    ///   - allowsSticky: a folder like /tmp will do, in which nobody may replace a file of somebody else's.
    /// - Throws: `.noPermission` where it is not so, with the command that makes it so; what `Problem` makes of a name that is not there.
    public static func requireOurs(_ path: String, _ what: String, allowsSticky: Bool = false) throws(Problem) {
        var status = Glibc.stat()
        guard stat(path, &status) == 0 else { throw Problem(.read, path, errno) }
        let (name, quoted) = (visible(path), shellWord(path))
        guard [0, geteuid()].contains(status.st_uid) else {
            throw Problem(
                .noPermission,
                "\(what) \"\(name)\" belongs to another user (\(status.st_uid)), who can say what is run here",
                hint: "Run as that user, or as root: chown \(geteuid()) \(quoted)")
        }
        if allowsSticky, status.st_mode & S_ISVTX != 0 { return }
        try requireUnwritable(path, what)
    }

    /// Sees that nobody but its owner may write something, whoever that is.
    ///
    /// - Throws: `.noPermission` where others may; what keeps this process from looking.
    public static func requireUnwritable(_ path: String, _ what: String) throws(Problem) {
        var status = Glibc.stat()
        guard stat(path, &status) == 0 else { throw Problem(.read, path, errno) }
        guard status.st_mode & 0o022 == 0 else {
            let mode = String(status.st_mode & 0o7777, radix: 8)
            throw Problem(
                .noPermission,
                "others may write \(what) \"\(visible(path))\" (mode \(mode)), and so say what is run here",
                hint: "Run: chmod go-w \(shellWord(path))")
        }
    }
}
