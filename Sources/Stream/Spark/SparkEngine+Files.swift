import Foundation
import Problems

/// Files that only Spark can look at.
extension SparkEngine {
    /// A file as Hadoop's file systems know it.
    package struct ListedFile: Sendable {
        /// Its whole URI.
        package var place: String
        package var name: String
        package var size: Int64
        /// The same as long as nobody has written to it.
        package var stamp: String
        /// Its first and its last 64 KiB; both are all of a smaller one.
        package var first: [UInt8]
        package var last: [UInt8]
    }

    /// The files that some URIs, or patterns of URIs, name.
    ///
    /// - Returns: nil where it was to stop.
    /// - Throws: `.noInput` for one that names none, `.configuration` for a scheme that Spark has no library for.
    package func list(_ places: [String], shouldStop: () -> Bool) throws -> [ListedFile]? {
        let question = Array(try JSONEncoder().encode(places))
        return try retrying(shouldStop) {
            guard let process else { throw SparkProcess.Gone() }
            try process.send("Q", question)
            var found: [ListedFile] = []
            while true {
                if shouldStop() { return nil }
                guard let message = try process.receive(timeoutMs: 100) else { continue }
                switch message.kind {
                case UInt8(ascii: "L"): found.append(try Self.file(message.payload))
                case UInt8(ascii: "A"): return found
                case UInt8(ascii: "F"): throw failure(message)
                default: throw SparkProcess.Gone()
                }
            }
        }
    }

    private static func file(_ payload: [UInt8]) throws -> ListedFile {
        struct Known: Decodable {
            var place: String
            var name: String
            var size: Int64
            var stamp: String
            var first: Int
        }
        guard payload.count >= 4 else { throw SparkProcess.Gone() }
        let length = payload[..<4].reversed().reduce(0) { $0 << 8 | Int($1) }
        guard length <= payload.count - 4,
            let known = try? JSONDecoder().decode(Known.self, from: Data(payload[4..<4 + length])),
            known.size >= 0, 0...(payload.count - 4 - length) ~= known.first
        else { throw SparkProcess.Gone() }
        let ends = payload[(4 + length)...]
        return ListedFile(
            place: known.place, name: known.name, size: known.size, stamp: known.stamp,
            first: Array(ends.prefix(known.first)), last: Array(ends.dropFirst(known.first)))
    }
}
