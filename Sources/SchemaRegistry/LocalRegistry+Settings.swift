internal import SQLite

extension LocalRegistry {
    public static let defaultLevel = CompatibilityLevel.backward

    /// What was set of a subject, or with nil of the whole registry; nil where nothing was.
    public func ownLevel(of subject: String?) throws(RegistryRefusal) -> CompatibilityLevel? {
        try read("reading the level of compatibility") { try Self.own("compatibility", subject, $0) }
    }

    /// What holds for a subject: its own level, or that of the registry.
    public func level(for subject: String?) throws(RegistryRefusal) -> CompatibilityLevel {
        try read("reading the level of compatibility") { try Self.level(for: subject, $0) }
    }

    /// - Parameter level: nil takes the subject's own level back, or the registry's.
    /// - Throws: 42205 where nothing may be written.
    public func set(_ level: CompatibilityLevel?, of subject: String?) throws(RegistryRefusal) {
        if let subject { try Self.checkSubject(subject) }
        try write("setting the level of compatibility") { connection in
            try Self.requireWritable(subject ?? "", connection)
            try Self.set("compatibility", level?.rawValue, subject, connection)
        }
    }

    public func ownMode(of subject: String?) throws(RegistryRefusal) -> RegistryMode? {
        try read("reading the mode") { try Self.own("mode", subject, $0) }
    }

    public func mode(for subject: String?) throws(RegistryRefusal) -> RegistryMode {
        try read("reading the mode") { try Self.mode(for: subject ?? "", $0) }
    }

    /// - Parameters:
    ///   - mode: nil takes it back.
    ///   - force: IMPORT also where there are schemas already.
    /// - Throws: 42205.
    public func set(_ mode: RegistryMode?, of subject: String?, force: Bool = false) throws(RegistryRefusal) {
        if let subject { try Self.checkSubject(subject) }
        try write("setting the mode") { connection in
            if mode == .import, !force {
                let found = try connection.value(
                    "SELECT 1 FROM versions WHERE deleted = 0 AND (?1 = '' OR subject = ?1)", .text(subject ?? ""))
                guard found == nil else {
                    throw RegistryRefusal.notPermitted("Cannot import since found existing subjects")
                }
            }
            try Self.set("mode", mode?.rawValue, subject, connection)
        }
    }

    static func level(for subject: String?, _ connection: Connection) throws -> CompatibilityLevel {
        for scope in scopes(of: subject ?? "") {
            if let level: CompatibilityLevel = try own("compatibility", scope, connection) { return level }
        }
        return defaultLevel
    }

    static func mode(for subject: String, _ connection: Connection) throws -> RegistryMode {
        let all: RegistryMode? = try own("mode", nil, connection)
        if all == .readOnlyOverride { return .readOnlyOverride }
        for scope in scopes(of: subject) {
            if let mode: RegistryMode = try own("mode", scope, connection) { return mode }
        }
        return .readWrite
    }

    /// Where a subject's settings are looked for: its own, those of its context (`:.berlin:`), those of all.
    private static func scopes(of subject: String) -> [String?] {
        guard !subject.isEmpty else { return [nil] }
        let context = SubjectName(subject).context
        return [subject, context.isEmpty ? nil : ":.\(context):", nil]
    }

    private static func own<Setting: RawRepresentable<String>>(
        _ column: String, _ subject: String?, _ connection: Connection
    ) throws -> Setting? {
        let statement = try connection.prepare("SELECT \(column) FROM settings WHERE subject = ?")
        statement.bind(0, subject ?? "")
        guard try statement.step(), let text = try statement.optionalText(0) else { return nil }
        guard let setting = Setting(rawValue: text) else {
            throw statement.damage(0, wanted: "a level of compatibility or a mode")
        }
        return setting
    }

    private static func set(
        _ column: String, _ value: String?, _ subject: String?, _ connection: Connection
    ) throws {
        let value: SQLValue = value.map { .text($0) } ?? .null
        try connection.execute(
            "INSERT INTO settings (subject, \(column)) VALUES (?, ?) ON CONFLICT (subject) DO UPDATE SET \(column) = excluded.\(column)",
            .text(subject ?? ""), value)
    }
}
