import Problems
import SQLite
import Time

/// One query's closed windows as the stream stores them, of which only those that tile time are read.
///
/// Sliding windows overlap: a trip lies in size/slide of them. Those whose start is a multiple of the size cover every
/// instant exactly once, so adding them up counts each trip once. A window belongs to the local day of its start.
struct StoredWindows {
    /// The queries that analytics reads, with the size and slide of their default declaration.
    enum Source: String, CaseIterable {
        case fares = "faredistribution"
        case areas = "hotspotcommunitywindow"
        case locations = "hotspotwindow"

        var table: String { "stored_\(rawValue)" }
        /// The rollup by day that its windows go into.
        var rollup: String {
            switch self {
            case .fares: "day_fare"
            case .areas: "day_area"
            case .locations: "day_location"
            }
        }
        var defaultSizeMs: Int64 { self == .fares ? 3_600_000 : 60_000 }
        var defaultEveryMs: Int64 { self == .fares ? 3_600_000 : 30_000 }
    }

    let source: Source
    let sizeMs: Int64
    private let everyMs: Int64
    private let connection: Connection
    private let selection: Statement
    private let nextTile: Statement

    /// Nil where the stream has not stored this query's results yet.
    ///
    /// Sizes come from `query_windows(view, size_ms, every_ms)`, which the stream writes; without it the default holds.
    ///
    /// - Throws: `Problem(.configuration)` for windows that cannot tile time.
    init?(_ source: Source, on connection: Connection) throws {
        guard try BatchSchema.exists(source.table, on: connection) else { return nil }
        var (sizeMs, everyMs) = (source.defaultSizeMs, source.defaultEveryMs)
        if try BatchSchema.exists("query_windows", on: connection) {
            let declared = try connection.rows(
                "SELECT size_ms, every_ms, view FROM query_windows WHERE view = ?", .text(source.rawValue)
            ) { row throws(SQLiteError) in (try row.integer(0, in: .counts), try row.integer(1, in: .counts)) }
            if let declared = declared.first { (sizeMs, everyMs) = declared }
        }
        guard sizeMs > 0, everyMs > 0, sizeMs % everyMs == 0 else {
            throw Problem(
                .configuration, "windows of \(sizeMs) ms every \(everyMs) ms (\(source.rawValue)) do not tile time",
                hint: "Declare the query with a window size that is a multiple of its slide.")
        }
        (self.source, self.sizeMs, self.everyMs, self.connection) = (source, sizeMs, everyMs, connection)
        // A tumbling window tiles time wherever it starts (a local day does not start at a multiple of 24 h).
        let tile = sizeMs == everyMs ? "" : " AND window_start_ms % \(sizeMs) = 0"
        selection = try connection.prepare(
            """
            SELECT window_start_ms, groups FROM \(source.table)
            WHERE window_start_ms >= ? AND window_start_ms < ? AND closed > 0\(tile)
            """)
        nextTile = try connection.prepare(
            """
            SELECT window_start_ms FROM \(source.table)
            WHERE window_start_ms >= ? AND closed > 0\(tile) ORDER BY window_start_ms LIMIT 1
            """)
    }

    /// The start of the first window at or after `fromMs` that counts for analytics: closed, and one of those that tile time.
    func firstTile(fromMs: EventTime) throws -> EventTime? {
        nextTile.bind(0, fromMs)
        defer { nextTile.reset() }
        return try nextTile.step() ? try nextTile.integer(0, in: .times) : nil
    }

    /// Whether any window, closed or open, starts in `[fromMs, untilMs)`.
    func exist(fromMs: EventTime, untilMs: EventTime) throws -> Bool {
        try connection.value(
            "SELECT 1 FROM \(source.table) WHERE window_start_ms >= ? AND window_start_ms < ? LIMIT 1",
            .integer(fromMs),
            .integer(untilMs)) != nil
    }

    /// Calls `body` with the packed groups of each closed, tiling window that starts in `[fromMs, untilMs)`.
    ///
    /// - Throws: `Problem(.badData)` that names table, window and byte where `body` finds the groups malformed.
    func forEach(
        fromMs: EventTime, untilMs: EventTime, _ body: (UnsafeRawBufferPointer) throws(PackedGroups.Malformed) -> Void
    ) throws {
        selection.bind(0, fromMs)
        selection.bind(1, untilMs)
        defer { selection.reset() }
        while try selection.step() {
            do throws(PackedGroups.Malformed) {
                try selection.withBytes(1, body)
            } catch {
                throw Problem(
                    .badData,
                    "\(source.table), window \(selection.integer(0)): groups byte \(error.offset + 1) is not \(error.expected)",
                    hint: "Run taxi-cli audit to see whether the stored results match their source.")
            }
        }
    }
}
