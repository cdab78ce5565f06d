import Problems
import SQLite
import Time
import Trips

/// The state of a query as a part of a partial (`RangePartial`).
extension QueryState {
    func append(to writer: inout WireWriter) {
        for count in [
            counts.aggregated, counts.late, counts.lateMerged, counts.lateInPart, counts.skipped, counts.filtered,
            counts.restated,
        ] { writer.add(count) }
        writer.add(overflow) { writer, overflow in
            writer.add(overflow.word)
            writer.add(overflow.window)
        }
        if plan.keysTable != nil { writer.add(keys.keys) { $0.add($1) } }
        writer.add(windows.open.values.sorted { $0.pointee.start < $1.pointee.start }) { writer, window in
            append(window, to: &writer)
        }
    }

    private func append(_ window: WindowPointer, to writer: inout WireWriter) {
        let count = window.pointee.count
        writer.add(window.pointee.start)
        writer.add(window.pointee.end)
        writer.add(words: UnsafeBufferPointer(start: window.pointee.groups, count: count))
        writer.add(words: UnsafeBufferPointer(start: window.pointee.words, count: count * windows.stride))
        for entry in 0..<count { writer.add(window.pointee.groupChanged[entry]) }
        for sketch in 0..<count * windows.sketches {
            var text = OutputBuffer(capacity: 64)
            window.pointee.sketches[sketch].append(to: &text)
            writer.add(Array(text.bytes))
        }
        guard !window.pointee.histograms.isEmpty else { return (0..<4).forEach { _ in writer.add(0) } }
        let histograms = window.pointee.histograms.sorted {
            ($0.key.entry, $0.key.histogram, $0.key.bucket) < ($1.key.entry, $1.key.histogram, $1.key.bucket)
        }
        for column in [
            histograms.map { Int64($0.key.entry) }, histograms.map { Int64($0.key.histogram) },
            histograms.map(\.key.bucket), histograms.map(\.value),
        ] { column.withUnsafeBufferPointer { writer.add(words: $0) } }
    }

    /// - Throws: `.badData` for what is no state of this query.
    convenience init(plan: QueryPlan, zone: ZoneClock, from reader: inout WireReader) throws(Problem) {
        self.init(plan: plan, zone: zone)
        let range: ClosedRange<Int64> = 0...(1 << 40)
        counts.aggregated = try reader.number(in: range)
        counts.late = try reader.number(in: range)
        counts.lateMerged = try reader.number(in: range)
        counts.lateInPart = try reader.number(in: range)
        counts.skipped = try reader.number(in: range)
        counts.filtered = try reader.number(in: range)
        counts.restated = try reader.number(in: range)
        let words = Int64(max(0, plan.words - 1))
        overflow = try reader.optional { reader throws(Problem) in
            (Int(try reader.number(in: 0...words)), try reader.number())
        }
        if plan.keysTable != nil { try readKeys(&reader) }
        let rules = WireRules(plan)
        for _ in 0..<(try reader.count(least: 64)) { try readWindow(&reader, rules) }
    }

    private func readKeys(_ reader: inout WireReader) throws(Problem) {
        for id in 0..<(try reader.count(least: 8)) {
            let key = try reader.text()
            let parts = try parts(of: key, reader)
            guard GroupKeys.key(parts: parts) == key, keys.id(of: key) == Int64(id) else {
                throw reader.damage("a key that is none, or is there twice")
            }
        }
    }

    private func parts(of key: [UInt8], _ reader: WireReader) throws(Problem) -> [GroupKeys.Part] {
        let parts = GroupKeys.parts(of: key, isText: plan.groups.map(\.isString))
        guard parts.count == plan.groups.count else { throw reader.damage("a key of too few parts") }
        return parts
    }

    private func readWindow(_ reader: inout WireReader, _ rules: WireRules) throws(Problem) {
        let (start, end) = (try reader.number(), try reader.number())
        guard isWindow(start, end), windows.open[start] == nil else {
            throw reader.damage("a window that the query has not, or twice")
        }
        let count = try reader.count(least: 8)
        let window = windows.window(start: start, end: end)
        window.pointee.isChanged = true
        let stride = windows.stride
        for index in 0..<count {
            let group = try reader.number()
            guard rules.keyed ? keys.keys.indices.contains(Int(group)) : mayHave(group: group) else {
                throw reader.damage("a group that the query cannot have")
            }
            guard window.pointee.entry(of: group, stride: stride, initial: initialState) == index else {
                throw reader.damage("a group is there twice")
            }
        }
        guard try reader.count(least: 8) == count * stride else { throw reader.damage("words of other groups") }
        for index in 0..<count {
            for word in 0..<stride {
                let value = try reader.number()
                guard rules.words[word].contains(value), value != nullCell || rules.mayBeNull[word] else {
                    throw reader.damage("a word that its aggregate never has")
                }
                window.pointee.words[index * stride + word] = value
            }
        }
        for entry in 0..<count { window.pointee.groupChanged[entry] = try reader.flag() }
        for sketch in 0..<count * windows.sketches {
            let text = try reader.text()
            guard text.isEmpty || text.withUnsafeBytes({ window.pointee.sketches[sketch].formUnion(stored: $0) }) else {
                throw reader.damage("a sketch that is none")
            }
        }
        try readHistograms(of: window, &reader)
    }

    private func readHistograms(of window: WindowPointer, _ reader: inout WireReader) throws(Problem) {
        let entries = try reader.list(least: 8) { reader throws(Problem) in try reader.number() }
        let numbers = try reader.words(entries.count)
        let buckets = try reader.words(entries.count)
        let values = try reader.words(entries.count)
        let histograms = Int64(plan.aggregates.count(where: \.hasHistogram))
        for index in entries.indices {
            guard 0..<Int64(window.pointee.count) ~= entries[index], 0..<histograms ~= numbers[index],
                1...(1 << 40) ~= values[index], FareBucket.all.contains(buckets[index])
            else { throw reader.damage("a bucket that none has") }
            window.pointee.histograms[
                .init(entry: Int32(entries[index]), histogram: Int32(numbers[index]), bucket: buckets[index])] =
                values[index]
        }
    }

    private func isWindow(_ start: EventTime, _ end: EventTime) -> Bool {
        guard plan.window.isWindowed else { return start == .min && end == .max }
        return ClosedRange.instants.contains(start) && plan.window.isStart(start, zone: zone)
            && end == self.end(ofWindowFrom: start)
    }
}

/// What the words of a group may be, found once a state.
private struct WireRules {
    let keyed: Bool
    let words: [ClosedRange<Int64>]
    let mayBeNull: [Bool]

    init(_ plan: QueryPlan) {
        keyed = plan.keysTable != nil
        let columns = plan.aggregates.flatMap(\.columns).filter { !$0.kind.isText }
        words = columns.map { $0.isCount ? .counts : $0.isLow ? SplitSum.lows : .anything }
        mayBeNull = columns.map { $0.kind == .nullableWord }
    }
}
