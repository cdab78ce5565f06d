import Foundation
import Problems
import Testing

@Suite struct FileLockTests {
    private let path = FileManager.default.temporaryDirectory.path + "/lock-\(UUID().uuidString)"

    @Test func oneHasItAloneOrSeveralShareIt() throws {
        defer { unlink(path) }
        #expect(!FileLock.isHeld(path: path), "there is no such file")
        let (first, second) = (try FileLock(path: path), try FileLock(path: path))
        #expect(try first.tryHold())
        #expect(try !second.tryHold())
        #expect(try !second.tryHold(.shared))
        #expect(FileLock.isHeld(path: path))
        first.release()
        #expect(try second.tryHold(.shared))
        #expect(try first.tryHold(.shared))
        #expect(!FileLock.isHeld(path: path), "who shares it leaves room for others")
        #expect(try !first.tryHold())
        withExtendedLifetime(second) {}
    }

    @Test func itEndsWithItsValue() throws {
        defer { unlink(path) }
        var first: FileLock? = try FileLock(path: path)
        #expect(try first?.tryHold() == true)
        let second = try FileLock(path: path)
        #expect(try !second.tryHold())
        first = nil
        #expect(try second.tryHold())
    }

    @Test func aLinkIsNotFollowed() throws {
        defer {
            unlink(path)
            unlink(path + ".target")
        }
        #expect(symlink(path + ".target", path) == 0)
        #expect(throws: Problem.self) { try FileLock(path: path) }
        #expect(!FileManager.default.fileExists(atPath: path + ".target"))
        #expect(FileLock(existing: path) == nil)
    }
}
