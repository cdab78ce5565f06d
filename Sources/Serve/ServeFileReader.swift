internal import Basics
internal import CommandLine
internal import Database
internal import Glibc
internal import Problems
internal import YAML

/// Reads one file and collects all that is wrong with it.
struct ServeFileReader {
    private static let keys = [
        "listen", "token-file", "tls-cert", "tls-key", "read-only", "workers", "stop-timeout", "ready-timeout",
        "restart", "logs", "tenants",
    ]
    private static let tenantKeys = [
        "weight", "user", "broker", "broker-config", "registry", "registry-config", "zone", "limits", "services",
    ]
    /// Options that every command of a tenant is given.
    private static let settings = ["broker", "broker-config", "registry", "registry-config"]
    /// Of a service, beside its options.
    static let serviceKeys = ["kind", "args", "after"]
    private static let mostTenants = 1000

    private let node: YAMLNode
    private let file: String
    private let home: String
    private let checks: ServeSpec.Checks
    private var problems = ProblemList()

    init(_ node: YAMLNode, file: String, home: String, checks: ServeSpec.Checks) {
        (self.node, self.file, self.home, self.checks) = (node, file, home, checks)
    }

    mutating func read() throws(Problem) -> ServeSpec {
        let node = self.node
        guard case .mapping = node.content else {
            throw node.unexpected("a mapping with tenants", hint: "See examples/serve.yaml.")
        }
        problems.attempt { () throws(Problem) in try node.requireOnly(keys: Self.keys, of: "serve.yaml") }
        var spec = ServeSpec(file: file)
        readPages(into: &spec.pages)
        spec.workers = optional(node, "workers") { (node) throws(Problem) in Int(try node.integer(in: 1...1024)) }
        spec.stopMs = optional(node, "stop-timeout", Self.durationMs) ?? spec.stopMs
        spec.readyMs = optional(node, "ready-timeout", Self.durationMs) ?? spec.readyMs
        readRestart(into: &spec.restart)
        readLogs(into: &spec.logs)
        let entries = problems.attempt { () throws(Problem) in
            let tenants = try node.required("tenants")
            let entries = try tenants.entries()
            guard !entries.isEmpty else { throw tenants.unexpected("at least one tenant") }
            guard entries.count <= Self.mostTenants else {
                throw tenants.problem("a serve.yaml has at most \(Self.mostTenants) tenants, this one \(entries.count)")
            }
            return entries
        }
        for entry in entries ?? [] {
            if let tenant = tenant(entry) { spec.tenants.append(tenant) }
        }
        try problems.throwIfAny()
        return spec
    }

    // MARK: the whole

    private mutating func readPages(into pages: inout PagesSpec) {
        let before = problems.problems.count
        if let text = optional(node, "listen", { (node) throws(Problem) in try node.text() }) {
            pages.listen = text == "none" ? nil : text
        }
        let path = { (node: YAMLNode) throws(Problem) in try node.text() }
        pages.tokenFile = optional(node, "token-file", path)
        pages.tlsCertificate = optional(node, "tls-cert", path)
        pages.tlsKey = optional(node, "tls-key", path)
        pages.isReadOnly = optional(node, "read-only") { (node) throws(Problem) in try node.boolean() } ?? false
        for (one, other) in [("tls-cert", "tls-key"), ("tls-key", "tls-cert")] {
            if let given = node[one], node[other] == nil {
                problems.add(given.problem("a certificate and its key go together", hint: "Give \(other) as well."))
            }
        }
        guard problems.problems.count == before else { return }
        for key in ["token-file", "tls-cert", "listen"] {
            let place = node[key] ?? node
            do throws(Problem) { try checks.pages(key, pages) } catch {
                // Without a token the address is wrong as well.
                return problems.add(Self.placed(error, at: place))
            }
        }
    }

