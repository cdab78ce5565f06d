internal import Avro
internal import HTTP
public import Problems
internal import SQLite
internal import Synchronization

/// The registry of a tenant: `schemas.db` in its folder, for any number of processes at a time.
///
///     schemas   a text with its id and two digests: `identity`, of the text without what does not count (`AvroSchema.spelling`), by which
///               one schema has one id, and `normal`, of its normalized spelling, for those who look for that
///     versions  which schema a subject has as which version, and whether that is deleted (softly: it can be looked at, and keeps its number)
///     settings  level of compatibility and mode of a subject; '' for all of them
///
/// Each change is one transaction, so that two processes that register one schema at once get one id, and a kill loses nothing that was
/// answered. The file is made by the first change; before, the registry is empty.
public final class LocalRegistry: SchemaRegistry {
    public let path: String
    // Readers wait for no writer, and a writer may wait for another process.
    private let reader = Mutex<Connection?>(nil)
    private let writer = Mutex<Connection?>(nil)

    /// - Parameter path: of the database, which need not be there.
    public init(path: String) { self.path = path }

    static let version: Int64 = 1

    private static let tables = """
        CREATE TABLE schemas (
            id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, identity TEXT NOT NULL UNIQUE, normal TEXT NOT NULL);
        CREATE TABLE versions (
            subject TEXT NOT NULL, version INTEGER NOT NULL, id INTEGER NOT NULL REFERENCES schemas,
            registered_ms INTEGER NOT NULL, deleted INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (subject, version)) WITHOUT ROWID;
        CREATE INDEX versions_by_id ON versions (id);
        CREATE TABLE settings (subject TEXT PRIMARY KEY, compatibility TEXT, mode TEXT) WITHOUT ROWID;
        PRAGMA user_version=\(version);
        """

    /// - Returns: nil where nobody has written anything yet.
    private func openForReading() throws -> Connection? {
        guard Files.exists(path) else { return nil }
        let connection = try Connection(path: path, access: .readOnly)
        return try has(connection) ? connection : nil
    }

    private func openForWriting() throws -> Connection {
        let connection = try Connection(path: path, durability: .full)
        if try has(connection) { return connection }
        try connection.transaction {
            if try !has(connection) { try connection.execute(Self.tables) }
        }
        return connection
    }

    /// Whether the tables are there.
    private func has(_ connection: Connection) throws -> Bool {
        let found = try connection.value("PRAGMA user_version")?.integer ?? 0
        guard found == 0 || found == Self.version else {
            throw Problem(
                .configuration, "\"\(visible(path))\" was written by another taxi-cli (schemas version \(found))",
                hint: "Use a taxi-cli as new as the one that wrote it.")
        }
        return found != 0
    }

    /// Runs `body` on one snapshot; on an empty database where there is none yet.
    func read<Result: Sendable>(
        _ action: @autoclosure () -> String, _ body: (Connection) throws -> Result
    ) throws(RegistryRefusal) -> Result {
        do {
            return try reader.withLock { kept in
                // A tenant that was removed, or came back from a backup, has another file by now.
                if let connection = kept, (try? connection.requireFile()) == nil { kept = nil }
                if kept == nil { kept = try openForReading() }
                if let connection = kept { return try connection.snapshot { try body(connection) } }
                let nothing = try Connection(path: ":memory:")
                try nothing.execute(Self.tables)
                return try body(nothing)
            }
        } catch let refusal as RegistryRefusal { throw refusal } catch {
            throw RegistryRefusal(error, doing: action())
        }
    }

    /// Runs `body` in one transaction, which is on the disk when this returns.
    func write<Result: Sendable>(
        _ action: @autoclosure () -> String, _ body: (Connection) throws -> Result
    ) throws(RegistryRefusal) -> Result {
        do {
            return try writer.withLock { kept in
                if let connection = kept, (try? connection.requireFile()) == nil { kept = nil }
                let connection = try kept ?? openForWriting()
                kept = connection
                return try connection.transaction { try body(connection) }
            }
        } catch let refusal as RegistryRefusal { throw refusal } catch {
            throw RegistryRefusal(error, doing: action())
        }
    }
}

// MARK: - What the contract asks

extension LocalRegistry {
    public func register(_ schema: String, under subject: String) throws(Problem) -> RegisteredSchema {
        try explained { () throws(RegistryRefusal) in try register(SchemaText(schema), under: subject) }
    }

    public func find(_ schema: String, under subject: String) throws(Problem) -> RegisteredSchema? {
        try explained { () throws(RegistryRefusal) in try find(SchemaText(schema), under: subject)?.schema }
    }

    public func schema(id: Int32) throws(Problem) -> String? {
        try explained { () throws(RegistryRefusal) in try text(id: Int(id)) }
    }

    public func latest(of subject: String) throws(Problem) -> RegisteredSchema? {
        try explained { () throws(RegistryRefusal) in try versions(of: subject).last?.schema }
    }

    public func incompatibilities(of schema: String, under subject: String) throws(Problem) -> [String] {
        try explained { () throws(RegistryRefusal) in
            try check(SchemaText(schema), under: subject)?.sentences ?? []
        }
    }

    /// Calls `body`; what it refuses comes out as a person is told.
    public func explained<Result>(_ body: () throws(RegistryRefusal) -> Result) throws(Problem) -> Result {
        do throws(RegistryRefusal) { return try body() } catch { throw error.asProblem }
    }
}

/// A schema's text with what a registry knows it by.
public struct SchemaText: Sendable {
    let text: String
    /// SHA-256 of its spellings, in hexadecimal digits.
    let identity: String
    let normal: String

    /// - Parameter normalize: whether the normalized spelling takes the text's place.
    /// - Throws: 42201 for a text that is no Avro schema.
    public init(_ text: String, normalize: Bool = false, file: String = "schema") throws(RegistryRefusal) {
        do throws(Problem) {
            let normal = try AvroSchema.spelling(of: text, isNormalized: true, file: file)
            let own = normalize ? normal : try AvroSchema.spelling(of: text, isNormalized: false, file: file)
            self.text = normalize ? normal : text
            identity = SHA256.hex(of: own.utf8)
            self.normal = normalize ? identity : SHA256.hex(of: normal.utf8)
        } catch {
            throw .invalidSchema(error)
        }
    }
}
