import Problems
import SQLite
import Trips

/// Keeps `day_fare`, `day_area` and `day_location` equal to the stored windows, reading only days that changed.
///
/// A day is due when the stream noted it in `changed_days`, when it was never rolled up, or when a run died over it.
/// The note is taken (`rolled_days.fresh = 0`) in a transaction of its own *before* the day is read: what the stream changes
/// while we read leaves a new note, so that no change is lost although the reading holds no lock.
struct DayRollups {
    let connection: Connection
    let zone: ZoneClock
    private let windows: [StoredWindows]
    /// Days read between two write transactions: bounds memory and how long a stream may have to wait.
    private static let daysATransaction = 32

    init(on connection: Connection, windows: [StoredWindows], zone: ZoneClock) {
        (self.connection, self.windows, self.zone) = (connection, windows, zone)
    }

    /// From the first local day with a stored window or a rollup to the last.
    func span() throws -> ClosedRange<Int>? {
        var days = try storedSpan()
        func bound(_ function: String) throws -> Int? {
            try connection.integer("SELECT \(function)(day) AS day FROM rolled_days", in: .days).map {
                clamped(Int($0))
            }
        }
        if let first = try bound("min"), let last = try bound("max"), case let range = first...last {
            days = min(days?.lowerBound ?? .max, range.lowerBound)...max(days?.upperBound ?? .min, range.upperBound)
        }
        return days
    }

    /// From the first local day with a stored window to the last.
    func storedSpan() throws -> ClosedRange<Int>? {
        var days: ClosedRange<Int>?
        for window in windows {
            guard let (firstMs, lastMs) = try window.span() else { continue }
            let (first, last) = (clamped(zone.localDay(ofMs: firstMs)), clamped(zone.localDay(ofMs: lastMs)))
            days = min(first, days?.lowerBound ?? first)...max(last, days?.upperBound ?? last)
        }
        return days
    }

    private func clamped(_ day: Int) -> Int {
        min(max(day, Period.supportedDays.lowerBound), Period.supportedDays.upperBound - 1)
    }

    /// Brings the rollups of `ranges` up to date; returns how many days had to be read.
    ///
    /// - Parameter progress: called after each transaction with days done and days due.
    func refresh(_ ranges: [Range<Int>], progress: (Int, Int) -> Void) throws -> Int {
        let due = try dueDays(in: ranges)
        guard !due.isEmpty else { return 0 }
        try claim(due)
        let prunedBefore = try Self.prunedBefore(on: connection)
        var locations = try LocationIDs(on: connection)
        var done = 0
        while done < due.count {
            let chunk = due[done..<min(done + Self.daysATransaction, due.count)]
            let rollups = try connection.snapshot {
                try locations.readKeys(on: connection)
                return try chunk.map { try read($0, locations, prunedBefore) }
            }
            try write(rollups, &locations)
            done += chunk.count
            progress(done, due.count)
        }
        return due.count
    }

    var hasChangedDays: Bool { get throws { try BatchSchema.exists("changed_days", on: connection) } }

    private func dueDays(in ranges: [Range<Int>]) throws -> [Int] {
        let stored = try storedSpan()
        var due: Set<Int> = []
        for range in ranges {
            let bounds: (SQLValue, SQLValue) = (.integer(Int64(range.lowerBound)), .integer(Int64(range.upperBound)))
            func days(_ sql: String) throws -> [Int] {
                try connection.rows(sql, bounds.0, bounds.1) { row throws(SQLiteError) in
                    Int(try row.integer(0, in: .days))
                }
            }
            if try hasChangedDays { due.formUnion(try days("SELECT day FROM changed_days WHERE day >= ? AND day < ?")) }
            due.formUnion(try days("SELECT day FROM rolled_days WHERE day >= ? AND day < ? AND fresh = 0"))
            if let stored {
                let rolled = Set(try days("SELECT day FROM rolled_days WHERE day >= ? AND day < ?"))
                due.formUnion(range.clamped(to: Range(stored)).filter { !rolled.contains($0) })
            }
        }
        return due.sorted()
    }