    private mutating func readRestart(into restart: inout RestartSpec) {
        guard let node = node["restart"] else { return }
        problems.attempt { () throws(Problem) in try node.requireOnly(keys: ["backoff", "attempts"], of: "restart") }
        let pauses = optional(node, "backoff") { (node) throws(Problem) in
            let text = try node.text()
            let times = Self.parts(text).compactMap { parseDurationMs($0) }
            guard times.count == Self.parts(text).count, (1...2).contains(times.count), let first = times.first,
                let last = times.last, first > 0, last >= first
            else { throw node.unexpected("pauses between attempts", hint: "Write 1s..1m for one that doubles.") }
            return (first, last)
        }
        if let pauses { (restart.firstMs, restart.limitMs) = pauses }
        restart.attempts =
            optional(node, "attempts") { (node) throws(Problem) in Int(try node.integer(in: 0...1_000_000)) }
            ?? restart.attempts
    }

    /// The pieces between `..`.
    private static func parts(_ text: String) -> [Substring] {
        guard let range = text.firstRange(of: "..") else { return [text[...]] }
        return [text[..<range.lowerBound], text[range.upperBound...]]
    }

    private mutating func readLogs(into logs: inout LogSpec) {
        guard let node = node["logs"] else { return }
        problems.attempt { () throws(Problem) in try node.requireOnly(keys: ["size", "files", "age"], of: "logs") }
        logs.sizeBytes = optional(node, "size", Self.size) ?? logs.sizeBytes
        logs.files =
            optional(node, "files") { (node) throws(Problem) in Int(try node.integer(in: 0...1000)) } ?? logs.files
        logs.ageMs = optional(node, "age", Self.durationMs) ?? logs.ageMs
    }

    // MARK: a tenant

    private mutating func tenant(_ entry: YAMLNode.Entry) -> TenantSpec? {
        let node = entry.value
        let name = problems.attempt { () throws(Problem) in
            do throws(Problem) { try TenantHome.checkName(entry.name) } catch {
                throw entry.key.problem(error.message, hint: error.hint)
            }
            return entry.name
        }
        guard case .mapping = node.content else {
            problems.add(
                node.unexpected("a mapping with services", hint: "Write services: {stream: } below the tenant."))
            return nil
        }
        problems.attempt { () throws(Problem) in try node.requireOnly(keys: Self.tenantKeys, of: "tenant") }
        guard let name else { return nil }
        var tenant = TenantSpec(name: name)
        tenant.weight =
            optional(node, "weight") { (node) throws(Problem) in Int(try node.integer(in: 1...1000)) } ?? 1
        tenant.user = optional(node, "user", Self.user)
        tenant.zone = optional(node, "zone") { [checks] (node) throws(Problem) in
            let zone = try node.text()
            do throws(Problem) { try checks.zone(zone) } catch { throw Self.placed(error, at: node) }
            return zone
        }
        tenant.limits = limits(node["limits"])
        var words: [Word] = []
        for key in Self.settings {
            guard let value = node[key] else { continue }
            let text = problems.attempt { () throws(Problem) in try value.text() }
            if let text { words.append(Word(text: "--\(key)=\(text)", node: value)) }
        }
        let entries = problems.attempt { () throws(Problem) in
            let services = try node.required("services")
            let entries = try services.entries()
            guard !entries.isEmpty else { throw services.unexpected("at least one service") }
            return entries
        }
        var services: [ServiceSpec] = []
        for entry in entries ?? [] {
            if let service = service(entry, of: tenant, settings: words) { services.append(service) }
        }
        tenant.services = ordered(services, entries ?? [])
        return tenant
    }

    private mutating func limits(_ node: YAMLNode?) -> LimitsSpec {
        var limits = LimitsSpec()
        guard let node else { return limits }
        problems.attempt { () throws(Problem) in
            try node.requireOnly(keys: ["records", "disk", "memory", "workers"], of: "tenant's limits")
        }
        limits.recordsPerSecond = optional(node, "records") { (node) throws(Problem) in
            try Self.read(node) { (text) throws(Problem) in try ValueText.rate(text) }
        }
        limits.diskBytes = optional(node, "disk", Self.size)
        limits.memoryBytes = optional(node, "memory", Self.size)
        limits.workers = optional(node, "workers") { (node) throws(Problem) in Int(try node.integer(in: 1...256)) }
        return limits
    }

