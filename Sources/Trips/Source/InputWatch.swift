import Glibc
public import Problems

/// Looks whether files are still what they were when it was made: edited, cut short, replaced or gone they give trips that nobody made.
///
/// Goes by what the system keeps about a file, its times and size: who writes to a file cannot but move its time of change, whatever
/// is written and whichever time of modification is set afterwards. Pipes are left out: nobody can change what has gone through one.
public final class InputWatch: Sendable {
    /// What the system says of a file.
    struct Stamp: Equatable, Sendable {
        var device: UInt
        var number: UInt
        var size: Int
        var modifiedNs: Int
        var changedNs: Int

        /// Nil where there is no file, or no regular one.
        init?(path: String) {
            var status = stat()
            guard (path == "-" ? fstat(0, &status) : stat(path, &status)) == 0, status.st_mode & S_IFMT == S_IFREG
            else { return nil }
            (device, number, size) = (UInt(status.st_dev), UInt(status.st_ino), Int(status.st_size))
            modifiedNs = status.st_mtim.tv_sec &* 1_000_000_000 &+ status.st_mtim.tv_nsec
            changedNs = status.st_ctim.tv_sec &* 1_000_000_000 &+ status.st_ctim.tv_nsec
        }
    }

    private let files: [(path: String, stamp: Stamp)]

    /// Paths that lead to no regular file are left out; whoever opens one says what is wrong with it.
    public init(paths: [String]) {
        files = paths.compactMap { path in Stamp(path: path).map { (path, $0) } }
    }

    /// In one text per file, to know later without reading it that a file was not touched; the empty text for what is no file.
    public static func stamp(of path: String) -> String {
        Stamp(path: path).map { "\($0.device).\($0.number).\($0.size).\($0.modifiedNs).\($0.changedNs)" } ?? ""
    }

    /// - Throws: `Problem(.inputOutput)` that names the first file that is not what it was, and says how.
    public func requireUnchanged() throws(Problem) {
        for (path, before) in files {
            let now = Stamp(path: path)
            guard now != before else { continue }
            let what =
                switch now {
                case nil: "it is not there any more"
                case let now? where now.number != before.number || now.device != before.device:
                    "another file has taken its place"
                case let now? where now.size != before.size: "it had \(before.size) bytes and has \(now.size)"
                default: "it was written to"
                }
            throw Problem(
                .inputOutput, "\"\(InputBytes.name(of: path))\" changed while it was read: \(what)",
                hint: "What was stored before is whole. Run it again when nobody writes to the file.")
        }
    }
}
