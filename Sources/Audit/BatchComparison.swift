import Batch
import Database
import Foundation
import SQLite
import Stream
import Time
import Trips

/// Compares the rows of analyses with what the recounted windows give: those of the four day by day in plain sums, without rollups, those of
/// declared ones by running their statements over the recount.
///
/// A period is compared where its last `batch` ran after the last change of any result; others would differ by right.
struct BatchComparison {
    let connection: Connection
    let zone: ZoneClock
    let days: DayTallies
    let history: RunHistory
    /// The queries that were recounted.
    let audits: [QueryAudit]
    let recomputed: RecomputedDatabase

    typealias Row = [SQLValue]

    func run() throws -> [Finding] {
        try recomputed.fillAnalyses { view in
            // What a statement of one's own reads of them has to be there whole.
            let runs = lastRuns(of: view)
            guard try runs.allSatisfy({ try verdict($0.key, $0.value, view) == .fresh }) else { return nil }
            let order = runs.keys.sorted { ($0.kind.rawValue, $0.description) < ($1.kind.rawValue, $1.description) }
            return order.flatMap { period in
                (try? rows(of: period, view))?.map { [.text(period.kind.rawValue), .text(period.description)] + $0 }
                    ?? []
            }
        }
        return try views().map { view in
            let finding = Finding("batch", view.name)
            do {
                try compare(view, finding)
            } catch let error as SQLiteError where error.code == .statement {
                finding.differ("cannot be read: \(error.message)")
            }
            return finding
        }
    }

    /// All views of analyses that there are.
    func views() throws -> [PeriodView] {
        try (Analysis.allCases.map { PeriodView($0) } + [.coverage] + recomputed.declared.map { PeriodView($0) }).filter
        { view in
            try connection.value(
                "SELECT 1 FROM sqlite_schema WHERE name = ? OR name = ?", .text(view.name), .text("batch_\(view.name)"))
                != nil
        }
    }

    private func compare(_ view: PeriodView, _ finding: Finding) throws {
        let statement = try connection.prepare("SELECT * FROM \"\(view.name)\"")
        let columns = (0..<statement.columnCount).map(statement.columnName)
        guard columns == ["period_kind", "period"] + view.columns else {
            return finding.differ(
                "has the columns \(columns.joined(separator: ", ")), should have period_kind, period, \(view.columns.joined(separator: ", "))"
            )
        }
        if let reason = try reasonNotToCompare(view) {
            return finding.leaveOut(try count(view), reason)
        }
        let runs = lastRuns(of: view)
        var seen: Set<Period> = []
        var left = LeftPeriods()
        var (key, rows): (Row, [Row]) = ([], [])
        func take() throws {
            guard !key.isEmpty else { return }
            guard let period = Self.period(key, view) else {
                return finding.differ("\(key.map(CellText.of).joined(separator: " ")): is no period that there is")
            }
            guard seen.insert(period).inserted else {
                return finding.differ(start(of: period), "\(period): comes again after other periods")
            }
            guard let run = runs[period] ?? unfinishedRun else {
                return finding.differ(start(of: period), "\(period): no batch run has computed it")
            }
            try judge(period, run, view, rows, finding, &left)
        }
        while try statement.step() {
            let next = [statement.value(0), statement.value(1)]
            if next != key {
                try take()
                (key, rows) = (next, [])
            }
            rows.append((2..<statement.columnCount).map(statement.value))
        }
        try take()
        for (period, run) in runs where !seen.contains(period) { try judge(period, run, view, [], finding, &left) }
        left.note(in: finding)
    }

    func start(of period: Period) -> EventTime { zone.startMs(ofLocalDay: period.days.lowerBound) }

    static func period(_ key: Row, _ view: PeriodView) -> Period? {
        guard let period = try? key[1].text.map({ try Period($0) }), period.description == key[1].text,
            period.kind.rawValue == key[0].text, view.kinds.contains(period.kind)
        else { return nil }
        return period
    }

    /// Periods whose rows cannot be judged.
    struct LeftPeriods {
        var stale = (periods: 0, rows: 0)
        var unknowable = (periods: 0, rows: 0)

