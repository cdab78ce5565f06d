import Problems
import SQLite
import Time

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

    /// The local days of `range` with a window that counts, ascending. Gaps cost one look, however long they are.
    ///
    /// A window that only overlaps with the next day's (a sliding one that begins before midnight) makes no day.
    func days(in range: Range<Int>) throws -> Set<Int> {
        let range = range.clamped(to: Period.supportedDays)
        var days: Set<Int> = []
        for window in windows {
            var next = range.lowerBound
            while next < range.upperBound, let startMs = try window.firstTile(fromMs: zone.startMs(ofLocalDay: next)) {
                let day = zone.localDay(ofMs: startMs)
                guard day < range.upperBound else { break }
                days.insert(day)
                next = day + 1
            }
        }
        return days
    }

    /// Brings the rollups of `ranges` up to date; returns how many days had to be read.
    ///
    /// - Parameter progress: called after each transaction with days done and days due.
    func refresh(_ ranges: [Range<Int>], progress: (Int, Int) -> Void) throws -> Int {
        let (due, empty) = try dueDays(in: ranges)
        // A window that closes there later is found: the day was never rolled up.
        try forgetNotes(of: empty)
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

    /// The days that have to be read, and those with a note and nothing to read: where a sliding window began before midnight.
    private func dueDays(in ranges: [Range<Int>]) throws -> (due: [Int], empty: [Int]) {
        var due: Set<Int> = []
        var empty: Set<Int> = []
        for range in ranges {
            let bounds: (SQLValue, SQLValue) = (.integer(Int64(range.lowerBound)), .integer(Int64(range.upperBound)))
            func days(_ sql: String) throws -> [Int] {
                try connection.rows(sql, bounds.0, bounds.1) { row throws(SQLiteError) in
                    Int(try row.integer(0, in: .days))
                }
            }
            let rolled = Set(try days("SELECT day FROM rolled_days WHERE day >= ? AND day < ?"))
            due.formUnion(try days("SELECT day FROM rolled_days WHERE day >= ? AND day < ? AND fresh = 0"))
            var next = range.lowerBound
            for day in rolled.sorted() + [range.upperBound] {
                due.formUnion(try self.days(in: next..<day))
                next = day + 1
            }
            guard try hasChangedDays else { continue }
            for day in try days("SELECT day FROM changed_days WHERE day >= ? AND day < ?") where !due.contains(day) {
                if rolled.contains(day) { due.insert(day) } else { empty.insert(day) }
            }
        }
        return (due.sorted(), empty.sorted())
    }

    /// Lets go of notes about the day before each range, where that day has nothing to roll up: no period will ever ask for it.
    func forgetEmptyNotes(before ranges: [Range<Int>]) throws {
        guard try hasChangedDays else { return }
        try forgetNotes(
            of: ranges.map { $0.lowerBound - 1 }.filter { day in
                try isNoted(day) && !isRolled(day) && days(in: day..<day + 1).isEmpty
            })
    }

    private func forgetNotes(of days: [Int]) throws {
        guard !days.isEmpty else { return }
        try connection.transaction {
            let forget = try connection.prepare("DELETE FROM changed_days WHERE day = ?")
            for day in days { try forget.run(Int64(day)) }
        }
    }

    private func isRolled(_ day: Int) throws -> Bool {
        try connection.value("SELECT 1 FROM rolled_days WHERE day = ?", .integer(Int64(day))) != nil
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
            let cleared = try StoredWindows.Source.allCases.map {
                ($0, try connection.prepare("DELETE FROM \($0.rollup) WHERE day = ?"))
            }
            let fresh = try connection.prepare("UPDATE rolled_days SET fresh = 1 WHERE day = ?")
            for rollup in rollups {
                try fresh.run(Int64(rollup.day))
                for (source, statement) in cleared where !rollup.pruned.contains(source) {
                    try statement.run(Int64(rollup.day))
                }
                for (bucket, words) in rollup.fares.groups {
                    try fare.run(Int64(rollup.day), bucket, words.trips, words.sum, words.n)
                }
                for (id, pickups) in rollup.areas.groups { try area.run(Int64(rollup.day), id, pickups) }
                for (id, pickups) in rollup.locations.groups { try location.run(Int64(rollup.day), id, pickups) }
            }
        }
    }
}
