import Compression
import Problems
import SQLite
import Time

/// The epochs of one query that its results can go back to: see `EpochHistory`.
struct StoredHistory {
    /// A row without its changes.
    struct Row: Equatable {
        var packed: EpochHistory.Packed
        var checksum: Int64

        static func == (a: Row, b: Row) -> Bool { a.packed.last == b.packed.last }
    }

    /// One epoch.
    struct Section {
        var epoch: Int64
        var before: Int64
        var committedMs: EventTime
        var sequence: Int64
        var producer: String
        var run: String
        var entries: RowValuesReader
        /// All of it as it is stored.
        var bytes: ArraySlice<UInt8>
    }

    let query: String
    let connection: Connection
    /// In their order, from the oldest one that leads to the present results without a gap.
    private(set) var rows: [Row] = []
    /// Whether there are epochs behind the present results, or before a gap.
    private(set) var hasOthers = false

    /// - Parameter current: the epoch of the present results.
    init(_ query: String, current: Int64, on connection: Connection) throws(SQLiteError) {
        (self.query, self.connection) = (query, connection)
        let statement = try connection.prepare(
            """
            SELECT last_epoch, before_epoch, epochs, first_ms, last_ms, checksum, query FROM epoch_history WHERE query = ?
            ORDER BY last_epoch DESC
            """)
        statement.bind(0, query)
        var next = current
        while try statement.step() {
            let last = try statement.integer(0, in: .counts)
            let first = try statement.integer(3, in: .times)
            let row = Row(
                packed: EpochHistory.Packed(
                    before: try statement.integer(1, in: 0...max(0, last - 1)), last: last,
                    epochs: try statement.integer(2, in: 0...1 << 20),
                    times: first...(try statement.integer(4, in: first...ClosedRange.times.upperBound)), bytes: []),
                checksum: try statement.integer(5, in: .anything))
            guard last == next else {
                hasOthers = true
                break
            }
            rows.append(row)
            next = row.packed.before
        }
        rows.reverse()
    }

    /// The oldest epoch that results can go back to; nil where nothing is kept.
    var earliest: Int64? { rows.first?.packed.before }

    /// The epochs of a row, looked through.
    ///
    /// - Throws: `.corrupt` where it holds anything else than it was given.
    func sections(of row: Row) throws -> [Section] {
        let statement = try connection.prepare(
            "SELECT changes, query, last_epoch FROM epoch_history WHERE query = ? AND last_epoch = ?")
        statement.bind(0, query)
        statement.bind(1, row.packed.last)
        guard try statement.step() else { throw damage(row, "it is gone") }
        let packed = try statement.blob(0)
        guard EpochHistory.checksum(of: row.packed, query, packed) == row.checksum else {
            throw damage(row, "its checksum is another one")
        }
        do {
            let bytes = try packed.withUnsafeBytes { try BlockCodec.zstandard.unpack($0, limit: Self.limit) }
            return try Self.sections(bytes, row)
        } catch let error as BlockCodec.Damage {
            throw damage(row, error.reason)
        } catch is RowValues.Malformed {
            throw damage(row, "its epochs are malformed")
        }
    }

    /// What `RowChanges` makes of one epoch lies in memory, and so may what is read.
    private static let limit = 1 << 30