        func note(in finding: Finding) {
            if unknowable.periods > 0 {
                let reason = "of windows that were let go of, and that late trips may have been missing from"
                let remark =
                    "\(unknowable.periods) period\(unknowable.periods == 1 ? "" : "s") \(reason), not compared"
                finding.leaveOut(Int64(unknowable.rows), reason, remark: remark)
            }
            if stale.periods > 0 {
                finding.leaveOut(
                    Int64(stale.rows), "older than the results: run taxi-cli batch",
                    remark:
                        "\(stale.periods) period\(stale.periods == 1 ? " is" : "s are") older than the results, and not compared: run taxi-cli batch"
                )
            }
        }
    }

    private func judge(
        _ period: Period, _ run: RunHistory.Run, _ view: PeriodView, _ found: [Row], _ finding: Finding,
        _ left: inout LeftPeriods
    ) throws {
        switch try verdict(period, run, view) {
        // Of a period without rows there is nothing that could have been compared.
        case .unknowable where found.isEmpty, .stale where found.isEmpty: break
        case .unknowable:
            left.unknowable.periods += 1
            left.unknowable.rows += found.count
        case .stale:
            left.stale.periods += 1
            left.stale.rows += found.count
        case .asFarAsNoted: try compare(period, view, found, comparesPartial: false, finding)
        case .fresh: try compare(period, view, found, comparesPartial: true, finding)
        }
    }

    private func count(_ view: PeriodView) throws -> Int64 {
        try connection.value("SELECT count(*) FROM \"\(view.name)\"")?.integer ?? 0
    }

    /// What keeps all of a view from being compared; nil for nothing.
    func reasonNotToCompare(_ view: PeriodView) throws -> String? {
        let audited = Set(audits.map(\.plan.table))
        // How far the results reach, and so what is partial, comes from all of them.
        let needed = view.reads + ["faredistribution", "hotspotcommunitywindow", "hotspotwindow", "tripstotal"]
        if let missing = try needed.first(where: { try !audited.contains($0) && isStored($0) }) {
            return "\(missing), which it reads, was not audited"
        }
        return recomputed.reasons[view.name]
    }

    private func isStored(_ view: String) throws -> Bool {
        try connection.value("SELECT count(*) FROM sqlite_schema WHERE name = ?", .text("stored_\(view)"))?.integer == 1
    }

    /// The newest successful batch run of each period.
    ///
    /// - Parameter last: the last run that counts; nil for all.
    func lastRuns(of view: PeriodView, until last: String? = nil) -> [Period: RunHistory.Run] {
        var runs: [Period: RunHistory.Run] = [:]
        for run in history.runs where run.command == "batch" && run.outcome == "success" {
            if let last, run.id > last { break }
            guard (run.summary["rows"] as? [String: Any])?[view.name] != nil,
                let periods = run.summary["periods"] as? [String: [String]]
            else { continue }
            for period in periods.values.joined() {
                guard let period = try? Period(period), view.kinds.contains(period.kind) else { continue }
                runs[period] = run
            }
        }
        return runs
    }

    /// The first batch run that did not come to its end: it may have computed any period, and says of none that it has.
    var unfinishedRun: RunHistory.Run? {
        history.runs.first { $0.command == "batch" && $0.outcome != "success" }
    }

    enum Verdict {
        /// Nothing has changed since.
        case fresh
        /// None of the days that it is made of has changed; later ones may have, and with them what counts as complete.
        case asFarAsNoted
        case stale
        /// Made of windows that are gone, and of which nobody knows what they were.
        case unknowable
    }

    func verdict(_ period: Period, _ batch: RunHistory.Run, _ view: PeriodView) throws -> Verdict {
        if view.reads.contains(where: { days.unknowable[$0]?.contains(where: period.days.contains) ?? false }) {
            return .unknowable
        }
        let reads = Set(view.reads + ["faredistribution", "hotspotcommunitywindow", "hotspotwindow", "tripstotal"])
        let queries = Set(audits.filter { reads.contains($0.plan.table) }.map(\.plan.name))
        var isSure = true
        if history.runs.contains(where: { $0.command == "rewind" && $0.started >= batch.started }) { return .stale }
        for run in history.runs where ["stream", "restate"].contains(run.command) && run.changed(queries) {
            if run.started >= batch.started || (run.ended ?? .min) >= batch.started { return .stale }
            // It runs, or was killed and nobody knows when; the days that it changed are noted then.
            if run.ended == nil { isSure = false }
        }
        if isSure { return .fresh }
        let changed = try connection.rows(
            "SELECT day FROM changed_days UNION SELECT day FROM rolled_days WHERE fresh = 0"
        ) { row throws(SQLiteError) in Int(row.integer(0)) }
        let matters: (Int) -> Bool =
            switch view.analysis {
            case .accumulated: { $0 < period.days.upperBound }
            case .fareTrend:
                { day in [period, period.previous, period.sameAYearBefore].contains { $0.days.contains(day) } }
            case .areaHotspots, .locationHotspots: { period.days.contains($0) }
            case nil where view.name == Coverage.view: { period.days.contains($0) }
            // It may read any day, and of queries whose changes are noted nowhere.
            case nil: { _ in true }
            }
        if view.name == Coverage.view { return changed.contains(where: matters) ? .stale : .fresh }
        return view.analysis == nil || changed.contains(where: matters) ? .stale : .asFarAsNoted
    }

