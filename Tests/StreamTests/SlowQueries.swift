import Foundation
import Synchronization
import Time
import Trips

/// One value of a result: what a view or a message shows.
enum SlowValue: Hashable, Sendable, CustomStringConvertible {
    case null
    case number(Double)
    case text(String)
    /// A quantile: within 0.5 %, and half a cent of rounding.
    case about(Double)

    var description: String {
        switch self {
        case .null: "null"
        case .number(let value): "\(value)"
        case .text(let text): text
        case .about(let value): "about \(value)"
        }
    }

    func agrees(with other: SlowValue) -> Bool {
        switch (self, other) {
        case (.about(let exact), .number(let value)), (.number(let value), .about(let exact)):
            abs(value - exact) <= abs(exact) * 0.005 + 0.00501
        default: self == other
        }
    }
}

/// A query as anybody would write it: keeps the trips of each group of each window in an array, and looks at them at the end.
struct SlowQuery: Sendable {
    typealias Window = (start: EventTime, end: EventTime)
    var view: String
    /// Windows that contain a time; nil for a query without windows.
    var windows: (@Sendable (EventTime) -> [Window])?
    var passes: @Sendable (SimpleTrip) -> Bool = { _ in true }
    /// Names of the group's columns in the view, and the group of a trip; nil for none.
    var groupNames: [String] = []
    var group: @Sendable (SimpleTrip) -> [SlowValue]? = { _ in [] }
    var columns: [(name: String, value: @Sendable ([SimpleTrip]) -> SlowValue)]

    struct Outcome {
        /// Cells by column, of each group of each window.
        var rows: [[String: SlowValue]] = []
        var aggregated = 0
        var late: [SimpleTrip] = []
        var skipped = 0
        var filtered = 0
    }

    private struct Key: Hashable {
        var start: EventTime
        var end: EventTime
        var group: [String]
    }

    /// The answer for trips that come in this order in one partition.
    ///
    /// - Parameter delay: of the watermark; nil where nothing is late.
    func run(_ arrivals: [SimpleTrip], delay: Int64?) -> Outcome {
        var outcome = Outcome()
        var kept: [Key: (group: [SlowValue], trips: [SimpleTrip])] = [:]
        var newest: EventTime?
        for trip in arrivals {
            let watermark = delay.flatMap { delay in newest.map { $0 - delay } } ?? .min
            newest = max(newest ?? .min, trip.time)
            guard passes(trip) else {
                outcome.filtered += 1
                continue
            }
            guard let group = group(trip) else {
                outcome.skipped += 1
                continue
            }
            let open = (windows?(trip.time) ?? [(0, .max)]).filter { $0.end > watermark }
            if open.isEmpty { outcome.late.append(trip) } else { outcome.aggregated += 1 }
            for window in open {
                let key = Key(start: window.start, end: window.end, group: group.map(\.description))
                kept[key, default: (group, [])].trips.append(trip)
            }
        }
        outcome.rows = kept.map { key, value in
            var row: [String: SlowValue] = [:]
            if windows != nil {
                row["window_start"] = .text(ChicagoTime.iso(key.start))
                row["window_end"] = .text(ChicagoTime.iso(key.end))
            }
            for (name, part) in zip(groupNames, value.group) { row[name] = part }
            for column in columns { row[column.name] = column.value(value.trips) }
            return row
        }
        return outcome
    }
}

/// Chicago's wall clock by Foundation's calendar, which the engine does not use.
enum ChicagoTime {
    /// What is the same throughout a quarter of an hour: the calendar is slow.
    private struct Quarter {
        var day: String
        var hour: Double
        var hourOfWeek: Double
        var offsetMs: Int64
        var dayWindow: SlowQuery.Window
    }
    private static let quarters = Mutex<[Int64: Quarter]>([:])

