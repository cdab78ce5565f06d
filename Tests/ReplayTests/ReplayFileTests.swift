import Foundation
import Problems
import Testing
import Topics
import Trips

@testable import Replay

/// Replays of real files.
@Suite final class ReplayFileTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("replay-\(UUID().uuidString)")
    private let zone: ZoneClock

    init() throws {
        zone = try ZoneClock(identifier: "America/Chicago")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(at: folder) }

    /// A file of `count` rows of which every `badEvery`-th has a fare that is none; times run backwards.
    private func file(_ count: Int, badEvery: Int, name: String = "trips.csv") throws -> String {
        var text = "Trip ID,Taxi ID,Trip Start Timestamp,Trip End Timestamp,Fare\n"
        for id in 0..<count {
            let minute = (count - id) / 10 % 60
            let time = "01/19/2024 0\((count - id) / 600 % 9 + 1):\(minute < 10 ? "0" : "")\(minute):00 PM"
            text += "t\(id),x\(id % 7),\(time),\(time),\(id % badEvery == 0 ? "dear" : "\(id).50")\n"
        }
        let url = folder.appendingPathComponent(name)
        try Data(text.utf8).write(to: url)
        return url.path
    }

    private func options(_ path: String, clock: EventClock = .start) -> ReplayOptions {
        ReplayOptions(paths: [path], source: TripSourceOptions(clock: clock, zone: zone), partitions: 2)
    }

    private func replayer(_ options: ReplayOptions, _ store: MemoryTopicStore, depth: Int = 2) -> Replayer {
        let output = TopicOutput(store: store, options: options, encode: encodeLines)
        let replayer = Replayer(options: options, output: output, clock: ManualClock(), commitDepth: depth)
        replayer.onWarning = { _ in }
        return replayer
    }

    @Test("a file cut anywhere and resumed is sent once", arguments: EventClock.allCases)
    func cutAndResumed(_ clock: EventClock) throws {
        var options = options(try file(600, badEvery: 20), clock: clock)
        options.pace = .shaped(.constant(5000))
        func ids(_ store: MemoryTopicStore) -> [[String]] {
            store.lines(Bench.ingest).map { $0.map { String($0.split(separator: "@")[0]) } }
        }
        let straight = MemoryTopicStore()
        let whole = try replayer(options, straight, depth: 0).run()
        #expect(whole.read == 600 && whole.sent == 570 && whole.rejected == ["bad_money": 30])
        for cut in [1, 2, 3] {
            let store = MemoryTopicStore()
            store.fail(append: cut, cut % 2 == 0 ? .after : .before)
            options.isResuming = false
            #expect(throws: MemoryTopicStore.Crash.self) { try replayer(options, store, depth: 0).run() }
            options.isResuming = true
            let resumed = try replayer(options, store, depth: 0).run()
            #expect(resumed.read == 600 && resumed.sent == 570 && resumed.rejected == ["bad_money": 30])
            #expect(ids(store) == ids(straight))
            #expect(
                try store.deadLetters(Bench.deadLetter).map(\.value)
                    == straight.deadLetters(Bench.deadLetter).map(\.value))
        }
    }

    @Test("too many rejects stop the run, and are kept", arguments: [5000, 300])
    func tooManyRejects(_ count: Int) throws {
        let text =
            "Trip ID,Taxi ID,Trip Start Timestamp,Fare\n"
            + (0..<count).map { "t\($0),x,\($0 % 3 == 0 ? "01/19/2024 05:00:00 PM" : "soon"),1.00\n" }.joined()
        let url = folder.appendingPathComponent("wrong.csv")
        try Data(text.utf8).write(to: url)
        let store = MemoryTopicStore()
        let replayer = replayer(options(url.path, clock: .now), store)
        #expect { try replayer.run() } throws: { error in
            guard let problem = error as? Problem else { return false }
            return problem.code == .badData && problem.message.contains("bad_timestamp")
        }
        let summary = try #require(replayer.summary)
        let kept = try store.deadLetters(Bench.deadLetter).count
        #expect(kept == summary.rejected["bad_timestamp"])
        #expect(kept > count / 2 || count == 5000 && kept > 500)
        #expect(summary.outcome == .failed)
        #expect(summary.read == summary.sent + kept)
    }

    @Test func aChangedFileIsNotResumed() throws {
        let path = try file(100, badEvery: 50)
        let store = MemoryTopicStore()
        var options = options(path)
        try replayer(options, store).run()
        try Data("Trip ID,Trip Start Timestamp\na,01/19/2024 05:00:00 PM\n".utf8).write(to: URL(fileURLWithPath: path))
        options.isResuming = true
        #expect { try replayer(options, store).run() } throws: { error in
            (error as? Problem)?.code == .usage && (error as? Problem)?.message.contains("trips.csv") == true
        }
    }

    @Test func aMissingFileIsSaid() throws {
        #expect { try replayer(options(folder.path + "/none.csv"), MemoryTopicStore()).run() } throws: {
            ($0 as? Problem)?.code == .noInput
        }
        #expect(throws: Problem.self) { try InputIdentity(path: folder.path) }
    }

    @Test func anIdentityIsNameSizeAndContent() throws {
        let path = try file(3000, badEvery: 10)
        let before = try InputIdentity(path: path)
        #expect(before.name == "trips.csv" && before.size ?? 0 > 128 << 10)
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try handle.seek(toOffset: UInt64(before.size! - 3))
        try handle.write(contentsOf: Data("9".utf8))
        try handle.close()
        let after = try InputIdentity(path: path)
        #expect(after.size == before.size && after.hash != before.hash)
        #expect(try InputIdentity(path: "-") == InputIdentity(name: "stdin", size: nil, hash: nil))
    }

    @Test func manyFilesAreOneInAPosition() {
        let few = (0..<3).map { InputIdentity(name: "trips-\($0).csv", size: 5, hash: "ab") }
        #expect(InputIdentity.compacted(few) == few)
        let many = (0..<200).map { InputIdentity(name: "trips-\($0).csv", size: 5, hash: "ab") }
        let one = InputIdentity.compacted(many)
        #expect(one.map(\.name) == ["200 files"])
        #expect(one.map(\.size) == [1000])
        #expect(InputIdentity.compacted(many) == one)
        #expect(InputIdentity.compacted(many.reversed()) != one, "another order is another input")
        let stream = InputIdentity.compacted(many + [InputIdentity(name: "stdin", size: nil, hash: nil)])
        #expect(stream.map(\.hash) == [nil])
    }

    @Test func theSummaryHasTheAgreedKeys() throws {
        let store = MemoryTopicStore()
        let replayer = replayer(options(try file(2000, badEvery: 10)), store)
        try replayer.run()
        let json = try #require(replayer.summary).json(zone: zone)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        let agreed = [
            "read", "sent", "rejected", "seconds", "rate", "asked_rate", "max_behind_ms", "bytes", "first_event",
            "last_event",
        ]
        for key in agreed { #expect(object[key] != nil, "\(key)") }
        #expect(object["read"] as? Int == 2000 && object["sent"] as? Int == 1800)
        #expect(object["rejected"] as? [String: Int] == ["bad_money": 200])
        #expect(object["asked_rate"] is NSNull)
        #expect(object["first_event"] as? String == "2024-01-19T13:00:00.000-06:00")
        #expect(json.hasPrefix("{\"read\":2000,\"sent\":1800,\"rejected\":{\"bad_money\":200},"))
    }
}

