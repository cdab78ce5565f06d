import Foundation
package import Testing

/// A file system in memory of a given size, which only root can make; gone with the value.
package final class SmallDisk {
    /// From too small for an empty database to room for a small day, in kilobytes.
    package static let sizes = Array(stride(from: 200, through: 5_000, by: 160))

    /// The folder of its root, mode 0700.
    package let path: String

    /// Nil, with a line that says so, where this process may not mount.
    ///
    /// - Parameter kilobytes: rounded up to whole pages of memory.
    package init?(kilobytes: Int) throws {
        path = FileManager.default.temporaryDirectory.path + "/taxi-disk-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        guard try runQuietly("mount", "-t", "tmpfs", "-o", "size=\(kilobytes)k,mode=0700", "tmpfs", path) == 0 else {
            print("skipped: this user may not mount a small file system to fill")
            try FileManager.default.removeItem(atPath: path)
            return nil
        }
    }

    deinit {
        _ = try? runQuietly("umount", "-l", path)
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Makes room, or takes it away; what is on it stays.
    package func resize(kilobytes: Int, sourceLocation: SourceLocation = #_sourceLocation) throws {
        try #require(
            try runQuietly("mount", "-o", "remount,size=\(kilobytes)k", path) == 0, sourceLocation: sourceLocation)
    }

    /// Fills it up with a file.
    ///
    /// - Returns: the file.
    package func fill(leavingKilobytes rest: Int, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
        let free = try #require(
            try FileManager.default.attributesOfFileSystem(forPath: path)[.systemFreeSize] as? NSNumber,
            sourceLocation: sourceLocation
        ).intValue
        let filler = "\(path)/filler"
        try Data(count: max(0, free - rest << 10)).write(to: URL(fileURLWithPath: filler))
        return filler
    }
}
