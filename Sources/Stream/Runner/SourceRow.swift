import SQLite
import Time

/// A row of `stored_sources`: how far one partition of the source is read.
struct SourceRow: Sendable, Equatable {
    var partition: Int
    var state: SourceLag.Partition
    /// Names the source, as in checkpoints.
    var source: String
    var watermark: EventTime?
    /// Whether the watermark waits for this partition.
    var holdsBack: Bool
    /// ms UTC.
    var updatedMs: EventTime

    /// For a look whether anything has changed.
    var withoutTime: SourceRow {
        var row = self
        row.updatedMs = 0
        return row
    }

    /// Puts the rows in the place of all that are there; inside a transaction.
    static func replace(_ rows: [SourceRow], on connection: Connection) throws(SQLiteError) {
        try connection.execute("DELETE FROM stored_sources WHERE partition >= ?", .integer(Int64(rows.count)))
        let insert = try connection.prepare(
            "INSERT OR REPLACE INTO stored_sources VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        // To thousandths: what lies behind them is noise of the clock.
        func bind(_ column: Int, _ value: Double?) {
            guard let value, value.isFinite else { return insert.bindNull(column) }
            insert.bind(column, (value * 1000).rounded() / 1000)
        }
        for row in rows {
            insert.bind(0, Int64(row.partition))
            insert.bind(1, row.source)
            insert.bind(2, row.state.records)
            if let lag = row.state.lagRecords { insert.bind(3, lag) } else { insert.bindNull(3) }
            bind(4, row.state.lagSeconds)
            bind(5, row.state.rateIn)
            bind(6, row.state.rateProcessed)
            bind(7, row.state.clearSeconds)
            if let trend = row.state.trend { insert.bind(8, trend.rawValue) } else { insert.bindNull(8) }
            if let watermark = row.watermark { insert.bind(9, watermark) } else { insert.bindNull(9) }
            insert.bind(10, row.holdsBack ? Int64(1) : 0)
            insert.bind(11, row.updatedMs)
            try insert.run()
        }
    }
}
