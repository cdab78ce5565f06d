internal import Glibc
public import Problems

extension YAMLNode {
    /// What a file that a person writes may be long at most.
    static let fileSizeLimitBytes = 8 << 20

    /// Reads the file at `path`; a pipe or a device is read to its end as well, where somebody names one.
    ///
    /// - Throws: as `parse`, and `.noInput` or `.noPermission` where it cannot be read, `.badData` where it is over 8 MiB.
    public static func load(path: String, callsHoldCommas: Bool = false) throws(Problem) -> YAMLNode {
        let bytes = try Files.contents(of: path, limitBytes: fileSizeLimitBytes)
        return try parse(bytes, file: path, callsHoldCommas: callsHoldCommas)
    }

    /// Whether a plain file is there, and no folder, pipe or device: what a look through a folder may open without waiting.
    public static func isPlainFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }
}
