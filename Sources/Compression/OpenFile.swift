internal import Glibc
import Problems

/// A file descriptor with a name for messages; closed with its last owner if it was opened here.
///
/// Reads and writes start again after a signal, and wait where a pipe was set to non-blocking by its other owner.
final class OpenFile {
    let name: String
    private let descriptor: Int32
    private var isOpen: Bool
    /// Asked while nothing comes, and before each read: whether nobody waits for it any more.
    private let isStopped: (() -> Bool)?
    /// Of a file that is written here.
    private var replacement: FileReplacement?

    /// Takes a descriptor that somebody else opened; `closing` hands it over.
    init(descriptor: Int32, name: String, closing: Bool, isStopped: (() -> Bool)? = nil) {
        (self.descriptor, self.name, isOpen, self.isStopped) = (descriptor, name, closing, isStopped)
    }

    init(reading path: String, isStopped: (() -> Bool)? = nil) throws(Problem) {
        (name, self.isStopped) = (path, isStopped)
        // The opening of a pipe waits for who writes to it, and a signal ends the wait.
        var opened = open(path, O_RDONLY | O_CLOEXEC)
        while opened < 0, errno == EINTR, isStopped?() != true { opened = open(path, O_RDONLY | O_CLOEXEC) }
        (descriptor, isOpen) = (opened, opened >= 0)
        guard isOpen else {
            if errno == EINTR { throw Problem(.interrupted, "stopped while \"\(path)\" was opened") }
            throw Self.cannotRead(path, errno)
        }
        var status = stat()
        if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            let name = visible(path)
            throw Problem(.noInput, "\"\(name)\" is a folder", hint: "Name the files in it, such as \"\(name)/*.csv\".")
        }
        // Only a hint to the kernel: read ahead further than usual.
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
    }

    /// The file has its name when it is closed.
    init(writing path: String) throws(Problem) {
        let replacement = try FileReplacement(path)
        (name, self.replacement, descriptor, isOpen) = (path, replacement, replacement.descriptor, false)
        isStopped = nil
    }

    deinit { if isOpen { Glibc.close(descriptor) } }

    /// Up to `buffer.count` bytes; 0 at the end.
    ///
    /// - Throws: `.interrupted` once nobody waits for them any more.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(Problem) -> Int {
        while true {
            if let isStopped { try waitForBytes(unless: isStopped) }
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            try waitOrFail(for: POLLIN, doing: .read)
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count < 0 {
                try waitOrFail(for: POLLOUT, doing: .write)
            } else {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }
    }

    /// Closes the file and reports what the file system only says now.
    func close() throws(Problem) {
        if let replacement {
            self.replacement = nil
            return try replacement.finish()
        }
        guard isOpen else { return }
        isOpen = false
        guard Glibc.close(descriptor) == 0 else { throw Problem(.write, name, errno) }
    }

    /// A signal is heard by one thread, which need not be this one: so it does not wait for long.
    private func waitForBytes(unless isStopped: () -> Bool) throws(Problem) {
        var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        var ready: Int32
        repeat {
            guard !isStopped() else { throw Problem(.interrupted, "stopped while \"\(name)\" was read") }
            ready = poll(&wanted, 1, 100)
        } while ready == 0 || (ready < 0 && errno == EINTR)
    }

    private func waitOrFail(for events: Int32, doing action: Problem.FileAction) throws(Problem) {
        let number = errno
        if number == EINTR { return }
        if number == EAGAIN {
            var wanted = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            poll(&wanted, 1, -1)
            return
        }
        throw Problem(action, name, number)
    }

    private static func cannotRead(_ path: String, _ number: Int32) -> Problem {
        let isMissing = number == ENOENT || number == ENOTDIR
        let near = isMissing ? neighbour(of: path) : nil
        return Problem(.read, path, number, hint: near.map { "Did you mean \"\(visible($0))\"?" })
    }

    /// The file of the same folder whose name is nearest.
    private static func neighbour(of path: String) -> String? {
        let slash = path.lastIndex(of: "/")
        let folder = slash.map { String(path[...$0]) } ?? ""
        let file = slash.map { String(path[path.index(after: $0)...]) } ?? path
        let names = Files.names(in: folder.isEmpty ? "." : folder) ?? []
        return nearestName(to: file, among: names.filter { !$0.hasPrefix(".") }).map { folder + $0 }
    }
}
