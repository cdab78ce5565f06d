import Foundation
import Problems
import SQLite
import Trips

/// Brings a query's open windows back from its tables: the tables are the state, there is no second store.
struct StateLoader {
    let connection: Connection

    func load(_ plan: QueryPlan, zone: ZoneClock) throws -> QueryState {
        let state = QueryState(plan: plan, zone: zone)
        try loadKeys(into: state)
        state.alertProgress = try AlertStore(connection: connection).progress(of: plan.alerts)
        let condition = plan.window.isWindowed ? " WHERE closed = 0" : ""
        let rows = try connection.prepare("SELECT * FROM \(plan.storageTable)\(condition)")
        while try rows.step() { try restore(from: rows, into: state) }
        return state
    }

    /// Puts back what one row of a query's storage table holds: a window, or a group where there are no windows.
    func restore(from row: Statement, into state: QueryState) throws {
        let plan = state.plan
        let id = row.integer(0)
        if plan.packsGroups { return try unpack(row.text(2), id, into: state) }
        let values = ((plan.window.isWindowed ? 2 : 1)..<row.columnCount).map { column -> Any in
            switch row.value(column) {
            case .integer(let number): number
            case .text(let text): (try? JSONSerialization.jsonObject(with: Data(text.utf8))) ?? NSNull()
            default: NSNull()
            }
        }
        try state.restore(
            group: plan.window.isWindowed ? 0 : id, windowStart: plan.window.isWindowed ? id : .min, values: values)
    }

    func loadKeys(into state: QueryState) throws {
        guard let table = state.plan.keysTable else { return }
        let isText = state.plan.groups.map(\.isString)
        let keys = try connection.rows("SELECT * FROM \(table) ORDER BY id") { row throws(SQLiteError) in
            isText.enumerated().map { index, isText in
                isText
                    ? GroupKeys.Part.text(row.withBytes(index + 1) { Array($0) }) : .integer(row.integer(index + 1))
            }
        }
        for parts in keys { _ = state.keys.id(of: GroupKeys.key(parts: parts)) }
    }

    private func unpack(_ groups: String, _ start: Int64, into state: QueryState) throws {
        guard let object = try? JSONSerialization.jsonObject(with: Data(groups.utf8)) as? [String: Any] else {
            throw Problem(
                .badData, "an open window of \"\(state.plan.storageTable)\" is damaged",
                hint: "Run taxi-cli stream --from-beginning to compute the results anew.")
        }
        let groups = object.compactMap { key, value in Int64(key).map { (id: $0, value: value) } }
        for (id, value) in groups.sorted(by: { $0.id < $1.id }) {
            try state.restore(
                group: id, windowStart: start, values: state.plan.packsBareWords ? [value] : value as? [Any] ?? [])
        }
    }
}

extension QueryState {
    /// Puts back one group of one open window, from the values of its state columns in their order.
    func restore(group: Int64, windowStart: Int64, values: [Any]) throws {
        let kinds = plan.stateColumns.map(\.kind)
        guard values.count == kinds.count else {
            throw Problem(
                .badData,
                "a stored state of query \"\(plan.name)\" has \(values.count) values instead of \(kinds.count)",
                hint: "Run taxi-cli stream --from-beginning to compute the results anew.")
        }
        let window = windows.window(start: windowStart, end: end(ofWindowFrom: windowStart))
        let entry = window.pointee.entry(of: group, stride: windows.stride, initial: initialState)
        let words = window.pointee.words + entry * windows.stride
        var word = 0
        var histogram: Int32 = 0
        for (kind, value) in zip(kinds, values) {
            if kind == .histogram {
                for (bucket, count) in value as? [String: Any] ?? [:] {
                    window.pointee.histograms[
                        .init(entry: Int32(entry), histogram: histogram, bucket: Int64(bucket) ?? 0)] =
                        (count as? NSNumber)?.int64Value ?? 0
                }
                histogram += 1
            } else {
                words[word] = (value as? Int64) ?? (value as? NSNumber)?.int64Value ?? nullCell
                word += 1
            }
        }
    }

    func end(ofWindowFrom start: Int64) -> Int64 { plan.window.end(ofWindowFrom: start, zone: zone) }
}

extension WindowSpec {
    /// Where the window that starts at `start` ends, ms UTC; never, where there are no windows.
    func end(ofWindowFrom start: EventTime, zone: ZoneClock) -> EventTime {
        switch self {
        case .tumbling(let sizeMs), .sliding(let sizeMs, _): start + sizeMs
        case .localDay: zone.startMs(ofLocalDay: zone.localDay(ofMs: start) + 1)
        case .none: .max
        }
    }
}