@Suite struct CommitterTests {
    private final class Stored: @unchecked Sendable {
        // Written by the committing thread, read after it has ended.
        var counts: [Int] = []
    }

    @Test("commits are stored in order, all of them", arguments: [0, 1, 3])
    func order(_ depth: Int) throws {
        let stored = Stored()
        let committer = Committer(depth: depth, clock: ManualClock(), allowanceNs: 0) { stored.counts.append($0.count) }
        for count in 1...200 { try committer.submit(SealedCommit(count: count)) }
        try committer.finish()
        #expect(stored.counts == Array(1...200))
        #expect(committer.report.count == 20_100)
    }

    @Test("a failure reaches whoever submits, and nothing is stored after it", arguments: [1, 3])
    func failure(_ depth: Int) throws {
        let stored = Stored()
        let committer = Committer(depth: depth, clock: ManualClock(), allowanceNs: 0) { commit in
            if commit.count == 5 { throw MemoryTopicStore.Crash() }
            stored.counts.append(commit.count)
        }
        #expect(throws: MemoryTopicStore.Crash.self) {
            for count in 1...100 { try committer.submit(SealedCommit(count: count)) }
        }
        #expect(throws: MemoryTopicStore.Crash.self) { try committer.finish() }
        #expect(stored.counts == [1, 2, 3, 4])
    }
}