    private static func quarter(_ ms: EventTime) -> Quarter {
        quarters.withLock { quarters in
            if let known = quarters[ms / 900_000] { return known }
            var calendar = Foundation.Calendar(identifier: .gregorian)
            calendar.timeZone = TimeZone(identifier: "America/Chicago")!
            let date = Date(timeIntervalSince1970: Double(ms / 900_000 * 900))
            let parts = calendar.dateComponents([.year, .month, .day, .hour, .weekday], from: date)
            let start = calendar.startOfDay(for: date)
            let end = calendar.date(byAdding: .day, value: 1, to: start)!
            let quarter = Quarter(
                day: String(format: "%04d-%02d-%02d", parts.year!, parts.month!, parts.day!),
                hour: Double(parts.hour!), hourOfWeek: Double((parts.weekday! + 5) % 7 * 24 + parts.hour!),
                offsetMs: Int64(calendar.timeZone.secondsFromGMT(for: date)) * 1000,
                dayWindow: (EventTime(start.timeIntervalSince1970) * 1000, EventTime(end.timeIntervalSince1970) * 1000))
            quarters[ms / 900_000] = quarter
            return quarter
        }
    }

    static func iso(_ ms: EventTime) -> String {
        let quarter = quarter(ms)
        let inDay = Int((ms + quarter.offsetMs) % 86_400_000)
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let time = [inDay / 3_600_000, inDay / 60_000 % 60, inDay / 1000 % 60].map(two).joined(separator: ":")
        let offset = Int(quarter.offsetMs / 60_000).magnitude
        let sign = quarter.offsetMs < 0 ? "-" : "+"
        return
            "\(quarter.day)T\(time).\(String(1000 + inDay % 1000).dropFirst())\(sign)\(two(Int(offset / 60))):\(two(Int(offset % 60)))"
    }

    static func day(_ ms: EventTime) -> String { quarter(ms).day }
    static func hour(_ ms: EventTime) -> Double { quarter(ms).hour }
    /// Monday 00h is 0.
    static func hourOfWeek(_ ms: EventTime) -> Double { quarter(ms).hourOfWeek }
    /// The local day that contains a time, as a window.
    static func dayWindow(_ ms: EventTime) -> SlowQuery.Window { quarter(ms).dayWindow }
}

/// Aggregates over arrays, with integers of `unit` parts: 100 for cents, 1,000,000 for millionths.
enum Slow {
    static func windows(_ size: Int64, every: Int64? = nil) -> @Sendable (EventTime) -> [SlowQuery.Window] {
        let every = every ?? size
        return { time in
            let last = Int64((Double(time) / Double(every)).rounded(.down)) * every
            return stride(from: last, to: time - size, by: -Int(every)).map { ($0, $0 + size) }
        }
    }

    static let count: @Sendable ([SimpleTrip]) -> SlowValue = { .number(Double($0.count)) }

