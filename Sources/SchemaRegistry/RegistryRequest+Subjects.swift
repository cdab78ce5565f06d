internal import Avro
internal import HTTPServer

extension RegistryRequest {
    /// `/subjects…`
    func subjects(_ place: RegistryPlace) throws(RegistryRefusal) -> HTTPServerResponse {
        guard let subject = place.subject else {
            guard method == "GET" else { throw Self.notAllowed }
            return reply(Self.texts(page(try registry.subjects(deleted).filter { isWanted($0, place) })))
        }
        let isPermanent = isOn("permanent")
        switch (method, place.rest.count) {
        case ("POST", 0):
            let text = try schema(try body())
            let found = try registry.find(text, under: subject, normalized: isOn("normalize"), deleted)
            if let found { return reply(described(found)) }
            throw try registry.versions(of: subject, deleted).isEmpty ? .noSubject(subject) : .noSchema
        case ("DELETE", 0):
            try requireChanges()
            return reply(Self.numbers(try registry.delete(subject: subject, permanently: isPermanent)))
        case ("GET", 1):
            let versions = try registry.versions(of: subject, deleted)
            guard !versions.isEmpty else { throw .noSubject(subject) }
            return reply(Self.numbers(page(versions.map(\.schema.version))))
        case ("POST", 1): return try register(under: subject)
        case ("GET", 2): return reply(described(try version(place.rest[1], of: subject)))
        case ("DELETE", 2):
            try requireChanges()
            let version = try registry.delete(VersionChoice(place.rest[1]), of: subject, permanently: isPermanent)
            return reply(.number("\(version)"))
        case ("GET", 3) where place.rest[2] == "schema":
            return RegistryService.response(try version(place.rest[1], of: subject).schema.schema)
        case ("GET", 3) where place.rest[2] == "referencedby":
            _ = try version(place.rest[1], of: subject)
            return reply(.array([]))
        case ("GET", 0), (_, 3...): throw Self.notFound
        default: throw Self.notAllowed
        }
    }

    private func version(_ text: String, of subject: String) throws(RegistryRefusal) -> StoredVersion {
        try registry.version(VersionChoice(text), of: subject, deleted)
    }

    private func register(under subject: String) throws(RegistryRefusal) -> HTTPServerResponse {
        try requireChanges()
        let body = try body()
        let options = RegisterOptions(
            normalized: isOn("normalize"), id: try number("id", body), version: try number("version", body))
        let registered = try registry.register(try schema(body), under: subject, options)
        return reply(Self.object("id", .number("\(registered.id)")))
    }

    /// Whether a list asks for a subject: by its prefix, in the default context unless the prefix names another, or all (`:*:`).
    func isWanted(_ subject: String, _ place: RegistryPlace) -> Bool {
        let prefix = request.parameter("subjectPrefix") ?? ""
        if !place.context.isEmpty { return subject.hasPrefix(place.context + prefix) }
        if prefix.isEmpty || prefix == ":*:" { return true }
        if prefix.hasPrefix(":.:") { return !subject.hasPrefix(":.") && subject.hasPrefix(prefix.dropFirst(3)) }
        return subject.hasPrefix(prefix)
    }

    func contexts() throws(RegistryRefusal) -> HTTPServerResponse {
        guard method == "GET" else { throw Self.notAllowed }
        let names = Set(try registry.subjects(.all).map { ".\(SubjectName($0).context)" }).union(["."])
        return reply(Self.texts(page(names.sorted())))
    }

    /// `/compatibility/subjects/{subject}/versions[/{version}]`
    func compatibility(_ place: RegistryPlace) throws(RegistryRefusal) -> HTTPServerResponse {
        guard let subject = place.subject, (1...2).contains(place.rest.count) else { throw Self.notFound }
        guard method == "POST" else { throw Self.notAllowed }
        let isVerbose = isOn("verbose")
        func verdict(_ messages: [String]) -> HTTPServerResponse {
            var members = [JSONValue.Member(name: "is_compatible", value: .bool(messages.isEmpty))]
            if isVerbose { members.append(.init(name: "messages", value: Self.texts(messages))) }
            return reply(.object(members))
        }
        let choice = place.rest.count == 2 ? try VersionChoice(place.rest[1]) : nil
        let text: SchemaText
        do throws(RegistryRefusal) { text = try schema(try body()) } catch {
            guard isVerbose, error.code == 42201 else { throw error }
            return verdict([error.message])
        }
        return verdict(try registry.check(text, under: subject, against: choice)?.messages ?? [])
    }
}
