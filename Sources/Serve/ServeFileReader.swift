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
    private static let mostTenants = 1000

    private let node: YAMLNode
    let file: String
    let home: String
    let checks: ServeSpec.Checks
    var problems = ProblemList()

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

    mutating func optional<Value>(
        _ node: YAMLNode, _ key: String, _ read: (YAMLNode) throws(Problem) -> Value
    ) -> Value? {
        guard let value = node[key] else { return nil }
        return problems.attempt { () throws(Problem) in try read(value) }
    }
}
