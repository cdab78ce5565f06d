internal import Foundation
public import Problems

extension YAMLNode {
    /// What a file that a person writes may be long at most.
    static let fileSizeLimitBytes = 8 << 20

    /// Reads the file at `path`.
    ///
    /// - Throws: as `parse`, and `.noInput` or `.noPermission` where it cannot be read, `.badData` where it is over 8 MiB.
    public static func load(path: String, callsHoldCommas: Bool = false) throws(Problem) -> YAMLNode {
        let data = Data(try Files.contents(of: path, limitBytes: fileSizeLimitBytes))
        return try parse(data, file: path, callsHoldCommas: callsHoldCommas)
    }
}
