import Foundation
import Problems
import SQLite
import Time
import Trips

/// Brings a query's open windows back from its tables: the tables are the state, there is no second store.
struct StateLoader {
    let connection: Connection

    /// - Parameter source: as in checkpoints; nil for whoever only looks.
    func load(_ plan: QueryPlan, zone: ZoneClock, source: String? = nil) throws -> QueryState {
        try explaining("loading the open windows of query \"\(plan.name)\"") {
            let state = QueryState(plan: plan, zone: zone)
            try loadKeys(into: state)
            state.alertProgress = try AlertStore(connection: connection).progress(of: plan.alerts)
            if let source {
                let rewound = RewoundResults(connection: connection)
                state.sentRevisions = try rewound.windows(of: plan.name)
                state.sentAlerts = try rewound.alerts(of: plan.name)
                state.reachedBefore = try rewound.reached(plan.name, source: source)
            }
            let condition = plan.window.isWindowed ? " WHERE closed = 0" : ""
            let rows = try connection.prepare("SELECT * FROM \(plan.storageTable)\(condition)")
            while try rows.step() { try restore(from: rows, into: state) }
            return state
        }
    }

    /// Puts back what one row of a query's storage table holds: a window, or a group where there are no windows.
    func restore(from row: Statement, into state: QueryState) throws {
        let plan = state.plan
        guard plan.window.isWindowed else {
            let group = try row.integer(0, in: .anything)
            guard state.mayHave(group: group) else { throw row.damage(0, wanted: "the id of a group") }
            return try state.restore(group: group, windowStart: .min, values: values(row, from: 1, plan)) {
                row.damage(1 + $0, wanted: $1)
            }
        }
        let start = try row.integer(0, in: .times)
        guard plan.window.isStart(start, zone: state.zone) else { throw row.damage(0, wanted: "the start of a window") }
        guard plan.packsGroups else {
            return try state.restore(group: 0, windowStart: start, values: values(row, from: 2, plan)) {
                row.damage(2 + $0, wanted: $1)
            }
        }
        for (id, values) in try groups(row, plan) {
            guard state.mayHave(group: id) else { throw row.damage(2, wanted: "groups that the query has: \(id)") }
            try state.restore(group: id, windowStart: start, values: values) {
                row.damage(2, wanted: "\($1) in group \(id)")
            }
        }
    }

    /// The state of one row of a table that has a column for each word.
    private func values(_ row: Statement, from first: Int, _ plan: QueryPlan) throws -> [StoredValue] {
        guard row.columnCount == first + plan.stateColumns.count else {
            throw connection.damage("table \(plan.storageTable) has \(row.columnCount) columns")
        }
        return try plan.stateColumns.enumerated().map { index, column in
            if column.kind == .sketch { return .text(try row.storedText(first + index)) }
            guard column.kind == .histogram else {
                return try row.optionalInteger(first + index, in: .anything).map { .integer($0) } ?? .null
            }
            let text = try row.storedText(first + index)
            guard let buckets = try? JSONDecoder().decode([String: Int64].self, from: Data(text.utf8)) else {
                throw row.damage(first + index, wanted: "a histogram")
            }
            return .histogram(buckets)
        }
    }

    /// The packed groups of a window, by their ids.
    private func groups(_ row: Statement, _ plan: QueryPlan) throws -> [(id: Int64, values: [StoredValue])] {
        let text = Data(try row.storedText(2).utf8)
        let found =
            plan.packsBareWords
            ? (try? JSONDecoder().decode([String: StoredValue].self, from: text))?.mapValues { [$0] }
            : try? JSONDecoder().decode([String: [StoredValue]].self, from: text)
        let groups = found?.map { (id: Int64($0), values: $1) }
        // A window is there since some trip fell into it, so none is stored without a group.
        guard let groups, !groups.isEmpty, groups.allSatisfy({ $0.id != nil }) else {
            throw row.damage(2, wanted: "the groups of a window")
        }
        return groups.map { ($0.id ?? 0, $0.values) }.sorted { $0.id < $1.id }
    }

    func loadKeys(into state: QueryState) throws {
        guard let table = state.plan.keysTable else { return }
        let isText = state.plan.groups.map(\.isString)
        let row = try connection.prepare("SELECT * FROM \(table) ORDER BY id")
        guard row.columnCount == isText.count + 1 else {
            throw connection.damage("table \(table) has \(row.columnCount) columns")
        }
        var next: Int64 = 0
        while try row.step() {
            // A key's id is its place, so none may be missing, and none there twice.
            _ = try row.integer(0, in: next...next)
            let parts = try isText.enumerated().map { index, isText -> GroupKeys.Part in
                isText ? .text(try row.textBytes(index + 1)) : .integer(try row.integer(index + 1, in: .anything))
            }
            let id = state.keys.id(of: GroupKeys.key(parts: parts))
            guard id == next else { throw row.damage(0, wanted: "another key than id \(id)") }
            next += 1
        }
    }
}

