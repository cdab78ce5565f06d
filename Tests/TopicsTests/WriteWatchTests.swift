import TestSupport
import Foundation
import Testing

@testable import Topics

@Suite struct WriteWatchTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    @Test func seesWritesAndThatAFileIsGone() throws {
        let path = folder("file")
        #expect(WriteWatch(path: path) == nil)
        try #require(FileManager.default.createFile(atPath: path, contents: Data("a".utf8)))
        let watch = try #require(WriteWatch(path: path))
        #expect(watch.wait(ms: 0) == .nothing)
        let file = try #require(FileHandle(forWritingAtPath: path))
        for _ in 0..<3 { try file.write(contentsOf: Data("b".utf8)) }
        #expect(watch.wait(ms: 60_000) == .written)
        #expect(watch.wait(ms: 0) == .nothing)
        try file.close()
        try FileManager.default.removeItem(atPath: path)
        #expect(watch.wait(ms: 60_000) == .gone)
    }

    /// Whatever the state of its attention, a reader is woken by a record that is appended while it waits.
    @Test(.timeLimit(.minutes(2)), arguments: [false, true]) func aReaderOfAQuietTopicIsWoken(isQuiet: Bool) throws {
        let store = try EmbeddedTopicStore(path: folder("topics.db"))
        let topic = try newTopic(in: store, partitions: 1)
        let reader = try #require(try store.makeReader(topic: topic) as? EmbeddedTopicReader)
        nonisolated(unsafe) let writer = try store.makeWriter()
        var (round, seen) = (0, 0)
        // A reader whom writes never wake does not get through this within the time limit.
        while round < 20 || isQuiet && seen < 5 {
            let offset = Int64(round)
            #expect(try reader.read(partition: 0, from: offset) == nil)
            let thread = Thread { _ = try? writer.append([batch(topic, 0, [offset])], mark: nil) }
            thread.start()
            while try reader.read(partition: 0, from: offset) == nil {
                if isQuiet { reader.lastWriteMs = .min / 2 }
                try reader.wait(timeoutMs: 600_000)
                if reader.lastWriteMs > .min / 2 { seen += 1 }
            }
            round += 1
        }
    }
}
