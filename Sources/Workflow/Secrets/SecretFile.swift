internal import Foundation
internal import Glibc
public import Problems

/// A file that holds one secret: `{{ file:secrets/token }}`.
public enum SecretFile {
    private static let limitBytes = 64 << 10

    /// What the file holds, without the line break at its end.
    ///
    /// - Throws: `.noInput`, `.noPermission` where it cannot be read; `.configuration` where others may read it, or it holds no text
    ///   or more than 64 KiB.
    public static func read(_ path: String) throws(Problem) -> String {
        // A pipe without a writer would not even open otherwise.
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            let number = errno
            throw Problem(
                Problem.Code(number, doing: .read), "cannot read the secret in \"\(path)\": \(Problem.text(number))")
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw Problem(.configuration, "\"\(path)\" is no file that could hold a secret")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw Problem(
                .configuration,
                "others may read the secret in \"\(path)\" (mode \(String(status.st_mode & 0o777, radix: 8)))",
                hint: "Run: chmod 600 \(path)")
        }
        var bytes = [UInt8](repeating: 0, count: limitBytes + 1)
        let count = Glibc.read(file, &bytes, bytes.count)
        guard count >= 0, count <= limitBytes, var text = String(validating: bytes[..<count], as: UTF8.self) else {
            throw Problem(.configuration, "\"\(path)\" holds no text of at most 64 KiB")
        }
        if text.hasSuffix("\r\n") || text.hasSuffix("\n") { text.removeLast() }
        guard !text.isEmpty else { throw Problem(.configuration, "\"\(path)\" is empty where a secret should be") }
        return text
    }
}
