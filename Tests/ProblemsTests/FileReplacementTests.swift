import Foundation
import Glibc
import Testing

@testable import Problems

/// What is replaced is there whole, before and after; what is no file of its own takes the bytes as they come.
@Suite final class FileReplacementTests {
    private let folder = NSTemporaryDirectory() + "/replaced-\(UUID().uuidString)"

    init() throws { try Files.makeFolders(folder) }
    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private func path(_ name: String) -> String { "\(folder)/\(name)" }
    private func text(_ name: String) throws -> String {
        String(decoding: try Files.contents(of: path(name)), as: UTF8.self)
    }
    private func write(_ text: String, _ name: String, finishing: Bool = true) throws {
        let file = try FileReplacement(path(name))
        try Files.write(Array(text.utf8), to: file.descriptor, of: name)
        if finishing { try file.finish() }
    }
    private func mode(_ name: String) -> mode_t {
        var status = stat()
        lstat(path(name), &status)
        return status.st_mode
    }

    @Test func takesThePlaceOfAFileWhenItIsWhole() throws {
        try write("old", "a")
        try write("new and long", "a", finishing: false)
        #expect(try text("a") == "old")
        let file = try FileReplacement(path("a"))
        try Files.write(Array("new".utf8), to: file.descriptor, of: "a")
        #expect(try text("a") == "old")
        try file.finish()
        #expect(try text("a") == "new")
        #expect(Files.names(in: folder) == ["a"])
    }

    @Test func keepsPermissions() throws {
        try write("old", "a")
        chmod(path("a"), 0o640)
        try write("new", "a")
        #expect(mode("a") & 0o7777 == 0o640)
        try Files.replace(path("secret"), with: [], mode: 0o600)
        #expect(mode("secret") & 0o7777 == 0o600)
    }

    /// A link to a link in another folder, whose names count from where each lies.
    @Test func replacesWhatALinkLeadsTo() throws {
        try Files.makeFolders(path("deep"))
        try FileManager.default.createSymbolicLink(atPath: path("deep/second"), withDestinationPath: "third")
        try FileManager.default.createSymbolicLink(atPath: path("first"), withDestinationPath: "deep/second")
        for content in ["made by the link", "then replaced"] {
            try write(content, "first")
            #expect(try text("deep/third") == content)
            #expect(mode("first") & S_IFMT == S_IFLNK && mode("deep/second") & S_IFMT == S_IFLNK)
            #expect(mode("deep/third") & S_IFMT == S_IFREG)
        }
        #expect(Files.names(in: path("deep"))?.count == 2)
    }

    @Test func aLinkToItselfIsSaid() throws {
        try FileManager.default.createSymbolicLink(atPath: path("loop"), withDestinationPath: "loop")
        let problem = #expect(throws: Problem.self) { try write("", "loop") }
        #expect(problem?.code == .cannotCreate)
    }

    @Test func pipesAndDevicesStayWhatTheyAre() throws {
        try #require(mkfifo(path("pipe"), 0o600) == 0)
        let reader = open(path("pipe"), O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        try write("through it", "pipe")
        var bytes = [UInt8](repeating: 0, count: 64)
        #expect(read(reader, &bytes, 64) == 10)
        #expect(mode("pipe") & S_IFMT == S_IFIFO)
        try FileManager.default.createSymbolicLink(atPath: path("nothing"), withDestinationPath: "/dev/null")
        try write("gone", "nothing")
        #expect(mode("nothing") & S_IFMT == S_IFLNK)
        let full = try FileReplacement("/dev/full")
        let problem = #expect(throws: Problem.self) { try Files.write([1], to: full.descriptor, of: "/dev/full") }
        #expect(problem?.code == .inputOutput)
    }

    /// What stands in the file already stays: it was written by the same shell.
    @Test func aDescriptorIsWrittenToWhereItStands() throws {
        let file = open(path("out"), O_WRONLY | O_CREAT, 0o600)
        defer { close(file) }
        try Files.write(Array("before ".utf8), to: file, of: "out")
        for name in ["/dev/fd/\(file)", "/proc/self/fd/\(file)"] {
            let replaced = try FileReplacement(name)
            try Files.write(Array("and ".utf8), to: replaced.descriptor, of: name)
            try replaced.finish()
        }
        try Files.write(Array("after".utf8), to: file, of: "out")
        #expect(try text("out") == "before and and after")
    }

    @Test(arguments: [("none/a", 73), ("", 73)])
    func saysWhatCannotBeMade(_ name: String, _ code: Int32) {
        let problem = #expect(throws: Problem.self) { try write("", name) }
        #expect(problem?.code.rawValue == code)
    }

    /// Two steps of a workflow may write the same file at once: one of them wins, whole.
    @Test func severalAtOnceLeaveOneOfThem() throws {
        let texts = (0..<8).map { String(repeating: "\($0)", count: 100_000) }
        let shared = path("shared")
        DispatchQueue.concurrentPerform(iterations: texts.count) { index in
            try? Files.replace(shared, with: Array(texts[index].utf8))
        }
        #expect(texts.contains(try text("shared")))
        #expect(Files.names(in: folder) == ["shared"])
    }
}
