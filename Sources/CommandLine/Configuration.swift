public import Problems

/// What a tenant's taxi.yaml says: dotted keys (`produce.rate`) with their values and places.
public struct Configuration: Sendable {
    public struct Entry: Sendable {
        /// From the top of the file, joined by dots.
        public var key: String
        /// One text, or those of a list.
        public var texts: [String]
        public var isList: Bool
        /// Where the key and the value stand; only place and line of these are meant.
        let keyPlace: Problem
        let valuePlace: Problem

        public var location: InputLocation? { valuePlace.location }
    }

    public let path: String
    /// In the order of the file.
    public let entries: [Entry]
    /// Whether only the owner can read the file; secrets are taken from no other.
    let isPrivate: Bool
    private let byKey: [String: Int]

    init(path: String, isPrivate: Bool, entries: [Entry]) {
        (self.path, self.isPrivate, self.entries) = (path, isPrivate, entries)
        byKey = Dictionary(entries.indices.map { (entries[$0].key, $0) }, uniquingKeysWith: { first, _ in first })
    }

    public func entry(for key: String) -> Entry? { byKey[key].map { entries[$0] } }

    /// Checks the form of an entry against its option: no list where one value is meant, no secret in a file that others can read.
    func check(_ entry: Entry, as option: Option) throws(Problem) {
        if entry.isList, !option.isRepeated {
            throw Problem(
                .configuration, "\"\(entry.key)\" takes one value, not a list", at: entry.valuePlace.location,
                hint: "Write one value after \"\(entry.key.split(separator: ".").last ?? ""):\".",
                sourceLine: entry.valuePlace.sourceLine)
        }
        if option.isSecret, !isPrivate {
            throw Problem(
                .noPermission, "\"\(entry.key)\" is a secret in a file that others can read",
                at: entry.keyPlace.location,
                hint: "Run: chmod 600 \(path)")
        }
    }

    /// Checks the whole file against every option there is: unknown keys and values of the wrong kind, all at once.
    ///
    /// - Throws: `Problem(.configuration)` with the place of each and the nearest key.
    public func check(against options: [Option]) throws(Problem) {
        let byName = Dictionary(
            options.compactMap { option in option.configKey.map { ($0, option) } },
            uniquingKeysWith: { first, _ in first })
        let resolver = Resolver(environment: [:], configuration: self)
        var problems: [Problem] = []
        for entry in entries {
            guard let option = byName[entry.key] else {
                problems.append(unknownKey(entry, known: byName.keys.sorted()))
                continue
            }
            do throws(Problem) {
                _ = try resolver.resolve([option])
            } catch {
                problems.append(error)
            }
        }
        if let problem = Problem.gathered(problems) { throw problem }
    }

    private func unknownKey(_ entry: Entry, known: [String]) -> Problem {
        let last = String(entry.key.split(separator: ".").last ?? "")
        // Somebody may have put the right word under the wrong heading.
        let sameWord = known.first { $0.split(separator: ".").last.map(String.init) == last }
        let near = nearestName(to: entry.key, among: known) ?? sameWord
        return Problem(
            .configuration, "unknown key \"\(entry.key)\"", at: entry.keyPlace.location,
            hint: near.map { "Did you mean \"\($0)\"?" } ?? "\"taxi-cli config\" lists every key.",
            sourceLine: entry.keyPlace.sourceLine)
    }
}
