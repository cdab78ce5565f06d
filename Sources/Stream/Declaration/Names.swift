import Problems
import YAML

/// What the names in a declaration may look like, and which are taken.
enum Names {
    enum Kind {
        case query, table, topic, aggregate, alert, workflow
    }

    /// 64 letters and digits are enough, and topics and files stay within what brokers and file systems take.
    private static let maximumLength = 64

    /// The name in a scalar.
    ///
    /// - Throws: `Problem` at the name that says what it may consist of.
    static func check(_ node: YAMLNode, as kind: Kind) throws(Problem) -> String {
        let name = try node.text()
        let (what, rule): (String, String) =
            switch kind {
            case .query: ("a query", "letters, digits and _, beginning with a letter")
            case .table: ("a table", "lower-case letters, digits and _, beginning with a letter")
            case .topic: ("a topic", "letters, digits, _, - and .")
            case .aggregate: ("an aggregate", "letters, digits and _, beginning with a letter")
            case .alert: ("an alert", "letters, digits, _ and -, beginning with a letter")
            case .workflow: ("a workflow", "letters, digits, _ and -, beginning with a letter")
            }
        guard !name.isEmpty, name.utf8.count <= maximumLength, fits(Array(name.utf8), kind) else {
            throw node.problem(
                "\"\(name)\" is no name for \(what)", hint: "Use up to \(maximumLength) \(rule).")
        }
        return name
    }

    private static func fits(_ bytes: [UInt8], _ kind: Kind) -> Bool {
        func isLower(_ byte: UInt8) -> Bool { byte >= 97 && byte <= 122 }
        func isLetter(_ byte: UInt8) -> Bool { isLower(byte | 0x20) && byte >= 65 }
        func isWord(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 || byte == UInt8(ascii: "_") }
        return switch kind {
        case .query, .aggregate: isLetter(bytes[0]) && bytes.allSatisfy { isLetter($0) || isWord($0) }
        case .alert, .workflow:
            isLetter(bytes[0]) && bytes.allSatisfy { isLetter($0) || isWord($0) || $0 == UInt8(ascii: "-") }
        case .table: isLower(bytes[0]) && bytes.allSatisfy { isLower($0) || isWord($0) }
        case .topic:
            bytes.allSatisfy { isLetter($0) || isWord($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
        }
    }

    /// Whether the tenant has another topic of this suffix, or, on brokers that tenants share, another tenant may: with the
    /// suffix `b_ingestData` the topic of tenant `a` would be that of tenant `a_b`.
    static func isReserved(topic: String) -> Bool {
        let name = topic.lowercased()
        return ["ingestdata", "deadletter", "deadletterreplay", "late", "alerts", "mlresults", "control"].contains {
            name == $0 || name.hasSuffix("_\($0)")
        }
    }
}
