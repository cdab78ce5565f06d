internal import Foundation
public import Problems

extension YAMLNode {
    /// What a file that a person writes may be long at most.
    static let fileSizeLimitBytes = 8 << 20

    /// Reads the file at `path`.
    ///
    /// - Throws: as `parse`, and `.noInput` or `.noPermission` where it cannot be read, `.badData` where it is over 8 MiB.
    public static func load(path: String, callsHoldCommas: Bool = false) throws(Problem) -> YAMLNode {
        let data: Data
        do {
            let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
            guard size <= fileSizeLimitBytes else {
                throw Problem(.badData, "file \"\(path)\" is over 8 MiB: no file that a person wrote")
            }
            data = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch let problem as Problem {
            throw problem
        } catch let error as CocoaError where error.code == .fileReadNoPermission {
            throw Problem(.noPermission, "cannot read file \"\(path)\": permission denied")
        } catch let error as CocoaError where error.code == .fileReadNoSuchFile || error.code == .fileNoSuchFile {
            throw Problem(.noInput, "no file \"\(path)\"")
        } catch {
            throw Problem(.noInput, "cannot read file \"\(path)\": \(error.localizedDescription)")
        }
        return try parse(data, file: path, callsHoldCommas: callsHoldCommas)
    }
}
