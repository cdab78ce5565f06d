internal import Avro
public import Problems
internal import SQLite

/// A version as the store has it.
public struct StoredVersion: Sendable, Equatable {
    public var schema: RegisteredSchema
    /// Softly: it can still be looked at by who asks for deleted ones.
    public var isDeleted: Bool
    /// When it was registered, ms UTC.
    public var registeredMs: Int64
    /// What stands for the schema in headers of messages: a UUID of its identity, the same in every registry of ours.
    public var guid: String
}

/// Which versions are looked for.
public enum DeletedChoice: Sendable {
    case live, all, deletedOnly

    func takes(_ version: StoredVersion) -> Bool {
        switch self {
        case .live: !version.isDeleted
        case .all: true
        case .deletedOnly: version.isDeleted
        }
    }
}

extension LocalRegistry {
    /// The subjects that have versions, by name.
    public func subjects(_ choice: DeletedChoice = .live) throws(RegistryRefusal) -> [String] {
        try read("listing the subjects") { connection in
            let condition =
                switch choice {
                case .live: "HAVING min(deleted) = 0"
                case .all: ""
                case .deletedOnly: "HAVING min(deleted) = 1"
                }
            return try connection.rows(
                "SELECT subject FROM versions GROUP BY subject \(condition) ORDER BY subject"
            ) { row throws(SQLiteError) in try row.storedText(0) }
        }
    }

    /// The versions of a subject from the oldest on; empty for one that is not there.
    public func versions(of subject: String, _ choice: DeletedChoice = .live) throws(RegistryRefusal) -> [StoredVersion]
    {
        try read("reading subject \"\(subject)\"") { try Self.versions(of: subject, $0) }.filter(choice.takes)
    }

    /// All versions of all subjects.
    public func allVersions(_ choice: DeletedChoice = .live) throws(RegistryRefusal) -> [StoredVersion] {
        try read("reading all schemas") { try Self.stored("ORDER BY v.subject, v.version", $0) }.filter(choice.takes)
    }

    /// Reads all of it, each schema too.
    ///
    /// - Returns: how many versions there are.
    /// - Throws: `.badData` for what is damaged.
    public func requireSound() throws(Problem) -> Int {
        let all = try explained { () throws(RegistryRefusal) in try allVersions(.all) }
        for version in all {
            let schema = version.schema
            _ = try AvroSchema(schema.schema, file: "\(path), subject \(schema.subject), version \(schema.version)")
            _ = try explained { () throws(RegistryRefusal) in
                (try level(for: schema.subject), try mode(for: schema.subject))
            }
        }
        return all.count
    }

    /// - Throws: 40401, 40402.
    public func version(
        _ choice: VersionChoice, of subject: String, _ deleted: DeletedChoice = .live
    ) throws(RegistryRefusal) -> StoredVersion {
        let (wanted, number): (String, Int) =
            if case .number(let number) = choice { ("AND v.version = ?", number) } else { ("AND ? = 0", 0) }
        let state =
            switch deleted {
            case .live: "AND v.deleted = 0"
            case .all: ""
            case .deletedOnly: "AND v.deleted = 1"
            }
        let found = try read("reading subject \"\(subject)\"") {
            try Self.stored(
                "WHERE v.subject = ? \(wanted) \(state) ORDER BY v.version DESC LIMIT 1", $0, .text(subject),
                .integer(Int64(number)))
        }.first
        if let found { return found }
        throw try versions(of: subject, deleted).isEmpty ? .noSubject(subject) : .noVersion(number)
    }

    /// The subject's version of this schema, the newest where it has several.
    ///
    /// - Parameter normalized: whether normalized spellings are compared.
    public func find(
        _ text: SchemaText, under subject: String, normalized: Bool = false, _ choice: DeletedChoice = .live
    ) throws(RegistryRefusal) -> StoredVersion? {
        try read("looking for a schema under subject \"\(subject)\"") {
            try Self.versions(of: text, under: subject, normalized: normalized, $0)
        }.last(where: choice.takes)
    }

    static func versions(
        of text: SchemaText, under subject: String, normalized: Bool, _ connection: Connection
    ) throws -> [StoredVersion] {
        try stored(
            "WHERE v.subject = ? AND \(normalized ? "s.normal" : "s.identity") = ? ORDER BY v.version", connection,
            .text(subject), .text(normalized ? text.normal : text.identity))
    }

    /// Where a schema is registered.
    ///
    /// - Throws: 40403 for an id that nobody has.
    public func versions(withID id: Int, _ choice: DeletedChoice = .live) throws(RegistryRefusal) -> [StoredVersion] {
        let found = try read("reading schema \(id)") {
            try Self.stored("WHERE v.id = ? ORDER BY v.subject, v.version", $0, .integer(Int64(id)))
        }
        guard try text(id: id) != nil else { throw .noSchema }
        return found.filter(choice.takes)
    }

    public func text(id: Int) throws(RegistryRefusal) -> String? {
        try read("reading schema \(id)") { connection in
            try connection.rows("SELECT text FROM schemas WHERE id = ?", .integer(Int64(id))) {
                row throws(SQLiteError) in
                try row.storedText(0)
            }.first
        }
    }

    /// The text and id of a schema by its UUID.
    public func schema(guid: String) throws(RegistryRefusal) -> (id: Int, text: String)? {
        let digits = guid.lowercased().filter { $0 != "-" }
        guard digits.utf8.count == 32, digits.allSatisfy(\.isHexDigit) else { return nil }
        return try read("reading schema \"\(guid)\"") { connection in
            try connection.rows(
                "SELECT id, text FROM schemas WHERE identity BETWEEN ?1 AND ?1 || 'g' LIMIT 1", .text(digits)
            ) { row throws(SQLiteError) in (Int(try row.integer(0, in: ids)), try row.storedText(1)) }.first
        }
    }

    /// The greatest id that was ever given.
    public func maximumID() throws(RegistryRefusal) -> Int {
        try read("reading the ids") {
            Int(try $0.value("SELECT max(seq) FROM sqlite_sequence WHERE name = 'schemas'")?.integer ?? 0)
        }
    }

    static func versions(of subject: String, _ connection: Connection) throws -> [StoredVersion] {
        try stored("WHERE v.subject = ? ORDER BY v.version", connection, .text(subject))
    }

    private static func stored(_ rest: String, _ connection: Connection, _ values: SQLValue...) throws
        -> [StoredVersion]
    {
        let statement = try connection.prepare(
            """
            SELECT v.subject, v.version, v.id, s.text, v.deleted, v.registered_ms, s.identity
            FROM versions v LEFT JOIN schemas s ON s.id = v.id \(rest)
            """)
        try statement.bind(values)
        var versions: [StoredVersion] = []
        while try statement.step() {
            let schema = RegisteredSchema(
                subject: try statement.storedText(0), version: Int(try statement.integer(1, in: ids)),
                id: Int32(try statement.integer(2, in: ids)), schema: try statement.storedText(3))
            versions.append(
                StoredVersion(
                    schema: schema, isDeleted: try statement.integer(4, in: .flags) == 1,
                    registeredMs: try statement.integer(5, in: .instants), guid: guid(try statement.storedText(6))))
        }
        return versions
    }

    private static func guid(_ identity: String) -> String {
        var guid = ""
        for (place, digit) in identity.prefix(32).enumerated() {
            if [8, 12, 16, 20].contains(place) { guid += "-" }
            guid.append(digit)
        }
        return guid
    }
}

/// Of ids and versions.
let ids: ClosedRange<Int64> = 1...Int64(Int32.max)