    private static func known(_ trips: [SimpleTrip], _ value: (SimpleTrip) -> Int64?) -> [Int64] {
        trips.compactMap(value)
    }
    static func counted(_ value: @escaping @Sendable (SimpleTrip) -> Int64?) -> @Sendable ([SimpleTrip]) -> SlowValue {
        { .number(Double(known($0, value).count)) }
    }
    static func sum(
        _ value: @escaping @Sendable (SimpleTrip) -> Int64?, unit: Double = 100
    ) -> @Sendable ([SimpleTrip]) -> SlowValue {
        { trips in
            let values = known(trips, value)
            return values.isEmpty ? .null : .number(Double(values.reduce(0, +)) / unit)
        }
    }
    static func least(_ value: @escaping @Sendable (SimpleTrip) -> Int64?) -> @Sendable ([SimpleTrip]) -> SlowValue {
        { known($0, value).min().map { .number(Double($0) / 100) } ?? .null }
    }
    static func greatest(_ value: @escaping @Sendable (SimpleTrip) -> Int64?) -> @Sendable ([SimpleTrip]) -> SlowValue {
        { known($0, value).max().map { .number(Double($0) / 100) } ?? .null }
    }
    /// Half away from zero to two decimals.
    static func mean(
        _ value: @escaping @Sendable (SimpleTrip) -> Int64?, unit: Int64 = 100
    ) -> @Sendable ([SimpleTrip]) -> SlowValue {
        { trips in
            let values = known(trips, value)
            if values.isEmpty { return .null }
            // hundredths = 100 sum / (unit n), exactly
            let (dividend, divisor) = (values.reduce(0, +) * 100, unit * Int64(values.count))
            let magnitude = (2 * dividend.magnitude + UInt64(divisor)) / (2 * UInt64(divisor))
            return .number((dividend < 0 ? -Double(magnitude) : Double(magnitude)) / 100)
        }
    }
    static func distinct<Value: Hashable & SendableMetatype>(
        _ value: @escaping @Sendable (SimpleTrip) -> Value?
    ) -> @Sendable ([SimpleTrip]) -> SlowValue {
        { .number(Double(Set($0.compactMap(value)).count)) }
    }
    /// In two passes, half up to two decimals: the roots of Σ (n x − Σx)² / (n² (n − 1)), as whole numbers.
    static func deviation(
        _ value: @escaping @Sendable (SimpleTrip) -> Int64?, unit: Int64 = 100
    ) -> @Sendable ([SimpleTrip]) -> SlowValue {
        { trips in
            let values = known(trips, value).map { Int128($0) }
            guard values.count > 1 else { return .null }
            let (n, sum) = (Int128(values.count), values.reduce(0, +))
            let squares = values.reduce(0) { $0 + (n * $1 - sum) * (n * $1 - sum) }
            let divisor = n * n * (n - 1) * Int128(unit) * Int128(unit)
            var hundredths = Int128((Double(squares) / Double(divisor)).squareRoot() * 100)
            func isReached(_ value: Int128) -> Bool { (2 * value - 1) * (2 * value - 1) * divisor <= 40_000 * squares }
            while isReached(hundredths + 1) { hundredths += 1 }
            while hundredths > 0, !isReached(hundredths) { hundredths -= 1 }
            return .number(Double(hundredths) / 100)
        }
    }
    static func quantile(
        _ share: Double, _ value: @escaping @Sendable (SimpleTrip) -> Int64?
    ) -> @Sendable ([SimpleTrip]) -> SlowValue {
        { trips in
            let values = known(trips, value).sorted()
            if values.isEmpty { return .null }
            // The first value up to which the share is reached; tested shares are hundredths.
            let percent = Int((share * 100).rounded())
            return .about(
                Double(values.first { value in values.count { $0 <= value } * 100 >= percent * values.count }!) / 100)
        }
    }

    static func text(_ value: String?) -> [SlowValue]? { value.map { [.text($0)] } }
    static func number(_ value: Int64?) -> [SlowValue]? { value.map { [.number(Double($0))] } }

    /// The bucket of a fare, by trying one after the other.
    static func bucket(_ fare: Int64) -> Int64 {
        if fare == 0 { return -1 }
        var (bucket, upper): (Int64, Double) = (0, 1)
        while upper < Double(abs(fare)) * (1 - 1e-12) {
            (bucket, upper) = (bucket + 1, pow(1.005 / 0.995, Double(bucket + 1)))
        }
        return fare > 0 ? bucket : -2 - bucket
    }
}

extension SlowQuery {
    /// The five default queries.
    static let defaults: [SlowQuery] = [
        SlowQuery(
            view: "sumfarewindow", windows: Slow.windows(5_000),
            columns: [
                ("trips", Slow.count), ("total_fare", Slow.sum(\.fare)), ("tips_fare", Slow.sum(\.tips)),
                ("total_trip_total", Slow.sum(\.total)),
            ]),
        SlowQuery(
            view: "tripstotal", groupNames: ["day"], group: { [.text(ChicagoTime.day($0.time))] },
            columns: [
                ("trips_total", Slow.count), ("fare_total", Slow.sum(\.fare)), ("tips_avg", Slow.mean(\.tips)),
                ("trip_total_avg", Slow.mean(\.total)),
            ]),
        SlowQuery(
            view: "hotspotcommunitywindow", windows: Slow.windows(60_000, every: 30_000),
            groupNames: ["pickup_community_area"], group: { Slow.number($0.area) }, columns: [("count", Slow.count)]),
        SlowQuery(
            view: "hotspotwindow", windows: Slow.windows(60_000, every: 30_000),
            groupNames: ["pickup_centroid_location"], group: { Slow.text($0.location) },
            columns: [("count", Slow.count)]),
        SlowQuery(
            view: "faredistribution", windows: Slow.windows(3_600_000), groupNames: ["bucket"],
            group: { Slow.number($0.fare.map(Slow.bucket)) },
            columns: [("trips", Slow.count), ("total_fare", Slow.sum(\.fare))]),
    ]

