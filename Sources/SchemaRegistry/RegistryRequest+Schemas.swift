internal import Avro
internal import HTTPServer

extension RegistryRequest {
    /// `/schemas…`
    func schemas(_ parts: [String]) throws(RegistryRefusal) -> HTTPServerResponse {
        guard method == "GET" else { throw Self.notAllowed }
        switch (parts.dropFirst().first, parts.count) {
        case (nil, _): return reply(.array(page(try listed()).map(described)))
        case ("types", 2): return reply(Self.texts(["AVRO"]))
        case ("ids", 3...4): return try schema(id: parts[2], part: parts.count == 4 ? parts[3] : nil)
        case ("guids", 3...4):
            guard let found = try registry.schema(guid: parts[2]) else { throw .noSchema }
            if parts.count == 3 { return reply(Self.object("schema", .string(found.text))) }
            guard parts[3] == "ids" else { throw Self.notFound }
            return reply(
                .array([
                    .object([
                        .init(name: "context", value: .string(".")), .init(name: "id", value: .number("\(found.id)")),
                    ])
                ]))
        default: throw Self.notFound
        }
    }

    private func listed() throws(RegistryRefusal) -> [StoredVersion] {
        let all = try registry.allVersions(deleted).filter {
            isWanted($0.schema.subject, RegistryPlace([], context: ""))
        }
        guard isOn("latestOnly") else { return all }
        return all.enumerated().filter { place, version in
            place + 1 == all.count || all[place + 1].schema.subject != version.schema.subject
        }.map(\.element)
    }

    private func schema(id text: String, part: String?) throws(RegistryRefusal) -> HTTPServerResponse {
        guard let id = Int32(text), let schema = try registry.text(id: Int(id)) else { throw .noSchema }
        switch part {
        case nil:
            var members = [JSONValue.Member(name: "schema", value: .string(schema))]
            if isOn("fetchMaxId") {
                members.append(.init(name: "maxId", value: .number("\(try registry.maximumID())")))
            }
            return reply(.object(members))
        case "schema": return RegistryService.response(schema)
        case "subjects":
            let subjects = Set(try registry.versions(withID: Int(id), deleted).map(\.schema.subject))
            return reply(Self.texts(page(subjects.sorted())))
        case "versions":
            return reply(
                .array(
                    page(try registry.versions(withID: Int(id), deleted)).map { version in
                        .object([
                            .init(name: "subject", value: .string(version.schema.subject)),
                            .init(name: "version", value: .number("\(version.schema.version)")),
                        ])
                    }))
        default: throw Self.notFound
        }
    }

    // MARK: Settings

    /// `/config[/{subject}]`
    func config(_ place: RegistryPlace) throws(RegistryRefusal) -> HTTPServerResponse {
        let subject = try scope(place)
        func answer(_ key: String, _ level: CompatibilityLevel) -> HTTPServerResponse {
            reply(Self.object(key, .string(level.rawValue)))
        }
        switch method {
        case "GET":
            guard let subject, !isOn("defaultToGlobal") else {
                return answer("compatibilityLevel", try registry.level(for: subject))
            }
            guard let level = try registry.ownLevel(of: subject) else { throw .noLevel(subject) }
            return answer("compatibilityLevel", level)
        case "PUT":
            try requireChanges()
            let level = try CompatibilityLevel(name: text("compatibility", try body()))
            try registry.set(level, of: subject)
            return answer("compatibility", level)
        case "DELETE":
            try requireChanges()
            let own = try registry.ownLevel(of: subject)
            if let subject, own == nil { throw .noSubject(subject) }
            try registry.set(CompatibilityLevel?.none, of: subject)
            return answer("compatibilityLevel", own ?? LocalRegistry.defaultLevel)
        default: throw Self.notAllowed
        }
    }

    /// `/mode[/{subject}]`
    func mode(_ place: RegistryPlace) throws(RegistryRefusal) -> HTTPServerResponse {
        let subject = try scope(place)
        func answer(_ mode: RegistryMode) -> HTTPServerResponse { reply(Self.object("mode", .string(mode.rawValue))) }
        switch method {
        case "GET":
            guard let subject, !isOn("defaultToGlobal") else { return answer(try registry.mode(for: subject)) }
            guard let mode = try registry.ownMode(of: subject) else { throw .noMode(subject) }
            return answer(mode)
        case "PUT":
            try requireChanges()
            let mode = try RegistryMode(name: text("mode", try body()))
            try registry.set(mode, of: subject, force: isOn("force"))
            return answer(mode)
        case "DELETE":
            try requireChanges()
            let own = try registry.ownMode(of: subject)
            if let subject, own == nil { throw .noSubject(subject) }
            try registry.set(RegistryMode?.none, of: subject)
            return answer(own ?? .readWrite)
        default: throw Self.notAllowed
        }
    }

    /// A text of a body; an empty one where there is none, which no setting is.
    private func text(_ name: String, _ body: [String: JSONValue]) -> String {
        if case .string(let text)? = body[name] { text } else { "" }
    }

    /// Whose settings are meant: a subject's, a context's, those of all (nil).
    private func scope(_ place: RegistryPlace) throws(RegistryRefusal) -> String? {
        guard place.rest.isEmpty else { throw Self.notFound }
        return place.subject ?? (place.context.isEmpty ? nil : place.context)
    }
}
