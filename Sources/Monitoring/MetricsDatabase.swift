public import Database
import Glibc
import Problems
import SQLite
public import Telemetry

/// A tenant's `metrics.db`: the totals of processes that are gone, and the history of what they did.
///
/// Nothing here is needed for results: where it is lost, counters begin anew.
///
///     totals   a number that is summed up over processes: its name and labels, and its words
///     folded   a process whose numbers are in the totals
///     unclean  how many processes of a command did not end by themselves, and are not counted as restarts yet
///     chunks   samples of a series, 4 bytes each: see History
///     failing  since when a rule of health does not hold
public final class MetricsDatabase {
    let connection: Connection

    /// Opens or creates it.
    ///
    /// - Throws: `Problem` or `SQLiteError` where it cannot be written.
    ///
    /// One that is damaged is put aside, as `metrics.db.damaged`: the history begins anew, instead of ending for good.
    public convenience init(_ home: TenantHome) throws {
        let path = Self.path(home)
        do {
            try self.init(path: path)
        } catch let error as SQLiteError where error.code == .corrupt {
            guard rename(path, "\(path).damaged") == 0 else { throw error }
            for suffix in ["-wal", "-shm"] { unlink("\(path)\(suffix)") }
            try self.init(path: path)
        }
    }

    static func path(_ home: TenantHome) -> String { home.metricsDB }
    private static let version: Int64 = 1

    init(path: String) throws {
        try FolderOwner.give(path)
        connection = try Connection(path: path, durability: .normal)
        try connection.execute("PRAGMA wal_autocheckpoint=200")
        try connection.execute("PRAGMA journal_size_limit=\(1 << 20)")
        guard try connection.value("PRAGMA user_version")?.integer ?? 0 != Self.version else { return }
        try connection.transaction {
            let found = try connection.value("PRAGMA user_version")?.integer ?? 0
            guard found != Self.version else { return }
            guard found == 0 else {
                throw Problem(
                    .configuration, "\"\(path)\" was written by a newer taxi-cli (metrics version \(found))",
                    hint: "Use that one, or remove the file: it holds the history of metrics alone.")
            }
            try connection.execute(
                """
                CREATE TABLE totals (series TEXT PRIMARY KEY, kind TEXT NOT NULL, words BLOB NOT NULL) WITHOUT ROWID;
                CREATE TABLE folded (process TEXT PRIMARY KEY, folded_ms INTEGER NOT NULL) WITHOUT ROWID;
                CREATE TABLE unclean (command TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
                CREATE TABLE chunks (
                    series TEXT NOT NULL, step_s INTEGER NOT NULL, start_s INTEGER NOT NULL, samples BLOB NOT NULL,
                    PRIMARY KEY (series, step_s, start_s)) WITHOUT ROWID;
                CREATE TABLE failing (rule TEXT PRIMARY KEY, since_ms INTEGER NOT NULL) WITHOUT ROWID;
                PRAGMA user_version=\(Self.version);
                """)
        }
    }

    private init(_ connection: Connection) { self.connection = connection }

    /// For a look; nil where there is none yet, or none of this version.
    public static func openIfAny(_ home: TenantHome) -> MetricsDatabase? {
        let path = path(home)
        // Where nothing may be written, how the results are read is said already.
        let access: Connection.Access =
            Connection.Access.granted(to: path) == .readWrite ? .readOnly : .untouched
        guard Files.exists(path), let connection = try? Connection(path: path, access: access),
            (try? connection.value("PRAGMA user_version")?.integer) == version
        else { return nil }
        return MetricsDatabase(connection)
    }
}

// MARK: - Totals

extension MetricsDatabase {
    /// How long it is remembered that a process was folded: a file of its that could not be removed is not counted again.
    private static let rememberedMs: Int64 = 7 * 86_400_000

    /// Adds the numbers of processes that are gone to the totals, each once, and removes their files.
    public func fold(_ files: [LiveFolder.File], nowMs: Int64) throws {
        let dead = files.filter { !$0.isAlive }
        guard !dead.isEmpty else { return }
        try connection.transaction {
            for file in dead {
                let known = try connection.value("SELECT 1 FROM folded WHERE process = ?", .text(file.identity))
                guard known == nil else { continue }
                for series in file.snapshot.series { try add(series) }
                try connection.execute(
                    "INSERT INTO folded VALUES (?, ?)", .text(file.identity), .integer(nowMs))
                guard !file.snapshot.hasEnded else { continue }
                try connection.execute(
                    "INSERT INTO unclean VALUES (?, 1) ON CONFLICT (command) DO UPDATE SET count = count + 1",
                    .text(file.snapshot.command))
            }
            try connection.execute("DELETE FROM folded WHERE folded_ms < ?", .integer(nowMs - Self.rememberedMs))
        }
        // A later process of the same number may have its file there by now.
        for file in dead {
            if let present = try? LiveSnapshot(path: file.path), present.start == file.snapshot.start {
                unlink(file.path)
            }
        }
    }

