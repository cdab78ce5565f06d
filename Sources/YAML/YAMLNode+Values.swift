import Basics
public import Problems

// What a reader expects at a place. Each throws a `Problem` that says what was expected, what was found, and where.

extension YAMLNode {
    /// The text of a scalar that is not null; numbers and booleans are text as well.
    public func text() throws(Problem) -> String {
        guard let scalar, !isNull else { throw unexpected("text") }
        return scalar
    }

    /// One of a few words.
    ///
    /// - Parameter what: the kind of thing, for the message: "emit mode".
    public func choice(among words: [String], of what: String) throws(Problem) -> String {
        let text = try text()
        if words.contains(text) { return text }
        let near = nearestName(to: text, among: words).map { "Did you mean \"\($0)\"? " } ?? ""
        throw problem(
            "unknown \(what) \"\(text)\"", hint: near + "Known: \(words.joined(separator: ", ")).")
    }

    /// A whole number without quotes.
    public func integer(in range: ClosedRange<Int64> = Int64.min...Int64.max) throws(Problem) -> Int64 {
        guard let scalar, !isNull, let value = Int64(scalar) else { throw unexpected("a whole number") }
        if isQuoted { throw unexpected("a whole number", hint: "Leave out the quotes.") }
        guard range.contains(value) else {
            throw problem("\(value) is out of range: \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// A finite decimal number without quotes.
    public func number() throws(Problem) -> Double {
        guard let scalar, !isNull, scalar.utf8.allSatisfy({ "+-.0123456789eE".utf8.contains($0) }),
            let value = Double(scalar), value.isFinite
        else { throw unexpected("a number") }
        if isQuoted { throw unexpected("a number", hint: "Leave out the quotes.") }
        return value
    }

    /// `true` or `false` without quotes.
    public func boolean() throws(Problem) -> Bool {
        switch isQuoted ? nil : scalar {
        case "true": return true
        case "false": return false
        default: throw unexpected("true or false", hint: "Write true or false, without quotes.")
        }
    }

    /// A length of time such as `5s`, `1h30m`, `250ms` or `7d`; more than zero.
    public func duration() throws(Problem) -> Duration {
        guard let scalar, let milliseconds = parseDurationMs(scalar), milliseconds > 0 else {
            throw unexpected("a length of time", hint: "Write it as 5s, 1m, 1h30m or 7d.")
        }
        return .milliseconds(milliseconds)
    }

    /// The values of a list.
    public func items() throws(Problem) -> [YAMLNode] {
        guard case .sequence(let items) = content else { throw unexpected("a list") }
        return items
    }

    /// The entries of a mapping, in the file's order.
    public func entries() throws(Problem) -> [Entry] {
        guard case .mapping(let entries) = content else { throw unexpected("a mapping of keys to values") }
        return entries
    }

    /// The value of a key that has to be there.
    public func required(_ key: String) throws(Problem) -> YAMLNode {
        _ = try entries()
        guard let value = self[key] else { throw problem("key \"\(key)\" is missing") }
        return value
    }

    /// Checks that a mapping has no other keys.
    ///
    /// - Parameter what: what the mapping describes, for the message: "query".
    /// - Throws: one `Problem` with all unknown keys, the second and later ones in `others`.
    public func requireOnly(keys: [String], of what: String) throws(Problem) {
        var problems = ProblemList()
        for entry in try entries() where !keys.contains(entry.name) {
            let near = nearestName(to: entry.name, among: keys).map { "Did you mean \"\($0)\"? " } ?? ""
            problems.add(
                entry.key.problem(
                    "unknown key \"\(entry.name)\" of a \(what)",
                    hint: near + "Known: \(keys.joined(separator: ", "))."))
        }
        try problems.throwIfAny()
    }

    /// "expected …, found …" at this value's place.
    public func unexpected(_ expected: String, hint: String? = nil) -> Problem {
        let found: String
        switch content {
        case .sequence: found = "a list"
        case .mapping: found = "a mapping"
        case .scalar where isNull: found = "nothing"
        case .scalar(let text): found = (isQuoted ? "text " : "") + "\"\(text)\""
        }
        return problem("expected \(expected), found \(found)", hint: hint)
    }
}
