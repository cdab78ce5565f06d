internal import Glibc
internal import Problems

/// Room on the disk that is given up when the disk is full, so that what has happened can still be written down.
struct DiskReserve {
    /// A transaction that notes the end of a step, with outputs of some ten thousand bytes.
    static let sizeBytes: off_t = 64 << 10

    let path: String

    /// - Throws: `.inputOutput` where there is no such room.
    func make() throws(Problem) {
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Problem(.create, path, errno) }
        defer { close(file) }
        // Its answer is the error itself; `errno` stays as it was.
        let number = posix_fallocate(file, 0, Self.sizeBytes)
        guard number == 0 else {
            remove()
            throw Problem(.write, path, number)
        }
    }

    func remove() { unlink(path) }
}
