public import Glibc

/// What whole files and folders are asked for, with names that are bytes and failures that say their cause.
public enum Files {
    /// All bytes of a file.
    ///
    /// - Parameter limitBytes: the most that a file may have which is read whole; `Problem(.badData)` beyond.
    /// - Throws: what `Problem.init(_:_:_:hint:)` makes of the system's refusal.
    public static func contents(of path: String, limitBytes: Int = .max) throws(Problem) -> [UInt8] {
        var status = Glibc.stat()
        // A pipe that has a name may have nobody who writes to it; one of the shell's (`<(…)`) is open already.
        if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFIFO, !path.hasPrefix("/dev/"),
            !path.hasPrefix("/proc/")
        {
            throw Problem(.badData, "\"\(visible(path))\" is a pipe", hint: "Put a plain file in its place.")
        }
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw Problem(.read, path, errno) }
        defer { close(file) }
        guard fstat(file, &status) == 0 else { throw Problem(.read, path, errno) }
        guard status.st_mode & S_IFMT != S_IFDIR else { throw Problem(.read, path, EISDIR) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: max(4096, min(Int(status.st_size) + 1, 1 << 20)))
        while true {
            let count = Glibc.read(file, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Problem(.read, path, errno) }
            if count == 0 { return bytes }
            bytes += piece[..<count]
            guard bytes.count <= limitBytes else {
                let limit = limitBytes >> 20 > 0 ? "\(limitBytes >> 20) MiB" : "\(limitBytes >> 10) KiB"
                throw Problem(
                    .badData, "file \"\(visible(path))\" is over \(limit): no file that a person wrote",
                    hint: "Check that it is the right one.")
            }
        }
    }

    /// The names in a folder but `.` and `..`, in no order; nil, with `errno` set, where it cannot be listed.
    public static func names(in folder: String) -> [String]? {
        guard let listing = opendir(folder) else { return nil }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            // `d_name` is a C array inside the entry; its text ends at the first zero.
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(fileName: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// - Throws: `.noInput`, `.noPermission` or `.inputOutput`, whatever keeps this process from reading a file.
    public static func requireReadable(_ path: String) throws(Problem) {
        guard access(path, R_OK) == 0 else { throw Problem(.read, path, errno) }
        guard !isFolder(path) else { throw Problem(.read, path, EISDIR) }
    }

    public static func isFolder(_ path: String) -> Bool {
        var status = Glibc.stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Whether there is anything of this name that this process may see: also a link that leads nowhere, which somebody meant to lead to
    /// something.
    public static func exists(_ path: String) -> Bool {
        var status = Glibc.stat()
        return access(path, F_OK) == 0 || lstat(path, &status) == 0
    }

    /// Makes a folder and those above it, each unless it is there.
    ///
    /// - Parameter sync: makes sure that the folder in which a new one lies is on the disk; without it the new one may be gone, with all that
    ///   is in it, after the machine has lost its power.
    /// - Throws: `.noPermission`, `.cannotCreate` where a file is in the way, `.inputOutput` where the disk is full.
    public static func makeFolders(
        _ path: String, mode: mode_t = 0o700, hint: String? = nil,
        sync: (_ folder: String) throws(Problem) -> Void = Files.sync(folder:)
    ) throws(Problem) {
        if isFolder(path) { return }
        // By bytes, as `folder(of:)`.
        let isAbsolute = path.utf8.first == UInt8(ascii: "/")
        var (folder, parent) = ("", isAbsolute ? "/" : ".")
        for part in path.utf8.split(separator: UInt8(ascii: "/")).map(Substring.init) {
            folder += folder.isEmpty && !isAbsolute ? part : "/\(part)"
            defer { parent = folder }
            if isFolder(folder) { continue }
            // Another process may make it at the same moment.
            if mkdir(folder, mode) == 0 {
                try sync(parent)
                continue
            }
            let number = errno
            if number == EEXIST, isFolder(folder) { continue }
            guard number != EEXIST, number != ENOTDIR else {
                throw Problem(.cannotCreate, "cannot create \"\(visible(folder))\": a file is in the way", hint: hint)
            }
            throw Problem(.create, folder, number, hint: hint)
        }
    }

    /// The folder that a path lies in.
    package static func folder(of path: String) -> String {
        // By bytes: a slash with an accent behind it is another character, and a slash all the same.
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Waits until the names in a folder are on the disk. A file system that cannot do that has nothing to wait for.
    public static func sync(folder: String) throws(Problem) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        // It may be one into which this process may put something, but not look.
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 || [EINVAL, ENOTSUP, ENOSYS].contains(errno) else {
            throw Problem(.write, folder, errno)
        }
    }

    /// Takes away a file, or a folder with all that is in it; a link goes, what it leads to stays.
    public static func remove(_ path: String) throws(Problem) {
        var status = Glibc.stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw Problem(.remove, path, errno)
        }
        if status.st_mode & S_IFMT == S_IFDIR {
            guard let names = names(in: path) else { throw Problem(.list, path, errno) }
            for name in names { try remove("\(path)/\(name)") }
            guard path.withFileName({ rmdir($0) }) == 0 || errno == ENOENT else { throw Problem(.remove, path, errno) }
        } else {
            guard unlink(path) == 0 || errno == ENOENT else { throw Problem(.remove, path, errno) }
        }
    }

    /// A path that means the same wherever the process goes: one that is relative counts from the present folder.
    public static func absolute(_ path: String) throws(Problem) -> String {
        if path.hasPrefix("/") { return path }
        guard let folder = getcwd(nil, 0) else {
            throw Problem(
                .noInput, "\"\(visible(path))\" counts from the present folder, which is gone",
                hint: "Change to another folder, or write a path that begins with \"/\".")
        }
        defer { free(folder) }
        let here = String(fileName: folder)
        return path == "." ? here : (here == "/" ? "" : here) + "/\(path)"
    }

    /// Writes bytes whole to an open file; a disk that is full is told, as is a part that could not be written.
    public static func write(_ bytes: [UInt8], to file: Int32, of path: String) throws(Problem) {
        try bytes.withUnsafeBufferPointer { (bytes) throws(Problem) in
            try write(UnsafeRawBufferPointer(bytes), to: file, of: path)
        }
    }

    public static func write(_ bytes: UnsafeRawBufferPointer, to file: Int32, of path: String) throws(Problem) {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(file, rest.baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Problem(.write, path, errno) }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
    }
}