/// One element of a stored state.
private enum StoredValue: Decodable {
    case null
    case integer(Int64)
    case histogram([String: Int64])
    case text(String)

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let number = try? value.decode(Int64.self) {
            self = .integer(number)
        } else if let text = try? value.decode(String.self) {
            self = .text(text)
        } else {
            self = .histogram(try value.decode([String: Int64].self))
        }
    }
}

extension QueryState {
    /// Whether the query can have a group of this id.
    func mayHave(group: Int64) -> Bool {
        if plan.groups.isEmpty { return group == 0 }
        if plan.keysTable != nil { return group >= 0 && group < Int64(keys.keys.count) }
        return switch plan.groups[0] {
        case .day: ClosedRange.days.contains(group)
        case .hour, .hourOfWeek: (0..<168).contains(group)
        default: group != nullCell
        }
    }

    /// Puts back one group of one open window, from the values of its state columns in their order.
    ///
    /// - Parameter damage: makes the error for the column at an index that holds something else than it should.
    fileprivate func restore(
        group: Int64, windowStart: Int64, values: [StoredValue],
        damage: (_ column: Int, _ wanted: String) -> SQLiteError
    ) throws {
        let columns = plan.stateColumns
        guard values.count == columns.count else { throw damage(0, "\(columns.count) values") }
        let window = windows.window(start: windowStart, end: end(ofWindowFrom: windowStart))
        window.pointee.isWhole = true
        let entry = window.pointee.entry(of: group, stride: windows.stride, initial: initialState)
        let words = window.pointee.words + entry * windows.stride
        var word = 0
        var histogram: Int32 = 0
        var sketch = entry * windows.sketches
        for (index, (column, value)) in zip(columns, values).enumerated() {
            switch (column.kind, value) {
            case (.histogram, .histogram(let buckets)):
                for (name, count) in buckets {
                    guard let bucket = Int64(name), FareBucket.all.contains(bucket), ClosedRange.counts.contains(count)
                    else { throw damage(index, "a histogram") }
                    window.pointee.histograms[.init(entry: Int32(entry), histogram: histogram, bucket: bucket)] = count
                }
                histogram += 1
            case (.sketch, .text(var text)):
                // Its result stands before it.
                let isSketch = text.withUTF8 {
                    window.pointee.sketches[sketch].formUnion(stored: UnsafeRawBufferPointer($0))
                }
                guard isSketch else { throw damage(index, "the state of a distinct") }
                guard window.pointee.sketches[sketch].count == words[word - 1] else {
                    throw damage(index - 1, "how many values the sketch beside it has")
                }
                sketch += 1
            case (.nullableWord, .null):
                words[word] = nullCell
                word += 1
            case (.word, .integer(let number)), (.nullableWord, .integer(let number)):
                guard number != nullCell, !column.isCount || ClosedRange.counts.contains(number),
                    !column.isLow || SplitSum.lows.contains(number)
                else { throw damage(index, column.isCount ? "a count" : "a sum") }
                words[word] = number
                word += 1
            case (.histogram, _): throw damage(index, "a histogram")
            case (.sketch, _): throw damage(index, "the state of a distinct")
            default: throw damage(index, "an integer")
            }
        }
        var next = (column: 0, word: 0)
        for aggregate in plan.aggregates {
            if let wanted = aggregate.contradiction(words + next.word) { throw damage(next.column, wanted) }
            next = (next.column + aggregate.columns.count, next.word + aggregate.words)
        }
    }

    /// The window that starts there, which has gone out so often.
    func window(from start: EventTime, revision: Int64) -> WindowPointer {
        let window = windows.window(start: start, end: end(ofWindowFrom: start))
        window.pointee.revision = revision
        return window
    }

    func end(ofWindowFrom start: Int64) -> Int64 { plan.window.end(ofWindowFrom: start, zone: zone) }
}

extension WindowSpec {
    /// Whether some window starts at `time`, ms UTC.
    func isStart(_ time: EventTime, zone: ZoneClock) -> Bool {
        switch self {
        case .tumbling(let everyMs), .sliding(_, let everyMs): time % everyMs == 0
        case .localDay: zone.startMs(ofLocalDay: zone.localDay(ofMs: time)) == time
        case .none: false
        }
    }

    /// Where the window that starts at `start` ends, ms UTC; never, where there are no windows.
    func end(ofWindowFrom start: EventTime, zone: ZoneClock) -> EventTime {
        switch self {
        case .tumbling(let sizeMs), .sliding(let sizeMs, _): start + sizeMs
        case .localDay: zone.startMs(ofLocalDay: zone.localDay(ofMs: start) + 1)
        case .none: .max
        }
    }
}
