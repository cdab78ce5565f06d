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
    /// The full name of a topic that a person names with the tenant's prefix or without it: `ingestData` for `chicago_ingestData`.
    ///
    /// - Throws: `Problem(.noInput)` with the nearest name where there is no such topic.
    public func fullName(of name: String, tenant: String) throws -> String {
        let names = try topicNames()
        let prefixed = "\(tenant)_\(name)"
        if names.contains(name) { return name }
        if names.contains(prefixed) { return prefixed }
        let short = names.filter { $0.hasPrefix("\(tenant)_") }.map { String($0.dropFirst(tenant.count + 1)) }
        throw TopicName.unknown(
            name, among: names.isEmpty ? [] : short + names, code: keepsColumns ? .noInput : .unavailable)
    }
}
