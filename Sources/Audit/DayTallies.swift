import Stream
import Time

/// What the analytics are made of, by local day: added up from recounted windows, those of them that are closed and tile time.
final class DayTallies {
    /// Sums of cents, in more bits than stored ones have, and how many values went in.
    struct Amount {
        var sum: Int128 = 0
        var count: Int64 = 0

        static func + (a: Self, b: Self) -> Self { Self(sum: a.sum + b.sum, count: a.count + b.count) }
    }

    struct Totals {
        var trips: Int64 = 0
        var fare = Amount()
        var tips = Amount()
        var total = Amount()

        static func + (a: Self, b: Self) -> Self {
            Self(trips: a.trips + b.trips, fare: a.fare + b.fare, tips: a.tips + b.tips, total: a.total + b.total)
        }
    }

    private let zone: ZoneClock
    private(set) var totals: [Int: Totals] = [:]
    /// Trips by fare bucket.
    private(set) var fares: [Int: [Int64: Int64]] = [:]
    private(set) var areas: [Int: [Int64: Int64]] = [:]
    /// By the number of the location's text.
    private(set) var locations: [Int: [Int64: Int64]] = [:]
    private(set) var locationTexts: [Int64: [UInt8]] = [:]
    /// Days of pruned windows that late records may have been missing from, by view.
    private(set) var unknowable: [String: Set<Int>] = [:]
    /// The greatest end of a closed window.
    private(set) var windowsReach: EventTime?

    init(zone: ZoneClock) { self.zone = zone }

    /// Adds what a query holds of the present slice, if analytics reads it.
    func add(_ audit: QueryAudit) {
        switch audit.plan.table {
        case "tripstotal": addTotals(audit)
        case "faredistribution": add(audit, everyMs: 3_600_000, to: &fares)
        case "hotspotcommunitywindow": add(audit, everyMs: 60_000, to: &areas)
        case "hotspotwindow":
            add(audit, everyMs: 60_000, to: &locations)
            for number in 0..<Int64(audit.recount.numbers.count) where locationTexts[number] == nil {
                locationTexts[number] = audit.recount.numbers.withKey(number) { Array($0) }
            }
        default: break
        }
    }

    private func addTotals(_ audit: QueryAudit) {
        let table = audit.recount.table
        for entry in 0..<table.count {
            let words = table.words + entry * table.stride
            func sum(_ word: Int) -> Int128 {
                audit.recount.whole(entry * table.stride + word) ?? Int128(words[word])
            }
            totals[Int(table.groups[entry])] = Totals(
                trips: words[0], fare: Amount(sum: sum(1), count: words[2]),
                tips: Amount(sum: sum(3), count: words[4]), total: Amount(sum: sum(5), count: words[6]))
        }
    }

    private func add(_ audit: QueryAudit, everyMs: Int64, to days: inout [Int: [Int64: Int64]]) {
        let table = audit.recount.table
        var (window, day, isTile) = (EventTime.min, 0, false)
        var today: [Int64: Int64] = [:]
        var todaysDay = Int.min
        for entry in 0..<table.count where !table.marks[entry].contains(.absent) {
            if table.windows[entry] != window {
                window = table.windows[entry]
                let isClosed = audit.isClosed(window)
                if isClosed { windowsReach = max(windowsReach ?? .min, audit.recount.end(ofWindowFrom: window)) }
                isTile = isClosed && floorDivide(window, everyMs) * everyMs == window
                day = zone.localDay(ofMs: window)
            }
            guard isTile else { continue }
            if table.marks[entry].contains(.unknowable) { unknowable[audit.plan.table, default: []].insert(day) }
            if day != todaysDay {
                if !today.isEmpty { days[todaysDay, default: [:]].merge(today, uniquingKeysWith: +) }
                (today, todaysDay) = ([:], day)
            }
            today[table.groups[entry], default: 0] += table.words[entry * table.stride]
        }
        if !today.isEmpty { days[todaysDay, default: [:]].merge(today, uniquingKeysWith: +) }
    }
}
