import Foundation
import Topics
import Time
import Trips

/// Collects the results of one query and epoch as columns of messages, a window at a time.
struct MessageBuilder: ~Copyable {
    private let plan: QueryPlan
    private let zone: ZoneClock
    /// Without their cells, which `table` has.
    private var columns: [ResultColumns.Column]
    private var table: CellTable
    private let hasKeys: Bool
    private let isWindowed: Bool
    private let firstGroup: Int
    private let firstAggregate: Int
    private let stride: Int
    private let aggregates: [(aggregate: AggregatePlan, word: Int, histogram: Int)]
    /// For each column of a key, by id: the part's number, or the place of its text in the column; `nullCell` for not looked up yet.
    private var partsOfKey: [[Int64]]
    /// Messages of groups that no trip is in any more.
    private var withdrawn: [Int] = []
    private var offsets: LocalDayCursor
    /// Messages of windows whose results were sent before, with the number of the present ones.
    private var revisions: [(rows: Range<Int>, revision: Int64)] = []
    private var lastDay: (from: Int64, until: Int64, day: Int64) = (0, 0, 0)

    /// - Parameter expectedMessages: how many there may be; there may be more.
    init(plan: QueryPlan, zone: ZoneClock, expectedMessages: Int = 0) {
        self.plan = plan
        self.zone = zone
        columns = Self.columns(of: plan)
        // A little more than the last time: one message too many would copy all of them.
        table = CellTable(columns: columns.count, rows: expectedMessages + expectedMessages / 8)
        hasKeys = plan.keysTable != nil
        isWindowed = plan.window.isWindowed
        stride = plan.words
        offsets = LocalDayCursor(zone)
        var word = 0
        var histogram = 0
        var places: [(AggregatePlan, Int, Int)] = []
        for aggregate in plan.aggregates {
            places.append((aggregate, word, histogram))
            word += aggregate.words
            if aggregate.hasHistogram { histogram += 1 }
        }
        aggregates = plan.messageFields.map { places[$0] }
        firstGroup = isWindowed ? 4 : 0
        firstAggregate = firstGroup + plan.groups.count
        partsOfKey = plan.groups.map { _ in [] }
    }

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

    /// Which columns make a message's key.
    var key: [Int] { plan.messageKey.map { firstGroup + $0 } }

    /// How many messages there are.
    var count: Int { table.count }

    /// The messages' columns; the builder has none of them afterwards.
    mutating func finish() -> [ResultColumns.Column] {
        for column in columns.indices { columns[column].cells = table.cells(of: column) }
        if !revisions.isEmpty {
            var revision = ResultColumns.Column(name: Self.revision, kind: .number)
            revision.cells = Array(repeating: nullCell, count: table.count)
            for (rows, number) in revisions {
                for row in rows { revision.cells[row] = number }
            }
            columns.append(revision)
        }
        if !withdrawn.isEmpty {
            var flag = ResultColumns.Column(name: Self.withdrawn, kind: .flag)
            flag.cells = Array(repeating: nullCell, count: table.count)
            for row in withdrawn { flag.cells[row] = 1 }
            columns.append(flag)
        }
        return columns
    }

    /// The field of a message that says how often its window had results, from the second time on.
    static let revision = "revision"
    /// The field of a message that says that its row is not there any more.
    static let withdrawn = "withdrawn"

    mutating func day(of time: EventTime) -> Int64 {
        if time >= lastDay.from, time < lastDay.until { return lastDay.day }
        let day = zone.localDay(ofMs: time)
        lastDay = (zone.startMs(ofLocalDay: day), zone.startMs(ofLocalDay: day + 1), Int64(day))
        return lastDay.day
    }