    /// What `declared` computes.
    static let own: [SlowQuery] = [
        SlowQuery(
            view: "cashbycompany", windows: Slow.windows(3_600_000, every: 900_000),
            passes: { $0.payment == "Cash" && $0.fare ?? .min >= 500 && $0.company != nil }, groupNames: ["company"],
            group: { Slow.text($0.company) },
            columns: [
                ("trips", Slow.count), ("fares", Slow.sum(\.fare)), ("dearest", Slow.greatest(\.fare)),
                ("cheapest", Slow.least(\.tips)), ("miles", Slow.mean(\.miles, unit: 1_000_000)),
                ("p90", Slow.quantile(0.9, \.fare)), ("uneven", Slow.deviation(\.miles, unit: 1_000_000)),
                ("taxis", Slow.distinct(\.taxi)),
            ]),
        SlowQuery(
            view: "daily", windows: { [ChicagoTime.dayWindow($0)] },
            groupNames: ["company", "hour", "pickup_community_area"],
            group: { trip in
                guard let company = trip.company, let area = trip.area else { return nil }
                return [.text(company), .number(ChicagoTime.hour(trip.time)), .number(Double(area))]
            },
            columns: [
                ("trips", Slow.count), ("known", Slow.counted(\.tips)), ("seconds", Slow.mean(\.seconds, unit: 1)),
                ("median", Slow.quantile(0.5, \.total)), ("lengths", Slow.distinct(\.miles)),
            ]),
        SlowQuery(
            view: "everything",
            columns: [
                ("trips", Slow.count), ("least", Slow.least(\.total)), ("most", Slow.greatest(\.total)),
                ("total", Slow.sum(\.total)), ("p50", Slow.quantile(0.5, \.fare)),
                ("spread", Slow.deviation(\.fare)), ("ids", Slow.distinct(\.id)), ("fares", Slow.distinct(\.fare)),
            ]),
        SlowQuery(
            view: "weekly", groupNames: ["hour_of_week"], group: { [.number(ChicagoTime.hourOfWeek($0.time))] },
            columns: [
                ("tips", Slow.mean(\.tips)), ("most", Slow.greatest(\.tips)),
                ("uneven", Slow.deviation(\.seconds, unit: 1)),
            ]),
        SlowQuery(
            view: "quarters", windows: Slow.windows(900_000),
            passes: { $0.area.map { [8, 32, 28, 33, 76].contains($0) } != true },
            columns: [
                ("p99", Slow.quantile(0.99, \.fare)), ("miles", Slow.sum(\.miles, unit: 1_000_000)),
                ("spread", Slow.deviation(\.tips)), ("taxis", Slow.distinct(\.taxi)),
            ]),
    ]

    static let declared = """
        queries:
          - name: cashByCompany
            where: payment_type = 'Cash' and fare >= 5.00 and company is not null
            group: [company]
            window: {sliding: 1h, every: 15m}
            aggregates:
              trips: count()
              fares: sum(fare)
              dearest: max(fare)
              cheapest: min(tips)
              miles: avg(trip_miles)
              p90: quantile(fare, 0.9)
              uneven: stddev(trip_miles)
              taxis: distinct(taxi_id)
            emit: append
          - name: daily
            group: [company, hour, pickup_community_area]
            window: {tumbling: day}
            aggregates: {trips: count(), known: count(tips), seconds: avg(trip_seconds), median: quantile(trip_total, 0.5), lengths: distinct(trip_miles)}
            emit: append
          - name: everything
            window: none
            aggregates:
              trips: count()
              least: min(trip_total)
              most: max(trip_total)
              total: sum(trip_total)
              p50: quantile(fare, 0.5)
              spread: stddev(fare)
              ids: distinct(trip_id)
              fares: distinct(fare)
            emit: complete
          - name: weekly
            group: [hour_of_week]
            window: none
            aggregates: {tips: avg(tips), most: max(tips), uneven: stddev(trip_seconds)}
            emit: update
          - name: quarters
            where: not pickup_community_area in (8, 32, 28, 33, 76) or pickup_community_area is null
            window: {tumbling: 15m}
            aggregates: {p99: quantile(fare, 0.99), miles: sum(trip_miles), spread: stddev(tips), taxis: distinct(taxi_id)}
            emit: update
        """
}
