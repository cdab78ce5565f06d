import Foundation
import Problems
import Time
import Trips

/// What became of the records so far: `read = sent + rejected + filtered`.
struct ReplayLedger: Codable, Sendable, Equatable {
    var read = 0
    var sent = 0
    var rejected: [String: Int] = [:]
    var filtered: [String: Int] = [:]

    static func + (a: ReplayLedger, b: ReplayLedger) -> ReplayLedger {
        ReplayLedger(
            read: a.read + b.read, sent: a.sent + b.sent, rejected: a.rejected.merging(b.rejected, uniquingKeysWith: +),
            filtered: a.filtered.merging(b.filtered, uniquingKeysWith: +))
    }

    var rejectedTotal: Int { rejected.values.reduce(0, +) }
    var filteredTotal: Int { filtered.values.reduce(0, +) }
}

/// Where a replay is: stored as JSON with the records of each commit, in the same transaction.
///
/// A run that goes on from here delivers neither a trip nor a reject twice: it passes over `pass.sent` trips of the input and over
/// as many rejects as `pass.rejected` adds up to. Numbers are totals since the fresh start, over all runs.
struct ReplayPosition: Codable, Sendable, Equatable {
    var version = 1
    var input: [InputIdentity]
    /// `ReplayOptions.sequence` of the run.
    var options: [String: String]
    /// The passes over the input that were finished; 0 without `--loop`.
    var passes = 0
    var earlier = ReplayLedger()
    /// The pass that is going on.
    var pass = ReplayLedger()
    /// What is added to the event times of this pass, in ms.
    var shiftMs: Int64 = 0
    var bytes = 0
    /// Least and greatest event time sent, ms UTC.
    var firstEvent: EventTime?
    var lastEvent: EventTime?
    /// Whether all of the input was sent, or the limit reached.
    var isFinished = false
    /// The clock at the fresh start, by which event times are too far ahead or not: a run that resumes must reject the same trips.
    var startedMs: EventTime?

    init(input: [InputIdentity], options: [String: String]) { (self.input, self.options) = (input, options) }

    var total: ReplayLedger { earlier + pass }

    /// How many trips this pass may bring; nil for all.
    func limit(_ options: ReplayOptions) -> Int? { options.source.limit.map { max(0, $0 - earlier.sent) } }

    mutating func note(_ times: ClosedRange<EventTime>) {
        firstEvent = min(firstEvent ?? .max, times.lowerBound)
        lastEvent = max(lastEvent ?? .min, times.upperBound)
    }

    /// What stands in place of a position after a run that kept none.
    static let notKept = Array("none".utf8)

    func encoded() -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Strings and integers only: there is nothing that could fail.
        return [UInt8]((try? encoder.encode(self)) ?? Data())
    }

    /// - Throws: `Problem(.badData)` for bytes that are no position of this version.
    init(decoding bytes: [UInt8], producer: String) throws(Problem) {
        guard bytes != Self.notKept else {
            throw Problem(
                .usage,
                "cannot resume: the last run of producer \"\(producer)\" kept no position, since it was not asked to",
                hint:
                    "On Kafka give --resume from the first run on: it costs transactions. Without --resume a run starts anew."
            )
        }
        guard let position = try? JSONDecoder().decode(ReplayPosition.self, from: Data(bytes)), position.version == 1,
            position.isPlausible
        else {
            throw Problem(
                .badData, "the stored position of producer \"\(producer)\" cannot be read",
                hint: "Start anew without --resume.")
        }
        self = position
    }

    /// Whether its numbers are such as a replay can have counted, so that going on from them cannot overflow.
    private var isPlausible: Bool {
        // More records than anybody has, and event times beyond any that a duration can reach.
        let counts = 0...(1 << 44)
        let times = -Self.lastTime...Self.lastTime
        let numbers =
            [passes, bytes]
            + [earlier, pass].flatMap { ledger in
                [ledger.read, ledger.sent] + ledger.rejected.values + ledger.filtered.values
            }
        return numbers.allSatisfy(counts.contains) && (0...Self.lastTime).contains(shiftMs)
            && [firstEvent, lastEvent, startedMs].allSatisfy { $0.map(times.contains) ?? true }
    }

    private static let lastTime: EventTime = 1 << 54

    /// - Throws: `Problem` that names every difference between the earlier run and this one: `.badData` where it is the content of files
    ///   alone, else `.usage`.
    func check(input now: [InputIdentity], options nowOptions: [String: String]) throws(Problem) {
        var differences: [String] = []
        var code = Problem.Code.badData
        if input.map(\.name) != now.map(\.name) {
            differences.append("the input was \(Self.list(input)) and is \(Self.list(now))")
            code = .usage
        } else {
            for (old, new) in zip(input, now) where !old.looksLike(new) {
                let isResized = old.size != new.size
                if isResized { code = .usage }
                let what = isResized ? "had \(Self.size(old)) and has \(Self.size(new))" : "has other content"
                differences.append("\"\(new.name)\" \(what)")
            }
        }
        for flag in Set(options.keys).union(nowOptions.keys).sorted() where options[flag] != nowOptions[flag] {
            if options[flag] == nil, ReplayOptions.laterOptions.contains(flag), isOfEarlierVersion { continue }
            differences.append("\(flag) was \(options[flag] ?? "off") and is \(nowOptions[flag] ?? "off")")
            code = .usage
        }
        guard !differences.isEmpty else { return }
        throw Problem(
            code, "cannot resume: \(differences.joined(separator: "; "))",
            hint: "Repeat the earlier run's input and options, or start anew without --resume.")
    }

    /// Whether it was stored by a version that noted neither the zone nor the files' content.
    var isOfEarlierVersion: Bool { options["zone"] == nil }

    /// Files that look the same, but that somebody may have touched since: only their bytes can tell.
    func mayDiffer(from now: [InputIdentity]) -> Bool {
        zip(input, now).contains { old, new in
            new.hash != nil && (old.stamp == nil || old.stamp != new.stamp) && !isOfEarlierVersion
        }
    }

    /// - Parameter now: with the hashes of all their bytes.
    /// - Throws: `Problem(.badData)` where files look the same and are not, or where nobody can know.
    func checkContent(of now: [InputIdentity]) throws(Problem) {
        var differences: [String] = []
        for (old, new) in zip(input, now) where new.hash != nil && old.stamp != new.stamp {
            guard let content = old.content else {
                differences.append(
                    "\"\(new.name)\" was moved or written to since, and the earlier run ended before it knew all of it")
                continue
            }
            if content != new.content { differences.append("\"\(new.name)\" has other content than it had") }
        }
        guard !differences.isEmpty else { return }
        throw Problem(
            .badData, "cannot resume: \(differences.joined(separator: "; "))",
            hint: "Bring back the file as it was, or start anew without --resume.")
    }

    private static func list(_ input: [InputIdentity]) -> String {
        input.map { "\"\($0.name)\"" }.joined(separator: ", ")
    }

    private static func size(_ input: InputIdentity) -> String { input.size.map { "\($0) bytes" } ?? "no size" }
}
