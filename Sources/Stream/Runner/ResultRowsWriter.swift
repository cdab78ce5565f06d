import Database
import SQLite
import Trips

/// Writes what an epoch leaves of queries into their tables.
struct ResultRowsWriter {
    private let connection: Connection
    private let plans: [QueryPlan]
    private let upserts: [Statement]
    private let keyInserts: [Statement?]
    private let insertDay: Statement

    init(_ connection: Connection, _ plans: [QueryPlan]) throws {
        (self.connection, self.plans) = (connection, plans)
        upserts = try plans.map { plan in
            var columns = plan.window.isWindowed ? 2 : 1
            columns += plan.packsGroups ? 1 : plan.stateColumns.count
            let marks = Array(repeating: "?", count: columns).joined(separator: ", ")
            return try connection.prepare("INSERT OR REPLACE INTO \(plan.storageTable) VALUES (\(marks))")
        }
        keyInserts = try plans.map { plan in
            guard let table = plan.keysTable else { return nil }
            let marks = Array(repeating: "?", count: plan.groups.count + 1).joined(separator: ", ")
            return try connection.prepare("INSERT INTO \(table) VALUES (\(marks))")
        }
        insertDay = try connection.prepare("INSERT OR IGNORE INTO changed_days VALUES (?)")
    }

    func store(_ output: QueryOutput) throws {
        let plan = plans[output.query]
        if let insert = keyInserts[output.query] {
            for key in output.newKeys {
                insert.bind(0, key.id)
                for (index, part) in key.parts.enumerated() {
                    switch part {
                    case .integer(let value): insert.bind(index + 1, value)
                    case .text: break
                    }
                }
                try withTexts(key.parts[...]) { texts in
                    for (index, text) in texts { insert.bindBorrowed(index + 1, text: text) }
                    try insert.run()
                }
            }
        }
        if !output.removed.isEmpty { try remove(output, plan) }
        for day in output.days {
            insertDay.bind(0, day)
            try insertDay.run()
        }
        try output.rows.text.withUnsafeBytes { text in
            try store(output.rows, text, plan, upserts[output.query])
        }
    }

    /// Takes out rows that no trip is in any more; of a closed window that was sent it stays known how often.
    private func remove(_ output: QueryOutput, _ plan: QueryPlan) throws {
        let key = plan.window.isWindowed ? "window_start_ms" : "group_id"
        let delete = try connection.prepare("DELETE FROM \(plan.storageTable) WHERE \(key) = ?")
        for (id, revision) in output.removed {
            delete.bind(0, id)
            try delete.run()
            if revision > 0 { try Restatements.withdraw(id, revision: revision, view: plan.table, on: connection) }
        }
    }

    /// The texts among parts of a key with their places: as bytes, since a text may hold any character.
    private func withTexts(
        _ parts: ArraySlice<GroupKeys.Part>, _ texts: [(Int, UnsafeRawBufferPointer)] = [],
        _ body: ([(Int, UnsafeRawBufferPointer)]) throws -> Void
    ) throws {
        guard let part = parts.first else { return try body(texts) }
        guard case .text(let bytes) = part else { return try withTexts(parts.dropFirst(), texts, body) }
        try bytes.withUnsafeBytes { try withTexts(parts.dropFirst(), texts + [(parts.startIndex, $0)], body) }
    }

    private func store(_ rows: StoredRows, _ text: UnsafeRawBufferPointer, _ plan: QueryPlan, _ upsert: Statement)
        throws
    {
        let kinds = plan.stateColumns.map(\.kind)
        var textIndex = 0
        var textStart = 0
        func bindText(_ column: Int) {
            let end = rows.textEnds[textIndex]
            upsert.bindBorrowed(column, text: UnsafeRawBufferPointer(rebasing: text[textStart..<end]))
            (textIndex, textStart) = (textIndex + 1, end)
        }
        for row in rows.ids.indices {
            upsert.bind(0, rows.ids[row])
            var column = 1
            if plan.window.isWindowed {
                upsert.bind(1, rows.revisions[row])
                column = 2
            }
            if plan.packsGroups {
                bindText(column)
            } else {
                var word = row * rows.stride
                for kind in kinds {
                    if kind.isText {
                        bindText(column)
                    } else {
                        let value = rows.words[word]
                        if kind == .nullableWord, value == nullCell {
                            upsert.bindNull(column)
                        } else {
                            upsert.bind(column, value)
                        }
                        word += 1
                    }
                    column += 1
                }
            }
            try upsert.run()
        }
    }
}
