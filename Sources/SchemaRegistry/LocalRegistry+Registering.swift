import Glibc
internal import SQLite

/// How a schema is registered.
public struct RegisterOptions: Sendable {
    /// Whether one that differs in its normalized spelling alone is the same.
    public var normalized = false
    /// Given by another registry, in mode IMPORT.
    public var id: Int?
    public var version: Int?
    public init(normalized: Bool = false, id: Int? = nil, version: Int? = nil) {
        (self.normalized, self.id, self.version) = (normalized, id, version)
    }
}

extension LocalRegistry {
    /// - Throws: 409, 42205, 42208.
    public func register(
        _ text: SchemaText, under subject: String, _ options: RegisterOptions = RegisterOptions()
    ) throws(RegistryRefusal) -> RegisteredSchema {
        try Self.checkSubject(subject)
        for number in [options.id, options.version].compactMap({ $0 }) where !ids.contains(Int64(number)) {
            throw .notPermitted("An id and a version are numbers from 1 to 2^31-1, not \(number)")
        }
        func isMeant(_ found: StoredVersion) -> Bool {
            !found.isDeleted && (options.id == nil || options.id == Int(found.schema.id))
                && (options.version == nil || options.version == found.schema.version)
        }
        // Most register what is there already, each time that they start: nobody has to wait for the lock for that.
        if let known = try find(text, under: subject, normalized: options.normalized), isMeant(known) {
            return known.schema
        }
        return try write("registering a schema under subject \"\(subject)\"") { connection in
            let known = try Self.versions(of: text, under: subject, normalized: options.normalized, connection)
            if let found = known.last(where: isMeant) { return found.schema }
            let mode = try Self.mode(for: subject, connection)
            guard mode.mayWrite else {
                throw RegistryRefusal.notPermitted("Subject \(subject) in context is in read-only mode")
            }
            guard (mode == .import) == (options.id != nil) else {
                throw RegistryRefusal.notPermitted(
                    "Subject \(subject) is \(mode == .import ? "in import mode, and no id is given" : "not in import mode")"
                )
            }
            let all = try Self.versions(of: subject, connection)
            if mode != .import {
                let level = try Self.level(for: subject, connection)
                let earlier = all.filter { !$0.isDeleted }.map(\.schema)
                if let finding = try SchemaComparison(text.text, earlier, level) {
                    throw RegistryRefusal.incompatible(subject, finding.messages)
                }
            }
            let id = try Self.id(of: text, wanted: options.id, connection)
            let version = options.version ?? (all.last?.schema.version ?? 0) + 1
            guard ids.contains(Int64(version)) else { throw RegistryRefusal.notPermitted("There is no version left") }
            guard !all.contains(where: { $0.schema.version == version }) else {
                throw RegistryRefusal.notPermitted(
                    "Version \(version) of subject \(subject) is another schema already")
            }
            try connection.execute(
                "INSERT INTO versions (subject, version, id, registered_ms) VALUES (?, ?, ?, ?)", .text(subject),
                .integer(Int64(version)), .integer(id), .integer(Self.nowMs))
            return RegisteredSchema(subject: subject, version: version, id: Int32(id), schema: text.text)
        }
    }

    /// One text has one id, whoever registers it.
    private static func id(of text: SchemaText, wanted: Int?, _ connection: Connection) throws -> Int64 {
        let known = try connection.rows("SELECT id FROM schemas WHERE identity = ?", .text(text.identity)) {
            row throws(SQLiteError) in try row.integer(0, in: ids)
        }.first
        if let wanted = wanted.map(Int64.init) {
            if known == wanted { return wanted }
            if let known {
                throw RegistryRefusal.notPermitted("The schema has the id \(known) already, and cannot get \(wanted)")
            }
            guard try connection.value("SELECT 1 FROM schemas WHERE id = ?", .integer(wanted)) == nil else {
                throw RegistryRefusal.notPermitted("Overwrite new schema with id \(wanted) is not permitted.")
            }
            try insert(text, id: .integer(wanted), connection)
            return wanted
        }
        if let known { return known }
        let last = try connection.value("SELECT max(seq) FROM sqlite_sequence WHERE name = 'schemas'")?.integer ?? 0
        guard last < Int64(Int32.max) else { throw RegistryRefusal.notPermitted("There is no id left") }
        try insert(text, id: .null, connection)
        return connection.lastInsertedRow
    }

    private static func insert(_ text: SchemaText, id: SQLValue, _ connection: Connection) throws {
        try connection.execute(
            "INSERT INTO schemas (id, text, identity, normal) VALUES (?, ?, ?, ?)", id, .text(text.text),
            .text(text.identity), .text(text.normal))
    }

    /// What keeps a schema from being registered; nil where nothing does.
    public func check(_ text: SchemaText, under subject: String) throws(RegistryRefusal) -> SchemaComparison? {
        let earlier = try versions(of: subject).map(\.schema)
        let level = try level(for: subject)
        return try SchemaComparison(text.text, earlier, level)
    }

    /// The same against one version, or against those that the subject's level names.
    ///
    /// - Parameter choice: nil for all that count.
    /// - Throws: 40401, 40402; nothing for an unknown subject with `latest`, which anything gets on with.
    public func check(
        _ text: SchemaText, under subject: String, against choice: VersionChoice?
    ) throws(RegistryRefusal) -> SchemaComparison? {
        guard let choice else { return try check(text, under: subject) }
        let all = try versions(of: subject)
        if all.isEmpty, choice == .latest { return nil }
        if all.isEmpty, case .number(let number) = choice { throw .noVersion(number) }
        let one = try version(choice, of: subject).schema
        return try SchemaComparison(text.text, [one], try level(for: subject))
    }

    static func checkSubject(_ subject: String) throws(RegistryRefusal) {
        let hasControls = subject.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f }
        guard !subject.isEmpty, subject.utf8.count <= 1024, !hasControls, subject != "__GLOBAL", subject != "__EMPTY"
        else { throw .invalidSubject(subject) }
    }

    static var nowMs: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
