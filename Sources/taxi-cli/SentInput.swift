import Basics
import CommandLine
import Database
import Problems
import SQLite
import Stream
import Topics
import Time

/// The files of a replay, and what an earlier one has sent of them.
struct SentInput {
    private let files: [SentFiles.File]
    private let sent: SentFiles
    private let topic: String
    private let range: Range<EventTime>
    private let connection: Connection

    init(_ files: [SentFiles.File], range: Range<EventTime>, topic: String, _ session: RunSession) throws {
        (self.files, self.topic, self.range, connection) = (files, topic, range, session.database.connection)
        let end = try Self.end(of: topic, in: session.store)
        sent = try explaining("looking for what was sent") {
            try SentFiles(
                topic: "\(topic) \(session.store.identity)", topicEnd: end, range: range,
                on: session.database.connection)
        }
    }

    private static func end(of topic: String, in store: any TopicStore) throws -> Int64 {
        guard try store.hasTopic(topic) else { return 0 }
        return try store.describe(topic).partitions.reduce(0) { $0 + $1.endOffset }
    }

    /// - Throws: `.usage` for a file that is named twice or was sent already, with when that was and the ways on.
    func requireNew(_ zone: ZoneClock) throws {
        var named: Set<String> = []
        for file in files where !named.insert(file.content).inserted {
            throw Problem(
                .usage, "\"\(file.name)\" is named twice, or another name of the same file is",
                hint: "Name it once, or add --again: its trips then count twice.")
        }
        for file in files {
            guard let earlier = try explaining("looking for what was sent", { try sent.earlier(file) }) else {
                continue
            }
            let name = earlier.name == file.name ? "" : ", as \"\(earlier.name)\""
            guard let trips = earlier.trips else {
                throw Problem(
                    .usage,
                    "\"\(file.name)\" was sent already, perhaps in part, at \(zone.iso(ms: earlier.sentMs))\(name): run \(earlier.runID) was killed",
                    hint:
                        "--resume goes on where it stopped; --again sends the file from its start, and its trips count twice."
                )
            }
            throw Problem(
                .usage,
                "\"\(file.name)\" was sent already, at \(zone.iso(ms: earlier.sentMs))\(name): \(grouped(trips)) trips in run \(earlier.runID)",
                hint:
                    "--resume goes on where an interrupted run stopped; --again sends it once more, and its trips count twice. Where a month was published anew, taxi-cli stream restate --month MONTH --from FILE puts the new file in the place of what was sent."
            )
        }
    }

    /// What to warn of before files are sent that a stream has read as files.
    func warnings() throws -> [String] {
        try files.compactMap { file in
            let query = try explaining("looking for what was read") {
                try ReadFiles.query(thatHasRead: file.content, of: range, on: connection)
            }
            return query.map {
                "\"\(visible(file.name))\" was read by stream --input for query \($0) already: a stream of topic \"\(topic)\" counts its trips twice"
            }
        }
    }

    func begin(_ runID: String) throws {
        try explaining("noting what is sent") { try sent.begin(files, runID: runID, atMs: systemTime()) }
    }

    /// Notes what became of it; that is no reason for a run to fail that has sent all.
    func end(_ runID: String, _ store: any TopicStore, trips: Int64) {
        guard let end = try? Self.end(of: topic, in: store) else { return }
        try? sent.end(runID: runID, trips: trips, topicEnd: end)
    }
}
