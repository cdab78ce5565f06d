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
        guard try Self.run("mount", "-t", "tmpfs", "-o", "size=\(kilobytes)k,mode=0700", "tmpfs", path) == 0 else {
            print("skipped: this user may not mount a small file system to fill")
            try FileManager.default.removeItem(atPath: path)
            return nil
        }
    }

    deinit {
        _ = try? Self.run("umount", "-l", path)
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Makes room, or takes it away; what is on it stays.
    package func resize(kilobytes: Int, sourceLocation: SourceLocation = #_sourceLocation) throws {
        try #require(
            try Self.run("mount", "-o", "remount,size=\(kilobytes)k", path) == 0, sourceLocation: sourceLocation)
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

    private static func run(_ arguments: String...) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }
}