    private func claim(_ days: [Int]) throws {
        let hasChangedDays = try hasChangedDays
        try connection.transaction {
            try MonthSums.forget(monthsOf: days, on: connection)
            let stale = try connection.prepare("INSERT OR REPLACE INTO rolled_days(day, fresh) VALUES (?, 0)")
            let note = hasChangedDays ? try connection.prepare("DELETE FROM changed_days WHERE day = ?") : nil
            for day in days {
                for statement in [stale, note].compactMap({ $0 }) {
                    statement.bind(0, Int64(day))
                    try statement.run()
                }
            }
        }
    }

    /// Adds up one day's windows.
    private func read(_ day: Int, _ ids: LocationIDs, _ prunedBefore: [String: Int]) throws -> DayRollup {
        var rollup = DayRollup(day: day)
        let (fromMs, untilMs) = (zone.startMs(ofLocalDay: day), zone.startMs(ofLocalDay: day + 1))
        for window in windows {
            if day < prunedBefore[window.source.rawValue] ?? .min, try !window.exist(fromMs: fromMs, untilMs: untilMs) {
                rollup.pruned.insert(window.source)
                continue
            }
            switch window.source {
            case .fares:
                try window.forEach(fromMs: fromMs, untilMs: untilMs) { bytes throws(PackedGroups.Malformed) in
                    try PackedGroups.forEachTriple(in: bytes) { bucket, words in
                        rollup.fares.add(FareWords(trips: words.0, sum: words.1, n: words.2), to: bucket)
                    }
                }
            case .areas:
                try window.forEach(fromMs: fromMs, untilMs: untilMs) { bytes throws(PackedGroups.Malformed) in
                    try PackedGroups.forEach(in: bytes) { rollup.areas.add($1, to: $0) }
                }
            case .locations:
                try window.forEach(fromMs: fromMs, untilMs: untilMs) { bytes throws(PackedGroups.Malformed) in
                    try PackedGroups.forEach(in: bytes) { key, pickups in
                        if let id = ids.id(ofKey: key) {
                            rollup.locations.add(pickups, to: id)
                        } else {
                            rollup.unknownLocation = key
                        }
                    }
                }
            }
        }
        try rollup.validate()
        return rollup
    }

    private func write(_ rollups: [DayRollup], _ locations: inout LocationIDs) throws {
        try connection.transaction {
            try locations.store(on: connection)
            let fare = try connection.prepare(
                "INSERT INTO day_fare(day, bucket, trips, fare_sum, fare_n) VALUES (?, ?, ?, ?, ?)")
            let area = try connection.prepare("INSERT INTO day_area(day, area, pickups) VALUES (?, ?, ?)")
            let location = try connection.prepare("INSERT INTO day_location(day, location, pickups) VALUES (?, ?, ?)")
            let tables: [(StoredWindows.Source, String)] = [
                (.fares, "day_fare"), (.areas, "day_area"), (.locations, "day_location"),
            ]
            let cleared = try tables.map { ($0, try connection.prepare("DELETE FROM \($1) WHERE day = ?")) }
            let fresh = try connection.prepare("UPDATE rolled_days SET fresh = 1 WHERE day = ?")
            for rollup in rollups {
                try fresh.run(Int64(rollup.day))
                for (source, statement) in cleared where !rollup.pruned.contains(source) {
                    try statement.run(Int64(rollup.day))
                }
                try rollup.fares.forEach { bucket, words in
                    try fare.run(Int64(rollup.day), bucket, words.trips, words.sum, words.n)
                }
                try rollup.areas.forEach { id, pickups in try area.run(Int64(rollup.day), id, pickups) }
                try rollup.locations.forEach { id, pickups in try location.run(Int64(rollup.day), id, pickups) }
            }
        }
    }
}
