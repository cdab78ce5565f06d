internal import Glibc
internal import Problems

/// Reads files that have to be plain ones: no pipe, device or folder, from which nothing might ever come.
enum PlainFile {
    /// - Throws: `.noInput`, `.noPermission`; `.badData` where it is longer, no plain file, or no UTF-8 text.
    static func text(_ path: String, limitBytes: Int) throws(Problem) -> String {
        guard let text = String(validating: try bytes(path, limitBytes: limitBytes), as: UTF8.self) else {
            throw Problem(.badData, "\"\(path)\" is no UTF-8 text")
        }
        return text
    }

    static func bytes(_ path: String, limitBytes: Int) throws(Problem) -> [UInt8] {
        // A pipe without a writer would not even open otherwise.
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        var status = stat()
        guard file >= 0, fstat(file, &status) == 0 else {
            let number = errno
            if file >= 0 { close(file) }
            throw refused(path, number)
        }
        defer { close(file) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Problem(.badData, "\"\(path)\" is no plain file") }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = read(file, &buffer, buffer.count), count != 0 {
            guard count > 0 else { throw refused(path, errno) }
            bytes += buffer[..<count]
            guard bytes.count <= limitBytes else {
                throw Problem(.badData, "\"\(path)\" is longer than \(limitBytes >> 20) MiB")
            }
        }
        return bytes
    }

    private static func refused(_ path: String, _ number: Int32) -> Problem {
        Problem(Problem.Code(number, doing: .read), "cannot read \"\(path)\": \(Problem.text(number))")
    }
}
