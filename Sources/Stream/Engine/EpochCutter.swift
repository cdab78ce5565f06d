import Topics
import Trips

/// Takes from a query's state what an epoch must write: changed windows, closed windows, messages.
///
/// Most of a fast run's time is spent here, so it works on whole windows, through buffers that it keeps from epoch to epoch.
final class EpochCutter {
    private let state: QueryState
    private let query: Int
    private let plan: QueryPlan
    private let zone: ZoneClock
    // What the plan works out anew at each call.
    private let isWindowed: Bool
    private let packsGroups: Bool
    private let packsBareWords: Bool
    private let stateKinds: [AggregatePlan.Column.Kind]
    private let isTextPart: [Bool]
    private let hasKeys: Bool
    private let histogramCount: Int
    /// How many keys are in the database already.
    private var storedKeys: Int

    init(_ state: QueryState, query: Int) {
        self.state = state
        self.query = query
        plan = state.plan
        zone = state.zone
        isWindowed = plan.window.isWindowed
        packsGroups = plan.packsGroups
        packsBareWords = plan.packsBareWords
        stateKinds = plan.stateColumns.map(\.kind)
        isTextPart = plan.groups.map(\.isString)
        hasKeys = plan.keysTable != nil
        histogramCount = plan.aggregates.count(where: \.hasHistogram)
        storedKeys = state.keys.keys.count
    }

    /// Closes the windows that end at or before `watermark`; marks the others as unchanged.
    func cut(watermark: Int64) -> QueryOutput {
        var builder = MessageBuilder(plan: plan, zone: zone)
        var output = QueryOutput(query: query, messages: ResultColumns(columns: []))
        output.rows.stride = packsGroups ? 0 : plan.words
        output.rows.textsPerRow = packsGroups ? 1 : histogramCount
        takeNewKeys(&output)
        // Locals, not properties: a class checks each access to a property for exclusivity, which would cost a tenth of the time.
        var text = OutputBuffer()
        var order: [Int32] = []
        let touched = state.windows.open.values
            .filter { $0.pointee.isChanged || $0.pointee.end <= watermark }
            .sorted { $0.pointee.start < $1.pointee.start }
        var lastDay = Int64.min
        for window in touched {
            sortEntries(of: window, into: &order)
            let histograms = WindowHistograms(window)
            guard isWindowed else {
                cutGroups(window, &order, histograms, &output, &text, &builder)
                continue
            }
            let isClosing = window.pointee.end <= watermark
            if packsGroups {
                pack(window, order, isClosing, histograms, &output.rows, &text)
            } else {
                store(window, 0, isClosing, histograms, &output.rows, &text)
            }
            let day = builder.day(of: window.pointee.start)
            if day != lastDay {
                output.days.insert(day)
                lastDay = day
            }
            if plan.emit == .append ? isClosing : window.pointee.isChanged {
                builder.add(window, order, histograms, keys: state.keys)
            }
            if isClosing { state.windows.close(window) } else { window.pointee.isChanged = false }
        }
        output.rows.text = Array(text.bytes)
        output.messages.columns = builder.columns
        output.results = Int64(output.messages.count)
        return output
    }

    /// The changed groups of a query without windows: each is a row of its own.
    private func cutGroups(
        _ window: WindowPointer, _ order: inout [Int32], _ histograms: WindowHistograms, _ output: inout QueryOutput,
        _ text: inout OutputBuffer,
        _ builder: inout MessageBuilder
    ) {
        order.removeAll { !window.pointee.groupChanged[Int($0)] }
        for entry in order {
            store(window, Int(entry), false, histograms, &output.rows, &text)
            if plan.groups == [.day] { output.days.insert(window.pointee.groups[Int(entry)]) }
            window.pointee.groupChanged[Int(entry)] = false
        }
        builder.add(window, order, histograms, keys: state.keys)
        window.pointee.isChanged = false
    }

    private func takeNewKeys(_ output: inout QueryOutput) {
        guard hasKeys else { return }
        let keys = state.keys.keys
        for id in storedKeys..<keys.count {
            output.newKeys.append((Int64(id), GroupKeys.parts(of: keys[id], isText: isTextPart)))
        }
        storedKeys = keys.count
    }