    /// Adds one to a counter of something that is seldom, such as a request to a model: from any process, without a file of its own.
    public func count(_ metric: Metric, _ labels: [LiveSeries.Label]) throws {
        try connection.transaction { try add(LiveSeries(metric.name, labels, .counter(1))) }
    }

    private func add(_ series: LiveSeries) throws {
        guard let sum = try Self.sum(total(series.key), series.value), let words = Self.words(sum) else { return }
        try connection.execute(
            "INSERT OR REPLACE INTO totals VALUES (?, ?, ?)", .text(series.key), .text(words.kind),
            .blob(words.words.flatMap { word in withUnsafeBytes(of: word.littleEndian, Array.init) }))
    }

    private func total(_ key: String) throws -> LiveSeries.Value? {
        let statement = try connection.prepare("SELECT kind, words FROM totals WHERE series = ?")
        statement.bind(0, key)
        guard try statement.step() else { return nil }
        return try Self.value(statement.storedText(0), statement.blob(1))
    }

    static func sum(_ left: LiveSeries.Value?, _ right: LiveSeries.Value) -> LiveSeries.Value? {
        switch (left, right) {
        case (_, .gauge): nil
        case (nil, let value): value
        case (.counter(let a)?, .counter(let b)): .counter(a &+ b)
        case (.histogram(var a)?, .histogram(let b)): a.merge(b) ? .histogram(a) : .histogram(b)
        case (_, let value): value
        }
    }

    private static func words(_ value: LiveSeries.Value) -> (kind: String, words: [Int64])? {
        switch value {
        case .counter(let count): ("counter", [count])
        case .gauge: nil
        case .histogram(let counts):
            (
                "histogram",
                [Int64(counts.bounds.count)] + counts.bounds.map { Int64(bitPattern: $0.bitPattern) } + counts.counts
                    + [counts.sumNs]
            )
        }
    }

    private static func value(_ kind: String, _ bytes: [UInt8]) -> LiveSeries.Value? {
        guard bytes.count % 8 == 0 else { return nil }
        let words = stride(from: 0, to: bytes.count, by: 8).map { offset in
            bytes.withUnsafeBytes { Int64(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Int64.self)) }
        }
        guard let first = words.first else { return nil }
        if kind == "counter" { return .counter(first) }
        guard first > 0, first <= 1000, words.count == 2 * Int(first) + 3 else { return nil }
        let bounds = words[1...Int(first)].map { Double(bitPattern: UInt64(bitPattern: $0)) }
        return .histogram(
            HistogramCounts(
                bounds: bounds, counts: Array(words[(Int(first) + 1)...(2 * Int(first) + 1)]),
                sumNs: words[2 * Int(first) + 2]))
    }

    /// The totals, and whose numbers are in them.
    func totals() throws -> (series: [String: LiveSeries.Value], folded: Set<String>) {
        try connection.snapshot {
            var series: [String: LiveSeries.Value] = [:]
            let rows = try connection.prepare("SELECT series, kind, words FROM totals")
            while try rows.step() {
                series[try rows.storedText(0)] = try Self.value(rows.storedText(1), rows.blob(2))
            }
            let folded = try connection.rows("SELECT process FROM folded") { row throws(SQLiteError) in
                try row.storedText(0)
            }
            return (series, Set(folded))
        }
    }

    /// How many processes of a command did not end by themselves since this was last asked.
    func takeUnclean(_ command: String) throws -> Int64 {
        try connection.transaction {
            let count = try connection.value("SELECT count FROM unclean WHERE command = ?", .text(command))?.integer
            try connection.execute("DELETE FROM unclean WHERE command = ?", .text(command))
            return count ?? 0
        }
    }
}

// MARK: - Health

extension MetricsDatabase {
    /// Since when the rules have not held that do not hold now, ms UTC; the others are forgotten.
    func since(_ failing: [HealthRule], nowMs: Int64) throws -> [HealthRule: Int64] {
        try connection.transaction {
            let known = try failingSince()
            for rule in known.keys where !failing.contains(rule) {
                try connection.execute("DELETE FROM failing WHERE rule = ?", .text(rule.rawValue))
            }
            for rule in failing where known[rule] == nil {
                try connection.execute("INSERT INTO failing VALUES (?, ?)", .text(rule.rawValue), .integer(nowMs))
            }
            return Dictionary(uniqueKeysWithValues: failing.map { ($0, known[$0] ?? nowMs) })
        }
    }

    func failingSince() throws -> [HealthRule: Int64] {
        let rows = try connection.rows("SELECT rule, since_ms FROM failing") { row throws(SQLiteError) in
            (rule: try row.storedText(0), since: try row.integer(1, in: .times))
        }
        return Dictionary(
            rows.compactMap { row in HealthRule(rawValue: row.rule).map { ($0, row.since) } },
            uniquingKeysWith: { first, _ in first })
    }
}
