import Foundation
import Problems
public import SQLite
import Time

/// A tenant's `results.db`, open; the schema is there and of the present version.
///
/// Used by one thread at a time, as its connection is. Opening takes about a millisecond; creating some ten.
public final class ResultsDatabase: Sendable {
    public static let defaultZone = "America/Chicago"
    /// The table of buckets that views over results of release 0.1.0 read, where there are any.
    public static let wideFareBuckets = "wide_fare_buckets"

    public let connection: Connection

    /// Opens or creates the database at `path`.
    ///
    /// - Parameter zone: the tenant's time zone. It may change as long as no stream has stored anything: days already counted
    ///   would be another zone's.
    /// - Throws: `Problem`: `.cannotCreate`, `.noPermission`, `.badData`, `.configuration` (a newer version, another or unknown
    ///   zone), `.inputOutput`, `.tryAgain`.
    public init(path: String, zone: String = defaultZone, durability: Connection.Durability = .full) throws {
        connection = try explaining("opening the results") {
            let connection = try Connection(path: path, durability: durability)
            try connection.addResultFunctions()
            // A log of 16 MiB stays in the cache and is written over; more often would only cost more syncs.
            try connection.execute("PRAGMA wal_autocheckpoint=4096")
            try connection.execute("PRAGMA journal_size_limit=\(64 << 20)")
            let isReady =
                try ResultsSchema.found(in: connection) == ResultsSchema.version && Self.zone(in: connection) == zone
                && ZoneChange.isNone(in: connection, since: ZoneClock(identifier: zone))
            if !isReady {
                try connection.transaction {
                    // Looked up again: another process may have been first while we waited for the lock.
                    let found = try ResultsSchema.found(in: connection)
                    try ResultsSchema.migrate(connection, from: found)
                    try Self.change(to: zone, in: connection, isNew: found == 0)
                    try ZoneChange.note(in: connection, since: ZoneClock(identifier: zone))
                }
            }
            return connection
        }
    }

    /// Opens what is there for reading only.
    ///
    /// - Throws: `.noInput` where there are no results yet; otherwise as `init`.
    public static func openReadOnly(path: String) throws -> ResultsDatabase {
        let nothing = Problem(
            .noInput, "there are no results yet: \"\(path)\" does not exist",
            hint: "Run taxi-cli produce and taxi-cli stream first, or name another tenant with --tenant.")
        guard access(path, F_OK) == 0 else { throw errno == ENOENT ? nothing : Problem(.read, path, errno) }
        let connection = try explaining("opening the results") {
            let connection = try Connection(path: path, access: .readOnly)
            try connection.addResultFunctions()
            let found = try ResultsSchema.found(in: connection)
            if found == 0 { throw nothing }
            guard found == ResultsSchema.version else {
                throw Problem(
                    .configuration, "\"\(path)\" was written by an older taxi-cli (results version \(found))",
                    hint: "The next taxi-cli stream or taxi-cli batch brings it up to date.")
            }
            return connection
        }
        return ResultsDatabase(connection)
    }

    /// The results for whoever only looks; nil where there are none yet, or where a stream is making them at this moment.
    ///
    /// - Throws: as `openReadOnly`.
    public static func openReadOnlyIfAny(path: String) throws -> ResultsDatabase? {
        do { return try openReadOnly(path: path) } catch let problem as Problem where problem.code == .noInput {
            return nil
        }
    }

    private init(_ connection: Connection) { self.connection = connection }

    /// Whether a database was written by an earlier version, which the next run brings up to date.
    ///
    /// - Throws: `.badData` for a database of something else, `.configuration` for one of a newer version.
    public static func isOlder(_ connection: Connection) throws -> Bool {
        try ResultsSchema.found(in: connection) < ResultsSchema.version
    }

    /// The tenant's time zone.
    public var zone: String {
        get throws {
            if let zone = try Self.zone(in: connection) { return zone }
            throw Self.withoutZone(connection)
        }
    }

    /// Tells the database that `connection` is open on from every other one.
    public static func identity(of connection: Connection) throws -> String {
        let statement = try connection.prepare("SELECT value FROM settings WHERE name = 'identity'")
        guard try statement.step() else { throw connection.damage("table settings has no identity") }
        return try statement.storedText(0)
    }

    /// Where results are stored by other offsets of the tenant's zone than those of today's time zone data.
    public var zoneChanges: [ZoneChange] {
        get throws { try explaining("reading what new time zone data changed") { try ZoneChange.all(in: connection) } }
    }

    private static func zone(in connection: Connection) throws -> String? {
        let statement = try connection.prepare("SELECT value, name FROM settings WHERE name = 'zone'")
        guard try statement.step() else { return nil }
        let zone = try statement.storedText(0)
        guard TimeZone(identifier: zone) != nil else { throw statement.damage(0, wanted: "a time zone") }
        return zone
    }

    private static func withoutZone(_ connection: Connection) -> SQLiteError {
        connection.damage("table settings has no zone")
    }

    private static func change(to zone: String, in connection: Connection, isNew: Bool) throws {
        let present = try Self.zone(in: connection)
        if present == zone { return }
        if present == nil, !isNew { throw withoutZone(connection) }
        // First, so that a mistyped name says so.
        let clock = try ZoneClock(identifier: zone)
        if let present, try connection.integer("SELECT count(*) FROM checkpoints", in: .counts) ?? 0 > 0 {
            throw Problem(
                .configuration, "the results in \"\(connection.path)\" are in the time zone \(present), not \(zone)",
                hint: "Keep \(present), or use another tenant for \(zone).")
        }
        try ZoneChange.write(clock, to: connection)
        try connection.execute("INSERT OR REPLACE INTO settings VALUES ('zone', ?)", .text(zone))
    }
}

extension ResultsDatabase {
    /// Opens or creates the results of a tenant, whose folder is created too.
    public convenience init(_ home: TenantHome, zone: String = defaultZone) throws {
        try home.create()
        try self.init(path: home.resultsDB, zone: zone)
    }

    /// - Throws: `.noInput` where there is no such tenant, or no results of it yet.
    public static func openReadOnly(_ home: TenantHome) throws -> ResultsDatabase {
        try home.requireExisting()
        return try openReadOnly(path: home.resultsDB)
    }
}
