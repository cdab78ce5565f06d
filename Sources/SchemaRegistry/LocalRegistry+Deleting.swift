internal import SQLite

extension LocalRegistry {
    /// Deletes a subject: softly, or for good what was deleted softly before.
    ///
    /// - Returns: the versions that went.
    /// - Throws: 40401, 40404, 40405, 42205.
    public func delete(subject: String, permanently: Bool = false) throws(RegistryRefusal) -> [Int] {
        try write("deleting subject \"\(subject)\"") { connection in
            try Self.requireWritable(subject, connection)
            let all = try Self.versions(of: subject, connection)
            let live = all.filter { !$0.isDeleted }
            guard !all.isEmpty else { throw RegistryRefusal.noSubject(subject) }
            if permanently {
                guard live.isEmpty else { throw RegistryRefusal.isNotDeleted(subject) }
                try connection.execute("DELETE FROM versions WHERE subject = ?", .text(subject))
                try Self.forgetUnused(connection)
            } else {
                guard !live.isEmpty else { throw RegistryRefusal.isDeleted(subject) }
                try connection.execute("UPDATE versions SET deleted = 1 WHERE subject = ?", .text(subject))
                // Who makes a subject of this name anew expects nothing of the old one.
                try connection.execute("DELETE FROM settings WHERE subject = ?", .text(subject))
            }
            return (permanently ? all : live).map(\.schema.version)
        }
    }

    /// - Returns: the version's number.
    /// - Throws: 40401, 40402, 40406, 40407, 42205.
    public func delete(
        _ choice: VersionChoice, of subject: String, permanently: Bool = false
    ) throws(RegistryRefusal) -> Int {
        try write("deleting a version of subject \"\(subject)\"") { connection in
            try Self.requireWritable(subject, connection)
            let all = try Self.versions(of: subject, connection)
            guard let last = all.last(where: { !$0.isDeleted || permanently }) ?? all.last else {
                throw RegistryRefusal.noSubject(subject)
            }
            var meant = last
            if case .number(let number) = choice {
                guard let found = all.first(where: { $0.schema.version == number }) else {
                    throw RegistryRefusal.noVersion(number)
                }
                meant = found
            }
            let version = meant.schema.version
            if permanently {
                guard meant.isDeleted else { throw RegistryRefusal.isNotDeleted(subject, version: version) }
                try connection.execute(
                    "DELETE FROM versions WHERE subject = ? AND version = ?", .text(subject), .integer(Int64(version)))
                try Self.forgetUnused(connection)
            } else {
                guard !meant.isDeleted else { throw RegistryRefusal.isDeleted(subject, version: version) }
                try connection.execute(
                    "UPDATE versions SET deleted = 1 WHERE subject = ? AND version = ?", .text(subject),
                    .integer(Int64(version)))
            }
            return version
        }
    }

    /// A schema that no version has is gone with its id, which is never given again.
    private static func forgetUnused(_ connection: Connection) throws {
        try connection.execute("DELETE FROM schemas WHERE id NOT IN (SELECT id FROM versions)")
    }

    static func requireWritable(_ subject: String, _ connection: Connection) throws {
        guard try mode(for: subject, connection).mayWrite else {
            throw RegistryRefusal.notPermitted("Subject \(subject) is in read-only mode")
        }
    }
}
