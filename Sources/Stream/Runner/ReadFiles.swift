import Database
import Foundation
import Problems
package import SQLite
package import Time

/// The files of a run, as its identity in checkpoints names them: "files a.csv:123:9f b.csv:45:0c (clock start, …, from F, to T, …)".
package struct ReadFiles {
    /// Name, size and hash of each, with a blank before and behind.
    private let list: String
    /// Event times that are read.
    private let range: Range<EventTime>

    /// nil for what is no list of files.
    init?(identity: String) {
        guard identity.hasPrefix("files "), let end = identity.range(of: " (clock ", options: .backwards) else {
            return nil
        }
        list = " \(identity[identity.index(identity.startIndex, offsetBy: 6)..<end.lowerBound]) "
        func time(_ name: String) -> EventTime? {
            let rest = identity[end.upperBound...]
            guard let start = rest.range(of: ", \(name) ") else { return nil }
            let value = EventTime(rest[start.upperBound...].prefix { $0 == "-" || $0.isASCII && $0.isNumber })
            return value == 0 ? nil : value
        }
        let from = time("from") ?? .min
        range = from..<max(from, time("to") ?? .max)
    }

    /// Name, size and hash of each. Names may have blanks; a size and a hash have none.
    var files: [String] {
        var files: [String] = []
        for word in list.dropFirst().dropLast().split(separator: " ", omittingEmptySubsequences: false) {
            if let last = files.last, !Self.isWhole(last) {
                files[files.count - 1] = last + " " + word
            } else {
                files.append(String(word))
            }
        }
        return files
    }

    private static func isWhole(_ file: String) -> Bool {
        let parts = file.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count >= 3 && Int64(parts[parts.count - 2]) != nil && !parts[parts.count - 1].isEmpty
            && parts[parts.count - 1].allSatisfy(\.isHexDigit)
    }

    /// Whether some event time may be of both.
    func overlaps(_ other: ReadFiles) -> Bool { range.overlaps(other.range) }

    /// Size and hash, `:size:hash`: a link, a copy or another name is the same file.
    package static func content(_ file: String) -> String {
        ":" + file.split(separator: ":", omittingEmptySubsequences: false).suffix(2).joined(separator: ":")
    }

    /// Sees that none of some files is here twice, or was read before in another company: its trips would count twice, and no one would know.
    ///
    /// The same files in the same order are known as a whole: what is left of them is read.
    ///
    /// - Parameters:
    ///   - files: name, size and hash of each.
    ///   - earlier: identities of what the query has read.
    /// - Throws: `.usage` with the ways on.
    func requireNew(_ files: [String], earlier: [String], query: String) throws(Problem) {
        var seen: Set<String> = []
        for file in files where !seen.insert(Self.content(file)).inserted {
            throw Problem(
                .usage, "\"\(visible(Self.name(file)))\" is named twice, or another name of the same file is",
                hint: "Name it once, or add --again: its trips then count twice.")
        }
        for other in earlier.compactMap({ ReadFiles(identity: $0) }) where other.range.overlaps(range) {
            let read = Dictionary(other.files.map { (Self.content($0), Self.name($0)) }) { first, _ in first }
            guard let file = files.first(where: { read[Self.content($0)] != nil }) else { continue }
            let name =
                read[Self.content(file)].flatMap { $0 == Self.name(file) ? nil : ", as \"\(visible($0))\"" } ?? ""
            throw Problem(
                .usage,
                "\"\(visible(Self.name(file)))\" was read for query \(query) already\(name), in a run of other files or options",
                hint:
                    "Name the files that are new alone. --again reads all of them, and its trips count twice; --from-beginning computes the results anew from these files alone; stream restate --month MONTH --from FILE puts a newer file in the place of what was read."
            )
        }
    }

    /// The first query that has read a file as a file, of event times in a range.
    ///
    /// - Parameter content: `:size:hash`
    package static func query(
        thatHasRead content: String, of range: Range<EventTime>, on connection: Connection
    ) throws -> String? {
        guard try connection.hasTable("checkpoints") else { return nil }
        return try CheckpointStore(connection: connection).all([]).first { _, _, checkpoint in
            checkpoint.positions.keys.compactMap { ReadFiles(identity: $0) }.contains { read in
                read.range.overlaps(range) && read.files.contains { Self.content($0) == content }
            }
        }?.name
    }

    /// Sees that none of some files was sent into a topic that the query reads as well: its trips would count twice.
    ///
    /// - Parameters:
    ///   - files: name, size and hash of each.
    ///   - sources: what the query has read, by the names in its checkpoint.
    /// - Throws: `.usage` with the ways on.
    func requireNotSent(
        _ files: [String], sources: some Collection<String>, query: String, on connection: Connection
    ) throws {
        let topics = sources.filter { !$0.hasPrefix("files ") }.sorted()
        for file in files {
            let sent = try explaining("looking for what was sent") {
                try SentFiles.sent(Self.content(file), into: topics, range, on: connection)
            }
            guard let sent else { continue }
            let name = sent.name == Self.name(file) ? "" : ", as \"\(visible(sent.name))\""
            throw Problem(
                .usage,
                "\"\(visible(Self.name(file)))\" was sent\(name) into topic \"\(sent.topic)\", which query \(query) reads",
                hint:
                    "taxi-cli stream --until-end reads what is left of the topic. --again reads the file too, and its trips count twice; --from-beginning computes the results anew from the files alone."
            )
        }
    }

    /// Without size and hash.
    static func name(_ file: String) -> String {
        file.split(separator: ":", omittingEmptySubsequences: false).dropLast(2).joined(separator: ":")
    }
}