    private func compare(
        _ period: Period, _ view: PeriodView, _ found: [Row], comparesPartial: Bool, _ finding: Finding
    ) throws {
        let expected = try rows(of: period, view)
        let at = start(of: period)
        // "partial" is the last column of each.
        let count = view.columns.count - (comparesPartial ? 0 : 1)
        func name(_ index: Int) -> String { "\(period)" + (view.place.map { " \($0) \(index + 1)" } ?? "") }
        for (index, row) in found.enumerated() {
            finding.cells += Int64(count)
            guard index < expected.count else {
                finding.differ(at, "\(name(index)): there should be no such row")
                continue
            }
            for column in 0..<count where !Self.isSame(row[column], expected[index][column]) {
                finding.differ(
                    at,
                    "\(name(index)): \(view.columns[column]) is \(CellText.of(row[column])), should be \(CellText.of(expected[index][column]))"
                )
            }
        }
        for index in expected.indices.dropFirst(found.count) {
            finding.differ(at, "\(name(index)): the row is missing")
        }
    }

    /// Amounts are the doubles nearest to them on both sides, quotients the same division: nothing has a tolerance.
    private static func isSame(_ found: SQLValue, _ expected: SQLValue) -> Bool { found == expected }
}

// MARK: - What the rows should be

extension BatchComparison {
    /// The rows that a view should have of a period, in their order.
    func rows(of period: Period, _ view: PeriodView) throws -> [Row] {
        if let analysis = view.analysis { return rows(of: period, analysis) }
        if view.name == Coverage.view { return try coverage(period) }
        let partial = partial(period, [windowsReach, totalsReach].compactMap { $0 }.max())
        return try recomputed.rows(of: view.name, period).map { $0 + [partial] }
    }

    private func rows(of period: Period, _ analysis: Analysis) -> [Row] {
        switch analysis {
        case .fareTrend: fareTrend(period)
        case .accumulated: accumulated(period)
        case .areaHotspots:
            hotspots(period, days.areas, isBefore: <, name: { [.integer($0), .text(CommunityArea.name(of: Int($0)))] })
        case .locationHotspots:
            hotspots(
                period, days.locations,
                isBefore: { (days.locationTexts[$0] ?? []).lexicographicallyPrecedes(days.locationTexts[$1] ?? []) },
                name: { [.text(String(decoding: days.locationTexts[$0] ?? [], as: UTF8.self))] })
        }
    }

    private func totals(where isIn: (Int) -> Bool) -> DayTallies.Totals {
        days.totals.reduce(DayTallies.Totals()) { isIn($1.key) ? $0 + $1.value : $0 }
    }

    private static func dollars(_ amount: DayTallies.Amount) -> SQLValue {
        amount.count == 0 ? nil : .real(Double(amount.sum) / 100)
    }

    /// Half a cent away from zero.
    private static func mean(_ amount: DayTallies.Amount) -> SQLValue {
        guard amount.count > 0 else { return nil }
        let (sum, count) = (amount.sum, Int128(amount.count))
        let cents = (2 * sum.magnitude + count.magnitude) / (2 * count.magnitude)
        return .real(Double(sum < 0 ? -Int128(cents) : Int128(cents)) / 100)
    }

