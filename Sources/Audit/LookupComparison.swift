import SQLite
import Trips

/// Compares the tables that public views read beside the results: the offsets of the tenant's zone and the bounds of the fare buckets.
struct LookupComparison {
    let connection: Connection
    let zone: ZoneClock

    /// What a table should hold, in the order of its key, the first column.
    struct Table {
        var name: String
        var columns: [String]
        var rows: [[SQLValue]]
    }

    static func offsets(of zone: ZoneClock) -> Table {
        Table(
            name: "zone_offsets", columns: ["from_ms", "offset_s"],
            rows: zone.stretches.map { [.integer($0.fromMs), .integer(Int64($0.offsetSeconds))] })
    }

    static let fareBuckets = Table(
        name: "fare_buckets", columns: ["bucket", "fare_from", "fare_to"],
        rows: (FareBucket.negative...FareBucket.last).map { bucket in
            let (from, to) = FareBucket.dollars(of: bucket)
            return [.integer(bucket), from.map(SQLValue.real) ?? .null, .real(to)]
        })

    func run() throws -> [Finding] {
        let tables = [Self.offsets(of: zone), Self.fareBuckets]
        return try [compareZone()] + tables.map(compare)
    }

    private func compareZone() throws -> Finding {
        let finding = Finding("view", "settings")
        let found = try connection.value("SELECT value FROM settings WHERE name = 'zone'")
        if found != .text(zone.identifier) {
            finding.differ("zone is \(SQLText.of(found ?? .null)), should be \"\(zone.identifier)\"")
        }
        return finding
    }

    private func compare(_ table: Table) throws -> Finding {
        let finding = Finding("view", table.name)
        var found: [SQLValue: [SQLValue]] = [:]
        let columns = table.columns.joined(separator: ", ")
        do throws(SQLiteError) {
            let rows = try connection.rows("SELECT \(columns) FROM \(table.name)") { row throws(SQLiteError) in
                table.columns.indices.map(row.value)
            }
            for row in rows { found[row[0]] = row }
        } catch {
            guard error.code == .statement else { throw error }
            finding.differ("cannot be read: \(error.message)")
            return finding
        }
        for row in table.rows {
            let name = "\(table.columns[0]) \(SQLText.of(row[0]))"
            guard let stored = found.removeValue(forKey: row[0]) else {
                finding.differ("\(name): the row is missing")
                continue
            }
            for (index, column) in table.columns.enumerated() where stored[index] != row[index] {
                finding.differ(
                    "\(name): \(column) is \(SQLText.of(stored[index])), should be \(SQLText.of(row[index]))")
            }
        }
        for key in found.keys.map(SQLText.of).sorted() {
            finding.differ("\(table.columns[0]) \(key): there should be no such row")
        }
        return finding
    }
}

/// Values of SQL as an audit's lines show them.
enum SQLText {
    static func of(_ value: SQLValue) -> String {
        switch value {
        case .null: "null"
        case .integer(let value): "\(value)"
        case .real(let value): "\(value)"
        case .text(let text): "\"\(text)\""
        case .blob: "a blob"
        }
    }
}