    private static func user(_ node: YAMLNode) throws(Problem) -> UserSpec {
        let name = try node.text()
        guard let entry = getpwnam(name)?.pointee else {
            throw node.problem(
                "there is no user \"\(name)\" on this machine",
                hint: "Make one: useradd --system --no-create-home \(shellWord(name))")
        }
        guard geteuid() == 0 || entry.pw_uid == geteuid() else {
            throw node.problem(
                "only root can run a service as \"\(name)\"", hint: "Run serve as root, or leave \"user\" out.")
        }
        return UserSpec(
            name: name, uid: entry.pw_uid, gid: entry.pw_gid, home: entry.pw_dir.map { String(fileName: $0) } ?? "/")
    }

    // MARK: a service

    /// A word of a command line, and where it is written.
    private struct Word {
        var text: String
        var node: YAMLNode
    }

    private mutating func service(
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
                // In a list, what follows an option may be its value.
                guard case .mapping = entry.value.content, let named else { return false }
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
    private static func placed(_ problem: Problem, at node: YAMLNode) -> Problem {
        guard problem.location == nil else { return problem }
        var placed = node.problem(problem.message, hint: problem.hint)
        if problem.code != .usage { placed.code = problem.code }
        return placed
    }

    // MARK: the order

    /// Each service behind those that it waits for.
    private mutating func ordered(_ services: [ServiceSpec], _ entries: [YAMLNode.Entry]) -> [ServiceSpec] {
        let names = entries.map(\.name)
        for entry in entries {
            guard case .sequence(let items)? = entry.value["after"]?.content else { continue }
            for item in items {
                guard let name = item.scalar, name == entry.name || !names.contains(name) else { continue }
                let near = nearestName(to: name, among: names).map { "Did you mean \"\($0)\"?" }
                problems.add(
                    name == entry.name
                        ? item.problem("a service cannot wait for itself")
                        : item.problem("the tenant has no service \"\(name)\"", hint: near))
            }
        }
        var (rest, sorted): ([ServiceSpec], [ServiceSpec]) = (services, [])
        while let next = rest.firstIndex(where: { service in
            !rest.contains { $0.name != service.name && service.after.contains($0.name) }
        }) {
            sorted.append(rest.remove(at: next))
        }
        if let first = rest.first, let entry = entries.first(where: { $0.name == first.name }) {
            let circle = rest.map(\.name).joined(separator: ", ")
            problems.add(
                (entry.value["after"] ?? entry.key).problem(
                    "services wait for each other in a circle: \(circle)", hint: "Take one \"after\" away."))
        }
        return sorted
    }

    // MARK: values

    private static func durationMs(_ node: YAMLNode) throws(Problem) -> Int64 {
        try read(node) { (text) throws(Problem) in
            let ms = try ValueText.durationMs(text)
            guard ms > 0 else { throw Problem(.usage, "it has to be longer than nothing") }
            return ms
        }
    }

    private static func size(_ node: YAMLNode) throws(Problem) -> Int64 {
        try read(node) { (text) throws(Problem) in
            let bytes = try ValueText.sizeBytes(text)
            guard bytes > 0 else { throw Problem(.usage, "it has to be more than nothing") }
            return bytes
        }
    }

    /// A value in the words of the command line, with its place in the file.
    private static func read<Value>(
        _ node: YAMLNode, _ read: (String) throws(Problem) -> Value
    ) throws(Problem) -> Value {
        let text = try node.text()
        do throws(Problem) { return try read(text) } catch { throw node.problem(error.message, hint: error.hint) }
    }

    private mutating func optional<Value>(
        _ node: YAMLNode, _ key: String, _ read: (YAMLNode) throws(Problem) -> Value
    ) -> Value? {
        guard let value = node[key] else { return nil }
        return problems.attempt { () throws(Problem) in try read(value) }
    }
}