    private func fareTrend(_ period: Period) -> [Row] {
        let own = totals(where: period.days.contains)
        guard own.trips > 0 else { return [] }
        var buckets: [Int64: Int64] = [:]
        for day in period.days { buckets.merge(days.fares[day] ?? [:], uniquingKeysWith: +) }
        let count = buckets.values.reduce(0, +)
        let percentiles = [10, 25, 50, 75, 90, 99].map { (percent: Int64) -> SQLValue in
            // Nearest rank: the bucket of the ceil(percent / 100 · n)th trip.
            let rank = (percent * count + 99) / 100
            var seen: Int64 = 0
            for (bucket, trips) in buckets.sorted(by: { $0.key < $1.key }) {
                seen += trips
                if seen >= rank { return .real(FareBucket.middle(of: bucket).rounded() / 100) }
            }
            return nil
        }
        let changes = [period.previous, period.sameAYearBefore].map { (base: Period) -> SQLValue in
            let before = totals(where: base.days.contains).fare.sum
            guard before > 0, own.fare.count > 0 else { return nil }
            return .real(Double(own.fare.sum - before) / Double(before))
        }
        let amounts = [own.fare, own.tips, own.total].flatMap { [Self.dollars($0), Self.mean($0)] }
        return [
            [.integer(own.trips)] + amounts + percentiles + changes + [partial(period, windowsReach ?? totalsReach)]
        ]
    }

    private func accumulated(_ period: Period) -> [Row] {
        let own = totals(where: period.days.contains)
        guard own.trips > 0 else { return [] }
        let end = period.days.upperBound
        let year = Period(kind: .year, ordinal: period.year).days.lowerBound
        let sums = [own, totals { $0 >= year && $0 < end }, totals { $0 < end }].flatMap { totals in
            [.integer(totals.trips)] + [totals.fare, totals.tips, totals.total].map(Self.dollars)
        }
        let reach = [windowsReach, totalsReach].compactMap { $0 }.max()
        return [sums + [Self.mean(own.tips), Self.mean(own.total), partial(period, reach)]]
    }

    private func hotspots(
        _ period: Period, _ places: [Int: [Int64: Int64]], isBefore: (Int64, Int64) -> Bool, name: (Int64) -> Row
    ) -> [Row] {
        func ranked(_ pickups: [Int64: Int64]) -> [(place: Int64, pickups: Int64)] {
            pickups.map { ($0.key, $0.value) }.sorted { $0.1 != $1.1 ? $0.1 > $1.1 : isBefore($0.0, $1.0) }
        }
        var pickups: [Int64: Int64] = [:]
        var topDays: [Int64: Int64] = [:]
        var dayCount: Int64 = 0
        for day in period.days {
            guard let today = places[day], !today.isEmpty else { continue }
            dayCount += 1
            pickups.merge(today, uniquingKeysWith: +)
            for top in ranked(today).prefix(10) { topDays[top.place, default: 0] += 1 }
        }
        let total = pickups.values.reduce(0, +)
        return ranked(pickups).enumerated().map { index, row in
            let top = topDays[row.place] ?? 0
            return [.integer(Int64(index) + 1)] + name(row.place) + [
                .integer(row.pickups), .real(Double(row.pickups) / Double(total)), .integer(top), .integer(dayCount),
                .integer(4 * top >= 3 * dayCount ? 1 : 0), partial(period, windowsReach ?? totalsReach),
            ]
        }
    }

    private func coverage(_ period: Period) throws -> [Row] {
        let sources: [(String, (Int) -> Bool)] = [
            ("faredistribution", { days.fares[$0]?.isEmpty == false }),
            ("hotspotcommunitywindow", { days.areas[$0]?.isEmpty == false }),
            ("hotspotwindow", { days.locations[$0]?.isEmpty == false }),
            (Coverage.allTrips, { days.totals[$0] != nil }),
        ]
        return try sources.filter { try isStored($0.0) }.map { name, hasTrips in
            let count = period.days.filter(hasTrips).count
            return [
                .text(name), .integer(Int64(period.days.count)), .integer(Int64(count)),
                .real(Double(count) / Double(period.days.count)),
            ]
        }
    }

    /// The end of the newest closed window.
    private var windowsReach: EventTime? { days.windowsReach }
    private var totalsReach: EventTime? { days.totals.keys.max().map { zone.startMs(ofLocalDay: $0) } }

    private func partial(_ period: Period, _ reach: EventTime?) -> SQLValue {
        .integer(reach.map { $0 < zone.startMs(ofLocalDay: period.days.upperBound) } ?? true ? 1 : 0)
    }
}
