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

    /// That there is no topic of this name, with the nearest that there is.
    static func unknown(_ name: String, among names: [String]) -> Problem {
        let hint =
            if let near = nearestName(to: name, among: names) {
                "Did you mean \"\(near)\"?"
            } else if names.isEmpty {
                "There are no topics yet; taxi-cli produce or taxi-cli topic create makes one."
            } else {
                "taxi-cli topic list shows the topics there are."
            }
        return Problem(.noInput, "there is no topic \"\(name)\"", hint: hint)
    }
}

extension TopicStore {
    /// The full name of a topic that a person names with the tenant's prefix or without it: `ingestData` for `chicago_ingestData`.
    ///
    /// - Throws: `Problem(.noInput)` with the nearest name where there is no such topic.
    public func fullName(of name: String, tenant: String) throws -> String {
        let names = try topics().map(\.name)
        let prefixed = "\(tenant)_\(name)"
        if names.contains(name) { return name }
        if names.contains(prefixed) { return prefixed }
        let short = names.filter { $0.hasPrefix("\(tenant)_") }.map { String($0.dropFirst(tenant.count + 1)) }
        throw TopicName.unknown(name, among: names.isEmpty ? [] : short + names)
    }
}
