public import Problems

/// What a person does with a registry, beyond what messages need.
public protocol SchemaCatalog: SchemaRegistry {
    /// - Parameter deleted: whether softly deleted ones count too, here and below.
    func subjectNames(deleted: Bool) throws(Problem) -> [String]
    /// From the oldest on; empty for a subject that is not there.
    func versionNumbers(of subject: String, deleted: Bool) throws(Problem) -> [Int]
    /// - Throws: `.noInput` where there is no such subject or version.
    func schema(_ version: VersionChoice, of subject: String, deleted: Bool) throws(Problem) -> RegisteredSchema
    /// The level that holds for a subject, or with nil for all that have none of their own.
    func compatibility(of subject: String?) throws(Problem) -> CompatibilityLevel
    /// - Parameter level: nil takes the subject's own level back, or the registry's.
    func setCompatibility(_ level: CompatibilityLevel?, of subject: String?) throws(Problem)
    /// - Parameter version: nil for the whole subject.
    /// - Returns: the versions that went.
    func delete(_ version: VersionChoice?, of subject: String, permanently: Bool) throws(Problem) -> [Int]
}

extension LocalRegistry: SchemaCatalog {
    public func subjectNames(deleted: Bool) throws(Problem) -> [String] {
        try explained { () throws(RegistryRefusal) in try subjects(deleted ? .all : .live) }
    }

    public func versionNumbers(of subject: String, deleted: Bool) throws(Problem) -> [Int] {
        try explained { () throws(RegistryRefusal) in
            try versions(of: subject, deleted ? .all : .live).map(\.schema.version)
        }
    }

    public func schema(_ choice: VersionChoice, of subject: String, deleted: Bool) throws(Problem) -> RegisteredSchema {
        try explained { () throws(RegistryRefusal) in try version(choice, of: subject, deleted ? .all : .live).schema }
    }

    public func compatibility(of subject: String?) throws(Problem) -> CompatibilityLevel {
        try explained { () throws(RegistryRefusal) in try level(for: subject) }
    }

    public func setCompatibility(_ level: CompatibilityLevel?, of subject: String?) throws(Problem) {
        try explained { () throws(RegistryRefusal) in try set(level, of: subject) }
    }

    public func delete(_ choice: VersionChoice?, of subject: String, permanently: Bool) throws(Problem) -> [Int] {
        try explained { () throws(RegistryRefusal) in
            guard let choice else { return try delete(subject: subject, permanently: permanently) }
            return [try delete(choice, of: subject, permanently: permanently)]
        }
    }
}
