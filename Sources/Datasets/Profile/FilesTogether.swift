internal import Basics
internal import Problems

/// What several trip files have in common: trips that repeat, and companies under several spellings.
public struct FilesTogether: Sendable, Codable, Equatable {
    public var files: [String]
    /// Different Trip IDs that stand in more than one file; nil where no file has them.
    public var repeatedTrips: Int?
    /// Whether they were counted, else estimated within 0.1 % of all trips.
    public var isRepeatedExact: Bool
    /// Which files they stand in, the commonest first, and how many more sets of files there are.
    public var shared: [Shared]
    public var furtherShared: Int
    /// Those with several spellings, in all files together; those with the most trips first.
    public var companies: [Company]
    /// Different spellings of all companies.
    public var spellings: Int
    public var isSpellingsExact: Bool

    static let mostShared = 20

    public struct Shared: Sendable, Codable, Equatable {
        public var files: [String]
        /// Different Trip IDs that stand in all of these files and in no other.
        public var trips: Int
    }

    public struct Company: Sendable, Codable, Equatable {
        /// The commonest first.
        public var spellings: [Spelling]

        /// The spelling with the most trips.
        public var name: String { spellings[0].spelling }
        var trips: Int { spellings.reduce(0) { $0 + $1.trips } }
    }

    public struct Spelling: Sendable, Codable, Equatable {
        public var spelling: String
        public var trips: Int
        /// How many files have it.
        public var files: Int
    }
}

extension FilesTogether {
    /// A page of text, without colour.
    public var lines: [String] {
        var lines = ["\(files.count) files together"]
        lines += tripLines
        if companies.isEmpty {
            lines.append(
                "  companies  \(grouped(spellings)) spellings\(isSpellingsExact ? "" : " and more"), no two of one company"
            )
        } else {
            lines.append(
                "  companies  \(grouped(companies.count)) under several spellings, of \(grouped(spellings)) spellings\(isSpellingsExact ? "" : " and more")"
            )
            for company in companies.prefix(Self.listed) {
                let spellings = company.spellings.prefix(Self.listed).map { "\"\($0.spelling)\" \(grouped($0.trips))" }
                lines.append("    \(spellings.joined(separator: "; "))")
            }
            if companies.count > Self.listed {
                lines.append(
                    "    and \(grouped(companies.count - Self.listed)) more; --aliases FILE writes all of them")
            }
        }
        let advice = advice
        return lines + (advice.isEmpty ? [] : ["", "Advice"] + advice.map { "  - \($0)" })
    }

    private static let listed = 10

    private var tripLines: [String] {
        guard let repeatedTrips else { return ["  trips      without Trip ID: nothing tells whether they repeat"] }
        guard repeatedTrips > 0 else {
            return ["  trips      \(isRepeatedExact ? "none" : "none that was looked at") in more than one file"]
        }
        let about = isRepeatedExact ? "" : "about "
        var lines = ["  trips      \(about)\(grouped(repeatedTrips)) in more than one file"]
        for set in shared.prefix(Self.listed) {
            lines.append("    \(about)\(grouped(set.trips)) in \(set.files.joined(separator: " and "))")
        }
        let further = furtherShared + max(0, shared.count - Self.listed)
        if further > 0 { lines.append("    and others in \(grouped(further)) more sets of files") }
        return lines
    }

    private var advice: [String] {
        var advice: [String] = []
        if let repeatedTrips, repeatedTrips > 0 {
            advice.append(
                "trips that stand in several files are counted once for each file that is loaded: load one of the files"
            )
        }
        if !companies.isEmpty {
            advice.append(
                "queries and analyses count each spelling of a company by itself; --aliases FILE writes which spellings belong together, and produce --aliases FILE loads them under one name"
            )
        }
        return advice
    }

    /// `spelling,name,trips`, a line for each spelling of the companies that have several; the name is the commonest spelling.
    public var aliases: String {
        var text = "spelling,name,trips\r\n"
        for company in companies {
            for spelling in company.spellings {
                text += "\(csvField(spelling.spelling)),\(csvField(company.name)),\(spelling.trips)\r\n"
            }
        }
        return text
    }
}
