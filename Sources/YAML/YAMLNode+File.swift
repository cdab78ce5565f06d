internal import Glibc
public import Problems

extension YAMLNode {
    /// What a file that a person writes may be long at most.
    static let fileSizeLimitBytes = 8 << 20

    /// Reads the file at `path`; a pipe or a device is read to its end as well, where somebody names one.
    ///
    /// - Throws: as `parse`, and `.noInput` or `.noPermission` where it cannot be read, `.badData` where it is over 8 MiB.
    public static func load(path: String, callsHoldCommas: Bool = false) throws(Problem) -> YAMLNode {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw refused(path, errno) }
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = read(file, &buffer, buffer.count), count != 0 {
            guard count > 0 else {
                if errno == EINTR { continue }
                throw refused(path, errno)
            }
            bytes += buffer[..<count]
            guard bytes.count <= fileSizeLimitBytes else {
                throw Problem(.badData, "file \"\(path)\" is over 8 MiB: no file that a person wrote")
            }
        }
        return try parse(bytes, file: path, callsHoldCommas: callsHoldCommas)
    }

    /// Whether a plain file is there, and no folder, pipe or device: what a look through a folder may open without waiting.
    public static func isPlainFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    private static func refused(_ path: String, _ number: Int32) -> Problem {
        switch number {
        case EACCES, EPERM: Problem(.noPermission, "cannot read file \"\(path)\": permission denied")
        case ENOENT, ENOTDIR: Problem(.noInput, "no file \"\(path)\"")
        case EISDIR: Problem(.noInput, "cannot read file \"\(path)\": it is a folder")
        default:
            Problem(.inputOutput, "cannot read file \"\(path)\": \(String(cString: strerror(number)).lowercased())")
        }
    }
}
