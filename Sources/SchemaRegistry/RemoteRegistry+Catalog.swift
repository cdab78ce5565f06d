internal import HTTP
public import Problems

/// What people do with the subjects of a registry that others serve.
extension RemoteRegistry: SchemaCatalog {
    public func subjectNames(deleted: Bool) throws(Problem) -> [String] {
        let path = "/subjects?deleted=\(deleted)"
        return try decode(ask("GET", path), path)
    }

    public func versionNumbers(of subject: String, deleted: Bool) throws(Problem) -> [Int] {
        let path = "/subjects/\(Self.escaped(subject))/versions?deleted=\(deleted)"
        let answer = try ask("GET", path)
        return answer.status == 404 ? [] : try decode(answer, path)
    }

    public func schema(
        _ choice: VersionChoice, of subject: String, deleted: Bool
    ) throws(Problem) -> RegisteredSchema {
        let path = "/subjects/\(Self.escaped(subject))/versions/\(Self.word(choice))?deleted=\(deleted)"
        return try found(answered(ask("GET", path)), path, subject)
    }

    public func compatibility(of subject: String?) throws(Problem) -> CompatibilityLevel {
        let path = "/config" + (subject.map { "/\(Self.escaped($0))?defaultToGlobal=true" } ?? "")
        let answer = try ask("GET", path)
        // Older registries do not go on to the level of all subjects by themselves.
        if answer.status == 404, subject != nil { return try compatibility(of: nil) }
        let told: LevelAnswer = try decode(answer, path)
        guard let level = CompatibilityLevel(rawValue: told.compatibilityLevel) else {
            throw strange(path, "\"\(told.compatibilityLevel.prefix(100))\" is no level of compatibility")
        }
        return level
    }

    public func setCompatibility(_ level: CompatibilityLevel?, of subject: String?) throws(Problem) {
        let path = "/config" + (subject.map { "/\(Self.escaped($0))" } ?? "")
        guard let level else {
            let answer = try ask("DELETE", path)
            // There was none.
            if answer.status != 404 { _ = try answered(answer) }
            return
        }
        _ = try answered(ask("PUT", path, body: .bytes(Array(#"{"compatibility":"\#(level.rawValue)"}"#.utf8))))
    }

    public func delete(
        _ choice: VersionChoice?, of subject: String, permanently: Bool
    ) throws(Problem) -> [Int] {
        defer { forget() }
        let path =
            "/subjects/\(Self.escaped(subject))" + (choice.map { "/versions/\(Self.word($0))" } ?? "")
            + "?permanent=\(permanently)"
        let answer = try answered(ask("DELETE", path))
        guard choice == nil else {
            let version: Int = try decode(answer, path)
            return [version]
        }
        return try decode(answer, path)
    }

    private struct LevelAnswer: Decodable { var compatibilityLevel: String }

    private static func word(_ choice: VersionChoice) -> String {
        switch choice {
        case .latest: "latest"
        case .number(let number): "\(number)"
        }
    }

    /// - Throws: what the registry refuses, by its cause.
    private func answered(_ answer: Answer) throws(Problem) -> Answer {
        if (200..<300).contains(answer.status) { return answer }
        let code: Problem.Code =
            switch answer.status {
            case 404: .noInput
            case 422: .usage
            default: .badData
            }
        throw Problem(code, "\(place) refuses: \(answer.detail)")
    }
}
