internal import CommandLine
internal import Problems
internal import YAML

// A service of a tenant: its name, its kind and the words of its command line.
extension ServeFileReader {
    /// A word of a command line, and where it is written.
    struct Word {
        var text: String
        var node: YAMLNode
    }

    mutating func service(
        _ entry: YAMLNode.Entry, of tenant: TenantSpec, settings: [Word]
    ) -> ServiceSpec? {
        let before = problems.problems.count
        let (name, node) = (entry.name, entry.value)
        let isName =
            name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            } && (1...64).contains(name.utf8.count)
        if !isName {
            problems.add(
                entry.key.problem(
                    "\"\(name)\" cannot name a service", hint: "Use up to 64 letters, digits and \"_\"."))
        }
        let kinds = ServiceSpec.Kind.allCases.map(\.rawValue)
        let kind = problems.attempt { () throws(Problem) in
            if let node = node["kind"] { return try node.choice(among: kinds, of: "kind of service") }
            guard kinds.contains(name) else {
                let near = nearestName(to: name, among: kinds).map { "Did you mean \"\($0)\"? " } ?? ""
                throw entry.key.problem(
                    "there is no kind of service \"\(name)\"",
                    hint: near
                        + "Known: \(kinds.joined(separator: ", ")); a service of another name says which it is (kind: stream)."
                )
            }
            return name
        }.flatMap { ServiceSpec.Kind(rawValue: $0) }
        let after = optional(node, "after") { (node) throws(Problem) in
            var names: [String] = []
            for item in try node.items() { names.append(try item.text()) }
            return names
        }
        let own = words(node)
        guard let kind, problems.problems.count == before else { return nil }
        var words = kind.always.map { Word(text: $0, node: entry.key) } + settings
        if kind == .stream, let workers = tenant.limits.workers {
            words.append(Word(text: "--workers=\(workers)", node: entry.key))
        }
        words += own
        checkOwn(own)
        // Before the tenant's own words, which may make arguments of all that follows.
        let start = kind.command + ["--home=\(home)", "--tenant=\(tenant.name)"]
        var fault: String?
        guard check(start, words, of: entry, &fault) else { return nil }
        if kind == .stream, let workers = tenant.limits.workers {
            checkWorkers(own, most: workers)
        }
        return ServiceSpec(
            tenant: tenant.name, name: name, kind: kind, words: start + words.map(\.text), after: after ?? [],
            user: tenant.user,
            limits: tenant.limits, folder: ServeSpec(file: file).folder, fault: fault)
    }

    /// Has the program look at a service's command line, and keeps what is wrong with it: where each word stands alone, of every word.
    ///
    /// - Parameter fault: what is wrong with the tenant's own files, where that is no mistake of this one.
    private mutating func check(
        _ start: [String], _ words: [Word], of entry: YAMLNode.Entry, _ fault: inout String?
    ) -> Bool {
        var rest = words
        while true {
            do throws(Problem) {
                try checks.service(start + rest.map(\.text))
                return rest.count == words.count
            } catch {
                if !checks.isStrict, let place = error.location, place.file != file {
                    fault = "\(place): \(error.message)"
                    return rest.count == words.count
                }
                let named = Self.named(by: error, among: rest)
                problems.add(Self.placed(error, rest, entry.key))
                // In a list, what follows an option may be its value; without an argument something else is wrong.
                guard case .mapping = entry.value.content, let named, rest[named].text.hasPrefix("--") else {
                    return false
                }
                rest.remove(at: named)
            }
        }
    }

    /// A service is its tenant's: its words cannot make it another's.
    private mutating func checkOwn(_ words: [Word]) {
        for word in words {
            let name = word.text.prefix { $0 != "=" }
            guard name == "--home" || name == "--tenant" else { continue }
            problems.add(
                word.node.problem(
                    "\"\(name)\" of a service is said by where it stands", hint: "Move the service to that tenant."))
        }
    }

    /// A service may have fewer workers than its tenant's limit, but not more.
    private mutating func checkWorkers(_ words: [Word], most: Int) {
        for (index, word) in words.enumerated() {
            var value: String?
            if word.text.hasPrefix("--workers=") { value = String(word.text.dropFirst("--workers=".utf8.count)) }
            if word.text == "--workers", index + 1 < words.count { value = words[index + 1].text }
            guard let value, let asked = Int(value), asked > most else { continue }
            problems.add(
                word.node.problem(
                    "\(asked) workers are more than the tenant may have: \(most)", hint: "See its \"limits\"."))
        }
    }

    /// What a service's list or mapping says, as words of a command line.
    private mutating func words(_ node: YAMLNode) -> [Word] {
        switch node.content {
        case .scalar where node.isNull: return []
        case .scalar:
            problems.add(
                node.unexpected("options", hint: "Write them as a list of words, or as a mapping: {delay: 30s}."))
            return []
        case .sequence(let items):
            return items.compactMap { item in
                problems.attempt { () throws(Problem) in Word(text: try item.text(), node: item) }
            }
        case .mapping(let entries):
            var (options, arguments): ([Word], [Word]) = ([], [])
            for entry in entries {
                switch entry.name {
                case "kind", "after": break
                case "args":
                    let items = Self.values(entry.value)
                    for item in items {
                        let word = problems.attempt { () throws(Problem) in Word(text: try item.text(), node: item) }
                        if let word { arguments.append(word) }
                    }
                default:
                    for item in Self.values(entry.value) {
                        let word = problems.attempt { () throws(Problem) in
                            let text = item.isNull ? "--\(entry.name)" : "--\(entry.name)=\(try item.text())"
                            return Word(text: text, node: item.isNull ? entry.key : item)
                        }
                        if let word { options.append(word) }
                    }
                }
            }
            return options + arguments
        }
    }

    private static func values(_ node: YAMLNode) -> [YAMLNode] {
        if case .sequence(let items) = node.content { return items }
        return [node]
    }

    /// What the command's parser said, at the word that it is about.
    private static func placed(_ problem: Problem, _ words: [Word], _ key: YAMLNode) -> Problem {
        let named = named(by: problem, among: words).map { words[$0].node }
        var placed = placed(problem, at: named ?? key)
        placed.others = problem.others.map { self.placed($0, words, key) }
        return placed
    }

    /// The last word that a problem names.
    private static func named(by problem: Problem, among words: [Word]) -> Int? {
        words.lastIndex { word in
            let name = word.text.prefix { $0 != "=" }
            return !name.isEmpty
                && (problem.message.contains("\"\(name)\"") || problem.message.contains("\"\(word.text)\""))
        }
    }

    /// What is wrong with words of the file, at their place; what is wrong with another file has a place of its own.
    static func placed(_ problem: Problem, at node: YAMLNode) -> Problem {
        guard problem.location == nil else { return problem }
        var placed = node.problem(problem.message, hint: problem.hint)
        if problem.code != .usage { placed.code = problem.code }
        return placed
    }
}
