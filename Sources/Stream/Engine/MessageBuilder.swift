import Foundation
import Topics
import Trips

/// Collects the results of one query and epoch as columns of messages.
struct MessageBuilder {
    private let plan: QueryPlan
    private let zone: ZoneClock
    private(set) var columns: [ResultColumns.Column]
    private var days: LocalDayCursor
    private let aggregates: [(aggregate: AggregatePlan, word: Int, histogram: Int)]
    private let firstAggregate: Int
    /// For each text column the place of a key's text in it.
    private var textPlaces: [[Int64]]
    private var lastDay: (from: Int64, until: Int64, day: Int64) = (0, 0, 0)

    /// Window, groups, then the aggregates that the message shows.
    static func columns(of plan: QueryPlan) -> [ResultColumns.Column] {
        var columns: [ResultColumns.Column] = []
        if plan.window.isWindowed {
            columns = [.windowStart, .windowEnd, .startOffset, .endOffset].map { ResultColumns.Column(kind: $0) }
        }
        let groups = plan.groups.map { group in
            ResultColumns.Column(name: group.name, kind: group.isString ? .text : group == .day ? .day : .number)
        }
        let results = plan.messageFields.map { index in
            ResultColumns.Column(
                name: plan.aggregates[index].name, kind: .number, decimals: plan.aggregates[index].decimals)
        }
        return columns + groups + results
    }

    init(plan: QueryPlan, zone: ZoneClock, columns: [ResultColumns.Column]) {
        self.plan = plan
        self.zone = zone
        self.columns = columns
        days = LocalDayCursor(zone)
        var word = 0
        var histogram = 0
        var places: [(AggregatePlan, Int, Int)] = []
        for aggregate in plan.aggregates {
            places.append((aggregate, word, histogram))
            word += aggregate.words
            if aggregate.hasHistogram { histogram += 1 }
        }
        aggregates = plan.messageFields.map { places[$0] }
        firstAggregate = columns.count - aggregates.count
        textPlaces = columns.map { _ in [] }
    }

    mutating func day(of time: EventTime) -> Int64 {
        if time >= lastDay.from, time < lastDay.until { return lastDay.day }
        let day = zone.localDay(ofMs: time)
        lastDay = (zone.startMs(ofLocalDay: day), zone.startMs(ofLocalDay: day + 1), Int64(day))
        return lastDay.day
    }

    /// Adds the message of one group of one window.
    mutating func add(_ window: WindowPointer, _ entry: Int, keys: GroupKeys) {
        var column = 0
        if plan.window.isWindowed {
            let (start, end) = (window.pointee.start, window.pointee.end)
            columns[0].cells.append(start)
            columns[1].cells.append(end)
            columns[2].cells.append(days.localMs(of: start) &- start)
            columns[3].cells.append(days.localMs(of: end) &- end)
            columns[2].cells[columns[2].cells.count - 1] /= 1000
            columns[3].cells[columns[3].cells.count - 1] /= 1000
            column = 4
        }
        let group = window.pointee.groups[entry]
        if plan.keysTable == nil {
            if !plan.groups.isEmpty { columns[column].cells.append(group) }
        } else {
            addKey(group, keys, from: column)
        }
        let words = window.pointee.words + entry * plan.words
        for (index, item) in aggregates.enumerated() {
            columns[firstAggregate + index].cells.append(result(item, words, window, entry))
        }
    }

    private func result(
        _ item: (aggregate: AggregatePlan, word: Int, histogram: Int), _ words: UnsafePointer<Int64>,
        _ window: WindowPointer, _ entry: Int
    ) -> Int64 {
        guard item.aggregate.hasHistogram else { return item.aggregate.result(words: words + item.word) ?? nullCell }
        let buckets = histogramBuckets(window, entry, item.histogram)
        guard let value = item.aggregate.result(histogram: buckets) else { return nullCell }
        return Int64((value * pow(10, Double(item.aggregate.decimals))).rounded())
    }

    private mutating func addKey(_ id: Int64, _ keys: GroupKeys, from first: Int) {
        // A key is split once an epoch; after that its texts have their places.
        if textPlaces[first].count <= Int(id) {
            for part in plan.groups.indices {
                let missing = keys.keys.count - textPlaces[first + part].count
                textPlaces[first + part].append(contentsOf: repeatElement(nullCell, count: missing))
            }
        }
        if textPlaces[first][Int(id)] == nullCell {
            let parts = GroupKeys.parts(of: keys.keys[Int(id)], isText: plan.groups.map(\.isString))
            for (part, value) in parts.enumerated() {
                switch value {
                case .integer(let number): textPlaces[first + part][Int(id)] = number
                case .text(let bytes):
                    textPlaces[first + part][Int(id)] = Int64(columns[first + part].texts.count)
                    columns[first + part].texts.append(bytes)
                }
            }
        }
        for part in plan.groups.indices { columns[first + part].cells.append(textPlaces[first + part][Int(id)]) }
    }
}
