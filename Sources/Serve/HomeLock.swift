internal import Glibc
public import Problems

/// Whose the services of a home are: a lock on a file, which the system frees however its holder dies. The file says which process it is.
public final class HomeLock {
    private let descriptor: Int32

    /// The folder of serve's own files in a home; no tenant can have its name.
    public static func folder(_ home: String) -> String { "\(home)/.serve" }
    private static func path(_ home: String) -> String { "\(folder(home))/lock" }

    /// Makes serve's folder where it is missing.
    ///
    /// - Throws: `.tryAgain` where another serve has the home; `.cannotCreate`, `.noPermission`.
    public init(home: String) throws(Problem) {
        try Files.makeFolders("\(Self.folder(home))/logs", hint: "Choose another place with --home.")
        let path = Self.path(home)
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Problem(.create, path, errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder = Self.holder(descriptor)
            close(descriptor)
            throw Problem(
                .tryAgain,
                "the services of \"\(visible(home))\" are run already\(holder.map { ", by process \($0)" } ?? "")",
                hint: holder.map { "One is enough: kill -HUP \($0) makes it read serve.yaml again." })
        }
        ftruncate(descriptor, 0)
        let text = "\(getpid())\n"
        _ = text.withCString { pwrite(descriptor, $0, strlen($0), 0) }
    }

    deinit { close(descriptor) }

    /// Which process runs the services of a home; nil where none does.
    public static func holder(home: String) -> Int32? {
        let descriptor = open(path(home), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0 ? holder(descriptor) : nil
    }

    private static func holder(_ descriptor: Int32) -> Int32? {
        withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { buffer in
            let count = pread(descriptor, buffer.baseAddress, buffer.count, 0)
            guard count > 0 else { return nil }
            return Int32(String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").first ?? "")
        }
    }
}
