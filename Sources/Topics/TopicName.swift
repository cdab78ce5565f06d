import Problems

/// Names that topics may have, embedded and on Kafka alike: Kafka's own rule.
enum TopicName {
    /// - Throws: `.usage` for a name that Kafka would refuse.
    static func check(_ name: String) throws(Problem) {
        let isLegal = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isLegal, (1...249).contains(name.utf8.count), name != ".", name != ".." else {
            throw Problem(
                .usage, "\"\(name)\" cannot be the name of a topic",
                hint: "Use 1 to 249 letters, digits, \".\", \"_\" and \"-\".")
        }
    }

    /// - Throws: `.usage` for what no topic can be made with.
    static func check(partitions: Int, retentionMs: Int64?) throws(Problem) {
        guard (1...10_000).contains(partitions) else {
            throw Problem(.usage, "a topic cannot have \(partitions) partitions", hint: "Choose 1 to 10000.")
        }
        if let retentionMs, retentionMs <= 0 {
            throw Problem(.usage, "records cannot be kept for \(retentionMs) ms", hint: "Choose a time above 0.")
        }
    }

    /// That a topic is there with another number of partitions than was asked for.
    static func hasOtherPartitions(_ name: String, _ count: Int, not asked: Int) -> Problem {
        Problem(
            .configuration, "topic \"\(name)\" has \(count) partitions, not \(asked)",
            hint: "Ask for \(count), or delete the topic first: a key's records must stay in one partition.")
    }

    /// - Throws: `.usage` for a topic that is not the tenant's.
    static func requireOwn(_ name: String, _ ownership: TopicOwnership, tenant: String) throws(Problem) {
        if ownership.isOwn(name) { return }
        let owner = ownership.owner(of: name)
        throw Problem(
            .usage,
            "topic \"\(name)\" is " + (owner.map { "tenant \"\($0)\"'s, " } ?? "") + "not one of tenant \"\(tenant)\"",
            hint: owner.map { "Work on it with --tenant \($0), or say that you mean it: --foreign \(name)." }
                ?? "Topics of a tenant begin with its name and \"_\". If you mean another's, say so: --foreign \(name)."
        )
    }

    /// That there is no topic of this name, with the nearest that there is.
    static func unknown(_ name: String, among names: [String], code: Problem.Code = .noInput) -> Problem {
        let hint =
            if let near = nearestName(to: name, among: names) {
                "Did you mean \"\(near)\"?"
            } else if names.isEmpty {
                "There are no topics yet; taxi-cli produce or taxi-cli topic create makes one."
            } else {
                "taxi-cli topic list shows the topics there are."
            }
        return Problem(code, "there is no topic \"\(name)\"", hint: hint)
    }
}

extension TopicStore {
    /// The full name of one of the tenant's topics, which a person names with the tenant's prefix or without it: `ingestData` for
    /// `chicago_ingestData`.
    ///
    /// - Parameter isForeign: whether any topic is meant, by its whole name.
    /// - Throws: `Problem`: `.noInput` (on Kafka `.unavailable`) with the nearest name where there is no such topic, `.usage` for one
    ///   that is not the tenant's.
    public func fullName(of name: String, tenant: String, isForeign: Bool = false) throws -> String {
        let names = try topicNames()
        let code = keepsColumns ? Problem.Code.noInput : .unavailable
        if isForeign {
            guard names.contains(name) else { throw TopicName.unknown(name, among: names, code: code) }
            return name
        }
        let ownership = ownership(among: names)
        let own = names.filter(ownership.isOwn)
        for candidate in ["\(tenant)_\(name)", name] where own.contains(candidate) { return candidate }
        for candidate in [name, "\(tenant)_\(name)"] where names.contains(candidate) {
            try TopicName.requireOwn(candidate, ownership, tenant: tenant)
        }
        let short = own.filter { $0.hasPrefix("\(tenant)_") }.map { String($0.dropFirst(tenant.count + 1)) }
        throw TopicName.unknown(name, among: own.isEmpty ? [] : short + own, code: code)
    }

    /// The whole name that one of the tenant's topics is to be made by.
    ///
    /// - Throws: `Problem(.usage)` for one that would be another tenant's.
    public func newName(of name: String, tenant: String) throws -> String {
        let whole = name.hasPrefix("\(tenant)_") ? name : "\(tenant)_\(name)"
        try TopicName.requireOwn(whole, ownership(among: try topicNames()), tenant: tenant)
        return whole
    }
}
