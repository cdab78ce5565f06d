import Foundation
import Problems
import Testing
import Topics
import Time
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

    /// A replay that stops after some trips, and what somebody does before it is resumed.
    private func stopped(_ options: ReplayOptions, _ store: MemoryTopicStore) throws {
        store.fail(append: 2, .before)
        #expect(throws: MemoryTopicStore.Crash.self) { try replayer(options, store, depth: 0).run() }
    }

    private func edit(_ path: String, _ change: (inout [UInt8]) -> Void) throws {
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        change(&bytes)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    @Test(
        "a file that was edited at equal length is not resumed, wherever it was edited", arguments: EventClock.allCases)
    func anEditedFileIsNotResumed(_ clock: EventClock) throws {
        // Longer than the two ends that tell files apart at first sight.
        let path = try file(5000, badEvery: 10_000)
        let store = MemoryTopicStore()
        var options = options(path, clock: clock)
        try replayer(options, store).run { store.lines(Bench.ingest).joined().count > 100 }
        let sent = store.lines(Bench.ingest)
        try edit(path) { bytes in
            let digit = bytes[(bytes.count / 2)...].firstIndex { (0x30..<0x39).contains($0) }!
            bytes[digit] += 1
        }
        options.isResuming = true
        #expect { try replayer(options, store).run() } throws: { error in
            let problem = error as? Problem
            return problem?.code == .badData && problem?.message.contains("\"trips.csv\" has other content") == true
        }
        #expect(store.lines(Bench.ingest) == sent)
    }

    @Test func aFileThatWasMovedIsKnownByItsBytes() throws {
        let path = try file(5000, badEvery: 10_000)
        let store = MemoryTopicStore()
        var options = options(path)
        try replayer(options, store).run()
        // Another file with the same bytes, in another folder.
        let other = folder.appendingPathComponent("moved")
        try FileManager.default.createDirectory(at: other, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: path, toPath: other.path + "/trips.csv")
        options.paths = [other.path + "/trips.csv"]
        options.isResuming = true
        #expect(try replayer(options, store).run().resumedFrom == 4999)
    }

    /// A replay of 98 trips that was stopped in its first moments, and is to go on; with the position that it has stored.
    private func stoppedReplay() throws -> (store: MemoryTopicStore, options: ReplayOptions, position: [UInt8]) {
        let store = MemoryTopicStore()
        var options = options(try file(100, badEvery: 50))
        options.pace = .shaped(.constant(1000))
        try stopped(options, store)
        options.isResuming = true
        return (store, options, try #require(store.position(of: "produce")))
    }

    @Test func withoutHashesAMovedFileIsRefusedAndAnUntouchedOneIsNot() throws {
        let (store, options, position) = try stoppedReplay()
        // As after a kill in the first moments.
        var early = try ReplayPosition(decoding: position, producer: "produce")
        for index in early.input.indices { early.input[index].content = nil }
        store.setPosition(early.encoded(), of: "produce")
        #expect(try replayer(options, store).run().sent == 98)

        store.setPosition(early.encoded(), of: "produce")
        try edit(options.paths[0]) { _ in }
        #expect { try replayer(options, store).run() } throws: { error in
            (error as? Problem)?.code == .badData
                && (error as? Problem)?.message.contains("was moved or written to") == true
        }
    }

    @Test func aPositionOfAnEarlierVersionGoesOnWithAWarning() throws {
        let (store, options, position) = try stoppedReplay()
        var object = try #require(try JSONSerialization.jsonObject(with: Data(position)) as? [String: Any])
        var input = try #require(object["input"] as? [[String: Any]])
        for key in ["content", "stamp"] { input[0][key] = nil }
        var known = try #require(object["options"] as? [String: String])
        for key in ["zone", "--max-ahead"] { known[key] = nil }
        (object["input"], object["options"], object["startedMs"]) = (input, known, nil)
        store.setPosition([UInt8](try JSONSerialization.data(withJSONObject: object)), of: "produce")
        let resumed = replayer(options, store)
        var warnings: [String] = []
        resumed.onWarning = { warnings.append($0) }
        #expect(try resumed.run().sent == 98)
        #expect(warnings.contains { $0.contains("an earlier version began this replay") })
    }

    @Test("what decides on the trips and their times is part of what is resumed")
    func otherOptionsAreNotResumed() throws {
        let store = MemoryTopicStore()
        var options = options(try file(100, badEvery: 50))
        try replayer(options, store).run()
        options.isResuming = true
        func problem(_ change: (inout ReplayOptions) throws -> Void) throws -> Problem? {
            var changed = options
            try change(&changed)
            do { try replayer(changed, store).run() } catch { return error as? Problem }
            return nil
        }
        let zone = try problem { $0.source.zone = try ZoneClock(identifier: "America/New_York") }
        #expect(zone?.code == .usage)
        #expect(zone?.message == "cannot resume: zone was America/Chicago and is America/New_York")
        let ahead = try problem { $0.maxAheadMs = 3_600_000 }
        #expect(ahead?.message == "cannot resume: --max-ahead was 1 day and is 1 hour")
        #expect(try problem { _ in } == nil)
    }

    @Test("a file that is written to while it is replayed ends the replay", arguments: EventClock.allCases)
    func aFileThatChangesUnderWay(_ clock: EventClock) throws {
        let path = try file(5000, badEvery: 10_000)
        let store = MemoryTopicStore()
        let other = try Data(contentsOf: URL(fileURLWithPath: try file(5000, badEvery: 9, name: "other.csv")))
        let expected = MemoryTopicStore()
        var options = options(path, clock: clock)
        options.pace = .shaped(.constant(1000))
        try replayer(options, expected, depth: 0).run()
        let trips = Set(expected.lines(Bench.ingest).joined().map { $0.split(separator: "@")[0] })
        var isWritten = false
        let replayer = replayer(options, store, depth: 0)
        #expect {
            try replayer.run {
                if !isWritten, store.lines(Bench.ingest).joined().count > 500 {
                    // In place, as an editor or dd does, and at equal length.
                    let file = FileHandle(forUpdatingAtPath: path)
                    try? file?.write(contentsOf: other)
                    try? file?.close()
                    isWritten = true
                }
                return false
            }
        } throws: { error in
            (error as? Problem)?.code == .inputOutput
                && (error as? Problem)?.message.contains("trips.csv\" changed while it was read") == true
        }
        let sent = store.lines(Bench.ingest).joined().map { $0.split(separator: "@")[0] }
        #expect((500..<5000).contains(sent.count))
        #expect(sent.allSatisfy(trips.contains), "trips that nobody made were sent")
    }

    @Test("a trip too far ahead of the clock is rejected", arguments: [(EventClock.start, 1), (.end, 1), (.now, 0)])
    func tripsOfTheFuture(_ clock: EventClock, rejected: Int) throws {
        let now = ManualClock().nowMs
        func row(_ id: String, _ ms: EventTime) -> String {
            let text = zone.iso(ms: ms).prefix(19)
            return "\(id),x,\(text),\(text),1.00\n"
        }
        let day = MaxAhead.defaultMs
        let text =
            "Trip ID,Taxi ID,Trip Start Timestamp,Trip End Timestamp,Fare\n"
            + row("within", now + day - 60_000) + row("beyond", now + day + 60_000) + row("past", now - day)
        let url = folder.appendingPathComponent("future.csv")
        try Data(text.utf8).write(to: url)
        let store = MemoryTopicStore()
        let summary = try replayer(options(url.path, clock: clock), store).run()
        #expect(summary.sent == 3 - rejected)
        #expect(summary.rejected == (rejected == 0 ? [:] : ["out_of_range": rejected]))
        guard rejected > 0 else { return }
        let letter = try #require(try store.deadLetters(Bench.deadLetter).first)
        #expect(String(decoding: letter.value ?? [], as: UTF8.self).hasPrefix("beyond,x,"))
        let detail = letter.headers.first { $0.name == "detail" }?.text
        #expect(detail?.contains("is 24 hours ahead of the clock, more than the 1 day of --max-ahead") == true)
        let source = letter.headers.first { $0.name == "source" }?.text
        #expect(source == "\(url.path):3")
    }

    @Test func aResumedReplayRejectsTheSameTripsOfTheFuture() throws {
        let clock = ManualClock()
        var text = "Trip ID,Taxi ID,Trip Start Timestamp,Fare\n"
        for id in 0..<200 {
            // Every tenth lies two days ahead: by the time of the second run it is the past.
            let ms = clock.nowMs + (id % 10 == 0 ? 2 * MaxAhead.defaultMs : -Int64(id) * 60_000)
            text += "t\(id),x,\(zone.iso(ms: ms).prefix(19)),1.00\n"
        }
        let url = folder.appendingPathComponent("trips.csv")
        try Data(text.utf8).write(to: url)
        let store = MemoryTopicStore()
        var options = options(url.path)
        options.pace = .shaped(.constant(1000))
        func run() throws -> ReplaySummary {
            let output = TopicOutput(store: store, options: options, encode: encodeLines)
            return try Replayer(options: options, output: output, clock: clock, commitDepth: 0).run()
        }
        store.fail(append: 3, .before)
        #expect(throws: MemoryTopicStore.Crash.self) { _ = try run() }
        clock.advance(byNs: 5 * 86_400_000_000_000)
        options.isResuming = true
        let summary = try run()
        #expect(summary.sent == 180 && summary.rejected == ["out_of_range": 20])
        let sent = store.lines(Bench.ingest).joined().map { $0.split(separator: "@")[0] }
        #expect(Set(sent).count == 180 && sent.count == 180)
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
