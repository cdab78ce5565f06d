import Topics
import Trips

/// Takes from a query's state what an epoch must write: changed windows, closed windows, messages.
final class EpochCutter {
    private let state: QueryState
    private let query: Int
    private let plan: QueryPlan
    private let zone: ZoneClock
    /// How many keys are in the database already.
    private var storedKeys: Int
    private let isTextPart: [Bool]

    init(_ state: QueryState, query: Int) {
        self.state = state
        self.query = query
        plan = state.plan
        zone = state.zone
        storedKeys = state.keys.keys.count
        isTextPart = plan.groups.map(\.isString)
    }

    /// Closes the windows that end at or before `watermark`; marks the others as unchanged.
    func cut(watermark: Int64) -> QueryOutput {
        var output = QueryOutput(query: query, messages: ResultColumns(columns: messageColumns))
        output.rows.stride = plan.packsGroups ? 0 : plan.words
        output.rows.textsPerRow = plan.packsGroups ? 1 : plan.aggregates.count(where: \.hasHistogram)
        takeNewKeys(&output)
        let touched = state.windows.open.values
            .filter { $0.pointee.isChanged || $0.pointee.end <= watermark }
            .sorted { $0.pointee.start < $1.pointee.start }
        var builder = MessageBuilder(plan: plan, zone: zone, columns: output.messages.columns)
        for window in touched {
            let isClosing = window.pointee.end <= watermark
            let order = sortedEntries(window)
            let isShown = plan.emit == .append ? isClosing : window.pointee.isChanged
            if plan.window.isWindowed {
                if plan.packsGroups {
                    pack(window, order, isClosing, &output.rows)
                } else {
                    store(window, 0, isClosing, &output.rows)
                }
                output.days.insert(builder.day(of: window.pointee.start))
                if isShown { for entry in order { builder.add(window, entry, keys: state.keys) } }
                if isClosing { state.windows.close(window) } else { window.pointee.isChanged = false }
            } else {
                for entry in order where window.pointee.groupChanged[entry] {
                    store(window, entry, false, &output.rows)
                    if plan.groups == [.day] { output.days.insert(window.pointee.groups[entry]) }
                    builder.add(window, entry, keys: state.keys)
                    window.pointee.groupChanged[entry] = false
                }
                window.pointee.isChanged = false
            }
        }
        output.messages.columns = builder.columns
        output.results = Int64(output.messages.count)
        return output
    }

    private func takeNewKeys(_ output: inout QueryOutput) {
        guard plan.keysTable != nil else { return }
        let keys = state.keys.keys
        for id in storedKeys..<keys.count {
            output.newKeys.append((Int64(id), GroupKeys.parts(of: keys[id], isText: isTextPart)))
        }
        storedKeys = keys.count
    }

    /// Entries in the order of their keys, so that output does not depend on who came first.
    private func sortedEntries(_ window: WindowPointer) -> [Int] {
        let count = window.pointee.count
        guard count > 1 else { return count == 1 ? [0] : [] }
        let groups = window.pointee.groups
        if plan.keysTable == nil { return (0..<count).sorted { groups[$0] < groups[$1] } }
        let ranks = state.keys.order()
        return (0..<count).sorted { ranks[Int(groups[$0])] < ranks[Int(groups[$1])] }
    }

    /// One row of a table that has a column for each word.
    private func store(_ window: WindowPointer, _ entry: Int, _ isClosing: Bool, _ rows: inout StoredRows) {
        rows.ids.append(plan.window.isWindowed ? window.pointee.start : window.pointee.groups[entry])
        rows.closed.append(isClosing)
        let words = window.pointee.words + entry * state.windows.stride
        for word in 0..<state.windows.stride { rows.words.append(words[word]) }
        for histogram in 0..<rows.textsPerRow {
            JSONDigits.append(buckets(window, entry, histogram), to: &rows.text)
            rows.textEnds.append(rows.text.count)
        }
    }

    /// One row that holds all groups of a window as a JSON object.
    private func pack(_ window: WindowPointer, _ order: [Int], _ isClosing: Bool, _ rows: inout StoredRows) {
        rows.ids.append(window.pointee.start)
        rows.closed.append(isClosing)
        let bare = plan.packsBareWords
        rows.text.append(UInt8(ascii: "{"))
        for (index, entry) in order.enumerated() {
            if index > 0 { rows.text.append(UInt8(ascii: ",")) }
            rows.text.append(UInt8(ascii: "\""))
            JSONDigits.append(window.pointee.groups[entry], to: &rows.text)
            rows.text.append(UInt8(ascii: "\""))
            rows.text.append(UInt8(ascii: ":"))
            var word = window.pointee.words + entry * state.windows.stride
            if bare {
                JSONDigits.append(word[0], to: &rows.text)
                continue
            }
            rows.text.append(UInt8(ascii: "["))
            var histogram = 0
            for (position, column) in plan.stateColumns.enumerated() {
                if position > 0 { rows.text.append(UInt8(ascii: ",")) }
                if column.kind == .histogram {
                    JSONDigits.append(buckets(window, entry, histogram), to: &rows.text)
                    histogram += 1
                } else {
                    JSONDigits.append(word[0], to: &rows.text)
                    word += 1
                }
            }
            rows.text.append(UInt8(ascii: "]"))
        }
        rows.text.append(UInt8(ascii: "}"))
        rows.textEnds.append(rows.text.count)
    }

    private func buckets(_ window: WindowPointer, _ entry: Int, _ histogram: Int) -> [(bucket: Int64, count: Int64)] {
        histogramBuckets(window, entry, histogram)
    }

    private var messageColumns: [ResultColumns.Column] { MessageBuilder.columns(of: plan) }
}

/// Counts of one histogram of one group, by bucket.
func histogramBuckets(_ window: WindowPointer, _ entry: Int, _ histogram: Int) -> [(bucket: Int64, count: Int64)] {
    window.pointee.histograms
        .filter { $0.key.entry == Int32(entry) && $0.key.histogram == Int32(histogram) }
        .map { (bucket: $0.key.bucket, count: $0.value) }
        .sorted { $0.bucket < $1.bucket }
}

/// Writes integers and histograms as JSON, byte by byte.
enum JSONDigits {
    @inline(__always)
    static func append(_ value: Int64, to text: inout [UInt8]) {
        if value >= 0, value < 10 { return text.append(UInt8(48 &+ value)) }
        appendLong(value, to: &text)
    }

    private static func appendLong(_ value: Int64, to text: inout [UInt8]) {
        if value == nullCell { return text.append(contentsOf: "null".utf8) }
        if value < 0 { text.append(UInt8(ascii: "-")) }
        var rest = value.magnitude
        let start = text.count
        while rest > 0 {
            text.append(UInt8(48 &+ rest % 10))
            rest /= 10
        }
        text[start...].reverse()
    }

    static func append(_ buckets: [(bucket: Int64, count: Int64)], to text: inout [UInt8]) {
        text.append(UInt8(ascii: "{"))
        for (index, item) in buckets.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            text.append(UInt8(ascii: "\""))
            append(item.bucket, to: &text)
            text.append(contentsOf: "\":".utf8)
            append(item.count, to: &text)
        }
        text.append(UInt8(ascii: "}"))
    }
}