    /// Adds a message for each of the entries of a window.
    mutating func add(_ window: WindowPointer, _ entries: [Int32], _ histograms: WindowHistograms, keys: GroupKeys) {
        guard !entries.isEmpty else { return }
        table.reserve(entries.count)
        if isWindowed {
            let (start, end) = (window.pointee.start, window.pointee.end)
            fill(0, with: start, entries.count)
            fill(1, with: end, entries.count)
            fill(2, with: (offsets.localMs(of: start) &- start) / 1000, entries.count)
            fill(3, with: (offsets.localMs(of: end) &- end) / 1000, entries.count)
        }
        let groups = window.pointee.groups
        if hasKeys {
            for entry in entries { lookUp(groups[Int(entry)], keys) }
            for part in partsOfKey.indices {
                collect(firstGroup + part, entries) { [known = partsOfKey[part]] in known[Int(groups[$0])] }
            }
        } else if !plan.groups.isEmpty {
            collect(firstGroup, entries) { groups[$0] }
        }
        let (words, stride) = (window.pointee.words, stride)
        for (index, item) in aggregates.enumerated() {
            if item.aggregate.hasHistogram {
                collect(firstAggregate + index, entries) { Self.quantile(item, histograms, $0) }
            } else if item.aggregate.function == .count {
                collect(firstAggregate + index, entries) { words[$0 &* stride &+ item.word] }
            } else {
                collect(firstAggregate + index, entries) {
                    item.aggregate.result(words: words + $0 * stride + item.word) ?? nullCell
                }
            }
        }
        if window.pointee.revision > 1 {
            revisions.append((table.count..<table.count + entries.count, window.pointee.revision))
        }
        if window.pointee.withdrawnFrom < window.pointee.count {
            for (index, entry) in entries.enumerated() where Int(entry) >= window.pointee.withdrawnFrom {
                withdrawn.append(table.count + index)
            }
        }
        table.advance(by: entries.count)
    }

    @inline(__always)
    private func fill(_ column: Int, with value: Int64, _ count: Int) {
        table.end(of: column).update(repeating: value, count: count)
    }

    @inline(__always)
    private func collect(_ column: Int, _ entries: [Int32], _ value: (Int) -> Int64) {
        let place = table.end(of: column)
        for index in entries.indices { place[index] = value(Int(entries[index])) }
    }

    private static func quantile(
        _ item: (aggregate: AggregatePlan, word: Int, histogram: Int), _ histograms: WindowHistograms, _ entry: Int
    ) -> Int64 {
        guard let value = item.aggregate.result(histogram: histograms.buckets(entry, item.histogram)) else {
            return nullCell
        }
        return Int64((value * pow(10, Double(item.aggregate.decimals))).rounded())
    }

    /// Splits a key into the columns' values, once an epoch.
    private mutating func lookUp(_ id: Int64, _ keys: GroupKeys) {
        let id = Int(id)
        if partsOfKey[0].count <= id {
            for part in partsOfKey.indices {
                let missing = keys.keys.count - partsOfKey[part].count
                partsOfKey[part].append(contentsOf: repeatElement(nullCell, count: missing))
            }
        }
        guard partsOfKey[0][id] == nullCell else { return }
        for (part, value) in GroupKeys.parts(of: keys.keys[id], isText: plan.groups.map(\.isString)).enumerated() {
            switch value {
            case .integer(let number): partsOfKey[part][id] = number
            case .text(let bytes):
                partsOfKey[part][id] = Int64(columns[firstGroup + part].texts.count)
                columns[firstGroup + part].texts.append(bytes)
            }
        }
    }
}

/// Columns of cells that grow together: one block, column after column, each with room for as many rows.
private struct CellTable: ~Copyable {
    private(set) var count = 0
    private let columns: Int
    private var capacity: Int
    private var start: UnsafeMutablePointer<Int64>

    init(columns: Int, rows: Int) {
        (self.columns, capacity) = (columns, max(rows, 64))
        start = .allocate(capacity: columns * capacity)
    }

    deinit { start.deallocate() }

    /// Makes room for `rows` more cells of each column.
    mutating func reserve(_ rows: Int) {
        guard count + rows > capacity else { return }
        let (old, oldCapacity) = (start, capacity)
        capacity = max(capacity * 2, count + rows)
        start = .allocate(capacity: columns * capacity)
        for column in 0..<columns {
            (start + column * capacity).update(from: old + column * oldCapacity, count: count)
        }
        old.deallocate()
    }

    /// Where a column's next cell goes; valid until the next `reserve`.
    @inline(__always)
    func end(of column: Int) -> UnsafeMutablePointer<Int64> { start + (column &* capacity &+ count) }

    /// Takes the next `rows` cells of each column as written.
    mutating func advance(by rows: Int) { count += rows }

    func cells(of column: Int) -> [Int64] {
        Array(UnsafeBufferPointer(start: start + column * capacity, count: count))
    }
}
