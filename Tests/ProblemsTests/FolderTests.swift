import Foundation
import Glibc
import Testing

@testable import Problems

/// Folders and files, and who may do what with them.
@Suite struct FolderTests {
    private final class Folder {
        let path = NSTemporaryDirectory() + "/taxi-\(UUID().uuidString)"
        init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    @Test func theFolderThatHoldsANewOneIsSynced() throws {
        let folder = try Folder()
        var synced: [String] = []
        try Files.makeFolders("\(folder.path)/a/b/c") { (path) throws(Problem) in synced.append(path) }
        #expect(
            synced.map { ($0 as NSString).standardizingPath }
                == ["", "/a", "/a/b"].map { (folder.path + $0 as NSString).standardizingPath })
        // What is there needs nothing.
        try Files.makeFolders("\(folder.path)/a/b") { (path) throws(Problem) in synced.append(path) }
        #expect(synced.count == 3)
        for made in ["a", "a/b", "a/b/c"] {
            var status = stat()
            #expect(stat("\(folder.path)/\(made)", &status) == 0 && status.st_mode & 0o777 == 0o700)
        }
    }

    /// A slash and an accent behind it are one character, and no name.
    @Test func namesBeginWithAccentsToo() throws {
        let folder = try Folder()
        #expect(Files.folder(of: "/a/\u{301}b") == "/a")
        #expect(Files.folder(of: "/\u{301}b") == "/")
        #expect(Files.folder(of: "\u{301}b") == ".")
        let path = "\(folder.path)/\u{301}x/\u{301}y"
        try Files.makeFolders(path)
        #expect(Files.isFolder(path) && Files.isFolder("\(folder.path)/\u{301}x"))
        try Files.replace("\(path)/\u{301}z", with: [1, 2])
        #expect(try Files.contents(of: "\(path)/\u{301}z") == [1, 2])
        #expect(Files.names(in: path)?.count == 1)
    }

    @Test func aFolderThatCannotBeSyncedIsTold() throws {
        let folder = try Folder()
        let problem = #expect(throws: Problem.self) {
            try Files.makeFolders("\(folder.path)/a") { (path) throws(Problem) in throw Problem(.write, path, EIO) }
        }
        #expect(problem?.code == .inputOutput)
    }

    @Test(
        arguments: [
            (0o700, true), (0o755, true), (0o750, true), (0o775, false), (0o777, false), (0o757, false),
            (0o1777, false),
        ] as [(mode_t, Bool)])
    func whatOthersMayWriteIsNotOurs(_ mode: mode_t, _ isOurs: Bool) throws {
        let folder = try Folder()
        chmod(folder.path, mode)
        if isOurs { return try Files.requireOurs(folder.path, "the home") }
        let problem = #expect(throws: Problem.self) { try Files.requireOurs(folder.path, "the home") }
        #expect(problem?.code == .noPermission)
        #expect(problem?.hint == "Run: chmod go-w \(folder.path)")
        // In a folder like /tmp nobody replaces a file of somebody else's.
        if mode == 0o1777 { try Files.requireOurs(folder.path, "the folder", allowsSticky: true) }
    }

    @Test func whatBelongsToSomebodyElseIsNotOurs() throws {
        let folder = try Folder()
        guard chown(folder.path, 65_534, 65_534) == 0 else { return print("skipped: only root gives folders away") }
        let problem = #expect(throws: Problem.self) { try Files.requireOurs(folder.path, "the home") }
        #expect(problem?.code == .noPermission)
        #expect(problem?.message.contains("belongs to another user (65534)") == true)
        #expect(problem?.hint?.hasSuffix("chown 0 \(folder.path)") == true)
    }
}