    /// Entries in the order of their keys, so that output does not depend on who came first.
    private func sortEntries(of window: WindowPointer, into order: inout [Int32]) {
        let count = window.pointee.count
        order.removeAll(keepingCapacity: true)
        for entry in 0..<count { order.append(Int32(truncatingIfNeeded: entry)) }
        guard count > 1 else { return }
        let groups = window.pointee.groups
        if hasKeys {
            state.keys.order().withUnsafeBufferPointer { ranks in
                sort(order: &order) { Int64(ranks[Int(groups[Int($0)])]) }
            }
        } else {
            sort(order: &order) { groups[Int($0)] }
        }
    }

    /// Insertion while there are few, as in nearly every window; the library's sort else.
    @inline(__always)
    private func sort(order: inout [Int32], by key: (Int32) -> Int64) {
        guard order.count <= 48 else { return order.sort { key($0) < key($1) } }
        order.withUnsafeMutableBufferPointer { order in
            for i in 1..<order.count {
                let entry = order[i]
                let value = key(entry)
                var j = i
                while j > 0, key(order[j &- 1]) > value {
                    order[j] = order[j &- 1]
                    j &-= 1
                }
                order[j] = entry
            }
        }
    }

    /// One row of a table that has a column for each word.
    private func store(
        _ window: WindowPointer, _ entry: Int, _ isClosing: Bool, _ histograms: WindowHistograms,
        _ rows: inout StoredRows, _ text: inout OutputBuffer
    ) {
        rows.ids.append(isWindowed ? window.pointee.start : window.pointee.groups[entry])
        rows.closed.append(isClosing)
        let stride = state.windows.stride
        rows.words.append(contentsOf: UnsafeBufferPointer(start: window.pointee.words + entry * stride, count: stride))
        for histogram in 0..<histogramCount {
            append(histograms.buckets(entry, histogram), to: &text)
            rows.textEnds.append(text.count)
        }
    }

    /// One row that holds all groups of a window as a JSON object.
    private func pack(
        _ window: WindowPointer, _ order: [Int32], _ isClosing: Bool, _ histograms: WindowHistograms,
        _ rows: inout StoredRows,
        _ text: inout OutputBuffer
    ) {
        rows.ids.append(window.pointee.start)
        rows.closed.append(isClosing)
        let stride = state.windows.stride
        let (groups, words) = (window.pointee.groups, window.pointee.words)
        text.append(UInt8(ascii: "{"))
        var isFirst = true
        for entry in order {
            if !isFirst { text.append(UInt8(ascii: ",")) }
            isFirst = false
            text.append(UInt8(ascii: "\""))
            text.append(decimal: groups[Int(entry)])
            text.append("\":" as StaticString)
            if packsBareWords {
                append(word: words[Int(entry) &* stride], to: &text)
            } else {
                appendStates(window, Int(entry), histograms, to: &text)
            }
        }
        text.append(UInt8(ascii: "}"))
        rows.textEnds.append(text.count)
    }

    private func appendStates(
        _ window: WindowPointer, _ entry: Int, _ histograms: WindowHistograms, to text: inout OutputBuffer
    ) {
        text.append(UInt8(ascii: "["))
        var word = window.pointee.words + entry * state.windows.stride
        var histogram = 0
        for (position, kind) in stateKinds.enumerated() {
            if position > 0 { text.append(UInt8(ascii: ",")) }
            if kind == .histogram {
                append(histograms.buckets(entry, histogram), to: &text)
                histogram += 1
            } else {
                append(word: word[0], to: &text)
                word += 1
            }
        }
        text.append(UInt8(ascii: "]"))
    }

    @inline(__always)
    private func append(word: Int64, to text: inout OutputBuffer) {
        if word == nullCell { text.append("null" as StaticString) } else { text.append(decimal: word) }
    }

    private func append(_ buckets: [WindowHistograms.Bucket], to text: inout OutputBuffer) {
        text.append(UInt8(ascii: "{"))
        for (index, item) in buckets.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            text.append(UInt8(ascii: "\""))
            text.append(decimal: item.bucket)
            text.append("\":" as StaticString)
            text.append(decimal: item.count)
        }
        text.append(UInt8(ascii: "}"))
    }
}
