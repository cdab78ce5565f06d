import Problems
package import SQLite

/// Which files of a list are still to be read, and together with which: what was begun together goes on together, and what was read is passed over.
package struct FileSets {
    /// Indexes of the files, one list a source, in the order in which they are to be read.
    package var sets: [[Int]] = []
    /// Indexes of those that all queries have read.
    package var passedOver: [Int] = []

    package init() {}

    /// - Parameters:
    ///   - known: name, size and hash of each file.
    ///   - identity: of some of the files, as a checkpoint would name them.
    ///   - queries: those that are to read.
    /// - Throws: `.usage` for a file that stands in the list twice, or that was read for some queries and not for others, in other company.
    package init(
        known: [String], queries: [String], identity: ([Int]) -> String, on connection: Connection
    ) throws {
        let all = Array(known.indices)
        let store = CheckpointStore(connection: connection)
        let positions = try queries.map { try store.load($0)?.positions ?? [:] }
        guard let wanted = ReadFiles(identity: identity(all)) else { return }
        try wanted.requireNew(known, earlier: [], query: queries.first ?? "")
        for (query, positions) in zip(queries, positions) {
            try wanted.requireNotSent(known, sources: positions.keys, query: query, on: connection)
        }
        var left = Set(all)
        // What was begun comes first, and the longest list of a file's decides.
        let names = Set(positions.flatMap(\.keys)).sorted { ($1.count, $0) < ($0.count, $1) }
        for name in names {
            guard let read = ReadFiles(identity: name), read.overlaps(wanted) else { continue }
            let contents = Set(read.files.map(ReadFiles.content))
            let members = known.indices.filter { contents.contains(ReadFiles.content(known[$0])) }
            let isDone = positions.allSatisfy { $0[name]?.isComplete == true }
            let new = members.filter(left.contains)
            guard !new.isEmpty else { continue }
            if isDone {
                passedOver += new
            } else if new.count == read.files.count, identity(new) == name {
                sets.append(new)
            } else if let (query, _) = zip(queries, positions).first(where: { $1[name] != nil }) {
                throw Problem(
                    .usage,
                    "\(new.map { "\"\(visible(ReadFiles.name(known[$0])))\"" }.joined(separator: ", ")) was begun, or read for query \(query) and not for others, in a run of other files or options",
                    hint:
                        "Name the same files in the same way once more, until they are read; or the others alone. --from-beginning computes the results anew from these files alone."
                )
            }
            left.subtract(new)
        }
        if !left.isEmpty { sets.append(all.filter(left.contains)) }
        passedOver.sort()
    }
}
