import SQLite
import Time
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
        name: "fare_buckets", columns: ["bucket", "fare_from", "fare_to", "middle_cents"],
        rows: FareBucket.all.map { bucket in
            let (from, to) = FareBucket.dollars(of: bucket)
            return [.integer(bucket), .real(from), .real(to), .real(FareBucket.middle(of: bucket))]
        })

    func run() throws -> [Finding] {
        let tables = [Self.offsets(of: zone), Self.fareBuckets]
        return try [compareZone()] + tables.map(compare)
    }

    private func compareZone() throws -> Finding {
        let finding = Finding("view", "settings")
        let found = try connection.value("SELECT value FROM settings WHERE name = 'zone'")
        if found != .text(zone.identifier) {
            finding.differ("zone is \(CellText.of(found ?? .null)), should be \"\(zone.identifier)\"")
        }
        return finding
    }

    private func compare(_ table: Table) throws -> Finding {
        let finding = Finding("view", table.name)
        let columns = table.columns.joined(separator: ", ")
        do throws(SQLiteError) {
            let statement = try connection.prepare("SELECT \(columns) FROM \(table.name) ORDER BY 1")
            func name(_ key: SQLValue) -> String { "\(table.columns[0]) \(CellText.of(key))" }
            // Both are in the order of the key, which is an integer.
            var next = 0
            while try statement.step() {
                let key = statement.value(0)
                while next < table.rows.count, table.rows[next][0].integer ?? .min < key.integer ?? .min {
                    finding.differ("\(name(table.rows[next][0])): the row is missing")
                    next += 1
                }
                guard next < table.rows.count, table.rows[next][0] == key else {
                    finding.differ("\(name(key)): there should be no such row")
                    continue
                }
                let right = table.rows[next]
                next += 1
                for column in right.indices where statement.value(column) != right[column] {
                    finding.differ(
                        "\(name(key)): \(table.columns[column]) is \(CellText.of(statement.value(column))), should be \(CellText.of(right[column]))"
                    )
                }
            }
            for row in table.rows[next...] { finding.differ("\(name(row[0])): the row is missing") }
        } catch {
            guard error.code == .statement else { throw error }
            finding.differ("cannot be read: \(error.message)")
        }
        return finding
    }
}

/// Values of SQL as an audit's lines show them.
enum CellText {
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
