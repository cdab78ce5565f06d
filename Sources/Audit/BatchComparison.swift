import Batch
import Foundation
import SQLite
import Trips

/// Compares the rows of the four analyses with what the recounted windows give: day by day in plain sums, without rollups.
///
/// A period is compared where its last `batch` ran after the last change of any result; others would differ by right.
struct BatchComparison {
    let connection: Connection
    let zone: ZoneClock
    let days: DayTallies
    let history: RunHistory
    /// Views of the queries that were recounted.
    let audited: Set<String>

    private typealias Row = [SQLValue]

    func run() throws -> [Finding] {
        try Analysis.allCases.compactMap { analysis in
            let views = try connection.value(
                "SELECT count(*) FROM sqlite_schema WHERE type = 'view' AND name = ?", .text(analysis.view))
            guard views?.integer == 1 else { return nil }
            let finding = Finding("batch", analysis.view)
            try compare(analysis, finding)
            return finding
        }
    }

    private func compare(_ analysis: Analysis, _ finding: Finding) throws {
        let missing = try needed(by: analysis).filter { try !audited.contains($0) && isStored($0) }
        if let missing = missing.first {
            return finding.note("not compared: \(missing), which it reads, was not audited")
        }
        var (stale, unknowable) = (0, 0)
        for (period, run) in lastRuns(of: analysis).sorted(by: {
            ($0.key.kind.rawValue, $0.key.ordinal) < ($1.key.kind.rawValue, $1.key.ordinal)
        }) {
            if read(by: analysis).contains(where: {
                days.unknowable[$0]?.contains(where: period.days.contains) ?? false
            }) {
                unknowable += 1
                continue
            }
            switch try freshness(of: period, run, analysis) {
            case .stale: stale += 1
            case .asFarAsNoted: try compare(period, analysis, comparesPartial: false, finding)
            case .fresh: try compare(period, analysis, comparesPartial: true, finding)
            }
        }
        if unknowable > 0 {
            finding.note(
                "\(unknowable) period\(unknowable == 1 ? "" : "s") of windows that were let go of, and that late trips may have been missing from, not compared"
            )
        }
        if stale > 0 {
            finding.note(
                "\(stale) period\(stale == 1 ? " is" : "s are") older than the results, and not compared: run taxi-cli batch"
            )
        }
    }

    /// Views that its figures come from.
    private func read(by analysis: Analysis) -> [String] {
        switch analysis {
        case .fareTrend: ["tripstotal", "faredistribution"]
        case .accumulated: ["tripstotal"]
        case .areaHotspots: ["hotspotcommunitywindow"]
        case .locationHotspots: ["hotspotwindow"]
        }
    }

    private func needed(by analysis: Analysis) -> [String] {
        let own = read(by: analysis)
        // How far the results reach, and so what is partial, comes from all of them.
        return own
            + ["faredistribution", "hotspotcommunitywindow", "hotspotwindow", "tripstotal"].filter { !own.contains($0) }
    }

    private func isStored(_ view: String) throws -> Bool {
        try connection.value("SELECT count(*) FROM sqlite_schema WHERE name = ?", .text("stored_\(view)"))?.integer == 1
    }

    /// The newest successful batch run of each period.
    private func lastRuns(of analysis: Analysis) -> [Period: RunHistory.Run] {
        var runs: [Period: RunHistory.Run] = [:]
        for run in history.runs where run.command == "batch" && run.outcome == "success" {
            guard (run.summary["rows"] as? [String: Any])?[analysis.view] != nil,
                let periods = run.summary["periods"] as? [String: [String]]
            else { continue }
            for period in periods.values.joined() {
                guard let period = try? Period(period), analysis.kinds.contains(period.kind) else { continue }
                runs[period] = run
            }
        }
        return runs
    }

    private enum Freshness {
        /// Nothing has changed since.
        case fresh
        /// None of the days that it is made of has changed; later ones may have, and with them what counts as complete.
        case asFarAsNoted
        case stale
    }

