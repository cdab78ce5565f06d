public import Glibc
internal import Synchronization

/// A file that appears when it is whole: written beside whatever has the name, synced, and put in its place by `finish`; without that,
/// what was there stays as it was, to the byte, on a full disk as well.
///
/// Links stay: what they lead to is replaced. The new file has the permissions of the old one and, where this process may say so, its
/// owner. What is no file takes the bytes as they come: a pipe, a device, a descriptor of this process (`/dev/stdout`). So does a file
/// whose folder takes no other beside it, though it may be written itself.
///
/// Not thread-safe.
public final class FileReplacement {
    /// Where to write to.
    public let descriptor: Int32
    private let path: String
    /// What is replaced, and what its bytes are written to meanwhile; nil where they go straight into what is there.
    private let place: (target: String, part: String)?
    private var isOpen = true

    /// Tells the parts apart that one process writes at once.
    private static let count = Atomic(0)

    /// - Parameters:
    ///   - mode: permissions of a file that was not there, less the umask.
    ///   - hint: what to do where it cannot be made.
    /// - Throws: what `Problem.init(_:_:_:hint:)` makes of the system's refusal: no folder of that name, one that may not be written.
    public init(_ path: String, mode: mode_t = 0o666, hint: String? = nil) throws(Problem) {
        self.path = path
        func refused(_ number: Int32) -> Problem { Problem(.create, path, number, hint: hint) }
        func openInPlace(_ path: String) throws(Problem) -> Int32 {
            let file = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC)
            guard file >= 0 else { throw refused(errno) }
            return file
        }
        var old: stat? = stat()
        if stat(path, &old!) != 0 {
            guard errno == ENOENT else { throw refused(errno) }
            old = nil
        }
        let target: String
        switch Self.meaning(of: path) {
        case .descriptor(let number):
            (descriptor, place) = (fcntl(number, F_DUPFD_CLOEXEC, 0), nil)
            guard descriptor >= 0 else { throw refused(errno) }
            return
        case .file(let path) where old.map({ $0.st_mode & S_IFMT == S_IFREG }) ?? true: target = path
        case .file, .ofProcess:
            (descriptor, place) = (try openInPlace(path), nil)
            return
        }
        // A file that may not be written is not to be replaced either, though its folder would allow that.
        if old != nil, access(target, W_OK) != 0 { throw refused(errno) }
        var (file, part) = (Int32(-1), "")
        repeat {
            let number = Self.count.add(1, ordering: .relaxed).newValue
            part = "\(Files.folder(of: target))/.taxi-cli.\(getpid()).\(number).part"
            file = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        } while file < 0 && errno == EEXIST
        if file < 0, old != nil, errno == EACCES || errno == EPERM {
            (descriptor, place) = (try openInPlace(target), nil)
            return
        }
        guard file >= 0 else { throw refused(errno) }
        if let old {
            // As far as this process may: who replaces another's file owns the new one.
            if old.st_uid != geteuid() || old.st_gid != getegid() { _ = fchown(file, old.st_uid, old.st_gid) }
            fchmod(file, old.st_mode & 0o7777)
        }
        (descriptor, place) = (file, (target, part))
    }

    deinit {
        guard isOpen else { return }
        close(descriptor)
        if let place { unlink(place.part) }
    }

    /// Writes all of the bytes.
    ///
    /// - Throws: `Problem` with the cause, such as a full disk.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
        try Files.write(bytes, to: descriptor, of: path)
    }

    /// Puts what was written in the place of the old file. To be called once.
    ///
    /// - Throws: `Problem`; the old file is there then.
    public func finish() throws(Problem) {
        guard let place else {
            isOpen = false
            guard close(descriptor) == 0 else { throw Problem(.write, path, errno) }
            return
        }
        guard fsync(descriptor) == 0 else { throw Problem(.write, path, errno) }
        if rename(place.part, place.target) != 0 {
            guard [EBUSY, EPERM, EACCES].contains(errno) else { throw Problem(.create, path, errno) }
            // It is mounted there, or somebody else's in a folder where one may replace only one's own.
            return try copy(place.part, to: place.target)
        }
        isOpen = false
        guard close(descriptor) == 0 else { throw Problem(.write, path, errno) }
        try Files.sync(folder: Files.folder(of: place.target))
    }

    /// Writes the bytes of a file into another that cannot be replaced.
    private func copy(_ part: String, to target: String) throws(Problem) {
        let bytes = try Files.contents(of: part)
        let file = open(target, O_WRONLY | O_TRUNC | O_CLOEXEC)
        guard file >= 0 else { throw Problem(.create, path, errno) }
        defer { close(file) }
        try Files.write(bytes, to: file, of: path)
        guard fsync(file) == 0 else { throw Problem(.write, path, errno) }
    }
}

extension FileReplacement {
    private enum Meaning {
        case file(String)
        /// One of this process, such as 1 for `/dev/stdout`.
        case descriptor(Int32)
        /// Something else below `/proc`.
        case ofProcess
    }

    /// What a name means, links followed.
    private static func meaning(of path: String) -> Meaning {
        var place = path
        // As many as the system follows.
        for _ in 0..<40 {
            let real = realFolder(of: place) ?? ""
            if real == "/proc/\(getpid())/fd", let number = place.split(separator: "/").last.flatMap({ Int32($0) }) {
                return .descriptor(number)
            }
            if real.hasPrefix("/proc/") { return .ofProcess }
            guard let link = Files.link(place) else { break }
            place = link.hasPrefix("/") ? link : "\(Files.folder(of: place))/\(link)"
        }
        return .file(place)
    }

    private static func realFolder(of path: String) -> String? {
        guard let real = Files.folder(of: path).withFileName({ realpath($0, nil) }) else { return nil }
        defer { free(real) }
        return String(fileName: real)
    }
}

extension Files {
    /// Puts a file of these bytes in the place of whatever has the name: see `FileReplacement`.
    public static func replace(_ path: String, with bytes: [UInt8], mode: mode_t = 0o666) throws(Problem) {
        let file = try FileReplacement(path, mode: mode)
        try write(bytes, to: file.descriptor, of: path)
        try file.finish()
    }

    /// What a symbolic link says; nil for what is none.
    fileprivate static func link(_ path: String) -> String? {
        var bytes = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        guard path.withFileName({ readlink($0, &bytes, bytes.count - 1) }) > 0 else { return nil }
        return bytes.withUnsafeBufferPointer { String(fileName: $0.baseAddress!) }
    }
}