    private static func sections(_ bytes: [UInt8], _ row: Row) throws(RowValues.Malformed) -> [Section] {
        var reader = RowValuesReader(bytes)
        guard try reader.byte() == EpochHistory.version else { throw RowValues.Malformed() }
        var sections: [Section] = []
        var before = row.packed.before
        func epoch(_ number: UInt64) throws(RowValues.Malformed) -> Int64 {
            guard number <= UInt64(ClosedRange<Int64>.counts.upperBound) else { throw RowValues.Malformed() }
            return Int64(number)
        }
        while !reader.isAtEnd {
            let start = reader.offset
            let number = try epoch(try reader.number())
            guard try epoch(try reader.number()) == before, number > before else { throw RowValues.Malformed() }
            let committed = try reader.signed()
            guard row.packed.times.contains(committed) else { throw RowValues.Malformed() }
            let sequence = try epoch(try reader.number())
            let (producer, run) = (try reader.text(), try reader.text())
            let entries = try reader.part(try reader.count())
            sections.append(
                Section(
                    epoch: number, before: before, committedMs: committed, sequence: sequence, producer: producer,
                    run: run,
                    entries: entries, bytes: reader.bytes(from: start)))
            before = number
        }
        guard Int64(sections.count) == row.packed.epochs, sections.isEmpty || before == row.packed.last else {
            throw RowValues.Malformed()
        }
        return sections
    }

    func damage(_ row: Row, _ what: String) -> SQLiteError {
        connection.damage("table epoch_history (query \"\(query)\", last_epoch \(row.packed.last)): \(what)")
    }
}

// MARK: - Which epoch

extension StoredHistory {
    /// The last epoch that was committed at or before a time; nil where that is longer ago than epochs are kept.
    func epoch(at time: EventTime) throws -> Int64? {
        for row in rows.reversed() where row.packed.times.lowerBound <= time {
            // A rewind: what was there then are the results of its epoch.
            if row.packed.epochs == 0 { return row.packed.last }
            if let found = try sections(of: row).last(where: { $0.committedMs <= time }) { return found.epoch }
        }
        // Nothing had been committed before the first epoch of all.
        return earliest == 0 ? 0 : nil
    }

    /// The epoch before the last so many ones, rewinds not counted; nil where fewer are kept.
    func epoch(back count: Int64) throws -> Int64? {
        var left = count
        for row in rows.reversed() {
            if left == 0 { return row.packed.last }
            if row.packed.epochs <= left {
                left -= row.packed.epochs
                continue
            }
            let sections = try sections(of: row)
            return sections[sections.count - Int(left)].before
        }
        return left == 0 ? earliest : nil
    }

    /// When an epoch was committed, ms UTC; nil for one that is the oldest.
    func committedMs(of epoch: Int64) throws -> EventTime? {
        guard let row = rows.first(where: { $0.packed.before < epoch && epoch <= $0.packed.last }) else { return nil }
        if row.packed.epochs == 0 { return row.packed.times.lowerBound }
        return try sections(of: row).first { $0.epoch == epoch }?.committedMs
    }

    /// Shows the epochs behind one of them, in their order.
    func forEachSection(after epoch: Int64, _ body: (Section) throws -> Void) throws {
        for row in rows where row.packed.last > epoch {
            for section in try sections(of: row) where section.epoch > epoch {
                do { try body(section) } catch is RowValues.Malformed {
                    throw damage(row, "the changes of epoch \(section.epoch) are malformed")
                }
            }
        }
    }

    /// Forgets the epochs behind one of them, whose results are the present ones again, under another number.
    func cut(after epoch: Int64, to number: Int64, nowMs: EventTime) throws {
        for row in rows where row.packed.last > epoch {
            let kept = row.packed.before < epoch ? try sections(of: row).filter { $0.epoch <= epoch } : []
            try connection.execute(
                "DELETE FROM epoch_history WHERE query = ? AND last_epoch = ?", .text(query), .integer(row.packed.last))
            guard let first = kept.map(\.committedMs).min(), let last = kept.map(\.committedMs).max() else { continue }
            try EpochHistory.insert(
                EpochHistory.Packed(
                    before: row.packed.before, last: epoch, epochs: Int64(kept.count), times: first...last,
                    bytes: [EpochHistory.version] + kept.flatMap(\.bytes)), of: query, on: connection)
        }
        try EpochHistory.insert(
            EpochHistory.Packed(
                before: epoch, last: number, epochs: 0, times: nowMs...nowMs, bytes: [EpochHistory.version]), of: query,
            on: connection)
    }
}