    private func freshness(of period: Period, _ batch: RunHistory.Run, _ analysis: Analysis) throws -> Freshness {
        var isSure = true
        for run in history.runs where run.command == "stream" && run.hasEffects {
            if run.started >= batch.started || (run.ended ?? .min) >= batch.started { return .stale }
            // It runs, or was killed and nobody knows when; the days that it changed are noted then.
            if run.ended == nil { isSure = false }
        }
        if isSure { return .fresh }
        let changed = try connection.rows(
            "SELECT day FROM changed_days UNION SELECT day FROM rolled_days WHERE fresh = 0"
        ) { row throws(SQLiteError) in Int(row.integer(0)) }
        let days: (Int) -> Bool =
            switch analysis {
            case .accumulated: { $0 < period.days.upperBound }
            case .fareTrend:
                { day in [period, period.previous, period.sameAYearBefore].contains { $0.days.contains(day) } }
            case .areaHotspots, .locationHotspots: { period.days.contains($0) }
            }
        return changed.contains(where: days) ? .stale : .asFarAsNoted
    }

    private func compare(
        _ period: Period, _ analysis: Analysis, comparesPartial: Bool, _ finding: Finding
    ) throws {
        let expected = rows(of: period, analysis)
        let order = analysis == .areaHotspots || analysis == .locationHotspots ? " ORDER BY rank" : ""
        let statement = try connection.prepare(
            "SELECT * FROM \(analysis.view) WHERE period_kind = ? AND period = ?\(order)")
        try statement.bind([.text(period.kind.rawValue), .text(period.description)])
        let at = zone.startMs(ofLocalDay: period.days.lowerBound)
        var index = 0
        while try statement.step() {
            // "partial" is the last column of each.
            let columns = 2..<statement.columnCount - (comparesPartial ? 0 : 1)
            finding.cells += Int64(columns.count)
            let name = "\(period)" + (order.isEmpty ? "" : " rank \(index + 1)")
            if index >= expected.count {
                finding.differ(at, "\(name): there should be no such row")
            } else {
                for column in columns where !Self.isSame(statement.value(column), expected[index][column - 2]) {
                    finding.differ(
                        at,
                        "\(name): \(statement.columnName(column)) is \(Self.text(statement.value(column))), should be \(Self.text(expected[index][column - 2]))"
                    )
                }
            }
            index += 1
        }
        for rank in expected.indices.dropFirst(index) {
            finding.differ(at, "\(period)" + (order.isEmpty ? "" : " rank \(rank + 1)") + ": the row is missing")
        }
    }

    private static func isSame(_ found: SQLValue, _ expected: SQLValue) -> Bool {
        guard case .real(let a) = found, case .real(let b) = expected else { return found == expected }
        return abs(a - b) <= 1e-12 * max(abs(a), abs(b))
    }

    private static func text(_ value: SQLValue) -> String {
        switch value {
        case .null: "null"
        case .integer(let value): "\(value)"
        case .real(let value): "\(value)"
        case .text(let text): "\"\(text)\""
        case .blob: "a blob"
        }
    }
}

// MARK: - What the rows should be

extension BatchComparison {
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
        let (sum, count) = (Int128(amount.sum), Int128(amount.count))
        let cents = (2 * sum.magnitude + count.magnitude) / (2 * count.magnitude)
        return .real(Double(sum < 0 ? -Int64(cents) : Int64(cents)) / 100)
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

    /// The end of the newest closed window.
    private var windowsReach: EventTime? { days.windowsReach }
    private var totalsReach: EventTime? { days.totals.keys.max().map { zone.startMs(ofLocalDay: $0) } }

    private func partial(_ period: Period, _ reach: EventTime?) -> SQLValue {
        .integer(reach.map { $0 < zone.startMs(ofLocalDay: period.days.upperBound) } ?? true ? 1 : 0)
    }
}
