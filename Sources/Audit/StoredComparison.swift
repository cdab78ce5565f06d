import Problems
import SQLite
import Stream
import Time
import Trips

/// Compares what is stored of one query with its recount, row by row and word by word.
///
/// Where late records may be missing from a window its rows may have less than all trips give, never more; afterwards the recount
/// holds what is stored there, so that what follows is compared with that.
struct StoredComparison {
    let audit: QueryAudit
    let connection: Connection
    let keys: StoredKeys
    private let kinds: [AggregatePlan.Column.Kind]
    private let histograms: Histograms
    private let countWord: Int?
    private var plan: QueryPlan { audit.plan }
    private var recount: Recount { audit.recount }
    private var table: FlatTable { audit.recount.table }

    init(_ audit: QueryAudit, on connection: Connection) throws {
        (self.audit, self.connection) = (audit, connection)
        keys = try StoredKeys(audit, on: connection)
        audit.keys = keys
        kinds = audit.plan.stateColumns.map(\.kind)
        histograms = Histograms(audit.recount.buckets)
        countWord = audit.countWord
    }

    /// Compares the rows of the windows that start in `slice`.
    func run(_ slice: Range<EventTime>) throws {
        if plan.packsGroups {
            try comparePacked(slice)
        } else {
            try compareColumns(slice)
        }
        findOversized()
        try findMissing()
    }

    private func comparePacked(_ slice: Range<EventTime>) throws {
        let isBare = plan.packsBareWords
        var state = StoredState()
        try forEachRow("window_start_ms, closed, groups", slice) { row in
            guard let window = compareWindow(row) else { return }
            do throws(PackedReader.Malformed) {
                try row.withBytes(2) { (bytes) throws(PackedReader.Malformed) in
                    try PackedReader.forEachGroup(in: bytes, kinds: kinds, isBare: isBare, state: &state) { id, state in
                        if let group = keys.group(of: id) {
                            compare(window, group, state)
                        } else {
                            audit.view.differ(window, "\(audit.time(window)): names a group \(id) that there is not")
                        }
                    }
                }
            } catch {
                audit.damaged.insert(window)
                audit.view.differ(window, "\(audit.time(window)): groups are damaged at byte \(error.offset)")
            }
        }
    }

    private func compareColumns(_ slice: Range<EventTime>) throws {
        let isWindowed = plan.window.isWindowed
        if !isWindowed, slice.lowerBound != .min { return }
        let firstColumn = isWindowed ? 2 : 1
        var state = StoredState()
        try forEachRow("*", slice) { row in
            let id = row.integer(0)
            if isWindowed, compareWindow(row) == nil { return }
            state.clear()
            for (index, kind) in kinds.enumerated() {
                let column = index + firstColumn
                if kind == .sketch {
                    guard row.isText(column) else {
                        audit.view.differ(
                            id,
                            "row \(id): \(row.columnName(column)) is \(CellText.of(row.value(column))), which is no text"
                        )
                        return
                    }
                    state.sketches.append(row.withBytes(column) { Array($0) })
                } else if kind == .histogram {
                    do throws(PackedReader.Malformed) {
                        let buckets = try row.withBytes(column) { (bytes) throws(PackedReader.Malformed) in
                            try PackedReader.histogram(bytes)
                        }
                        state.histograms.append(buckets)
                    } catch {
                        audit.view.differ(id, "row \(id): a histogram is damaged at byte \(error.offset)")
                        return
                    }
                } else {
                    let isNull = kind == .nullableWord && row.isNull(column)
                    let word = row.integer(column)
                    if !isNull, !row.isInteger(column) || word == nullCell {
                        let place = isWindowed ? audit.time(id) : "row \(id)"
                        audit.view.differ(
                            id,
                            "\(place): \(row.columnName(column)) is \(CellText.of(row.value(column))), which is no number of a state"
                        )
                        audit.damaged.insert(isWindowed ? id : .min)
                        return
                    }
                    state.words.append(isNull ? nullCell : word)
                }
            }
            if isWindowed {
                compare(id, 0, state)
            } else if let group = keys.group(of: id) {
                compare(.min, group, state)
            } else {
                audit.view.differ(id, "row \(id): names a group that there is not")
            }
        }
    }

    private func forEachRow(_ columns: String, _ slice: Range<EventTime>, _ body: (Statement) -> Void) throws {
        let condition = plan.window.isWindowed ? " WHERE window_start_ms >= ? AND window_start_ms < ?" : ""
        let statement = try connection.prepare("SELECT \(columns) FROM \(plan.storageTable)\(condition)")
        if plan.window.isWindowed {
            statement.bind(0, slice.lowerBound)
            statement.bind(1, slice.upperBound)
        }
        while try statement.step() { body(statement) }
    }

    /// The window of a row, and whether it is closed as it should be; nil for one at a time that there is not.
    private func compareWindow(_ row: Statement) -> EventTime? {
        let window = row.integer(0)
        guard QueryAudit.times.contains(window) else {
            audit.view.differ(window, "window_start_ms is \(window), which is no time")
            return nil
        }
        // Each time that late trips are merged into a window, or it closes again after a rewind, it counts one more.
        let expected: Int64 = audit.isClosed(window) ? 1 : 0
        let restated = audit.isRestated(window) ? Int64(audit.restatements) : 0
        let mostRevisions = expected == 0 ? 0 : audit.mostRevisions.addingSaturated(restated)
        if !row.isInteger(1) || !(expected...max(expected, mostRevisions)).contains(row.integer(1)) {
            audit.view.differ(
                window, "\(audit.time(window)): closed is \(CellText.of(row.value(1))), should be \(expected)")
        }
        return window
    }

    /// Sums that 64 bits cannot hold: whatever is stored for them is wrong.
    private func findOversized() {
        for place in recount.carries.keys.sorted() {
            guard let whole = recount.whole(place) else { continue }
            let (entry, word) = (place / table.stride, place % table.stride)
            guard let aggregate = aggregate(ofWord: word) else { continue }
            table.marks[entry].insert(.wrong)
            let window = table.windows[entry]
            audit.view.differ(
                window,
                "\(audit.key(window, table.groups[entry])): the sum of \(aggregate.name) is \(ResultCells.text(whole, decimals: aggregate.unit.decimals)), which 64 bits cannot hold"
            )
        }
        for (field, count) in recount.oversized.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            audit.view.differ(
                .max,
                "\(count) value\(count == 1 ? "" : "s") of \(field.name) cannot be held in 64 bits")
        }
        recount.oversized = [:]
    }

    private func aggregate(ofWord word: Int) -> AggregatePlan? {
        var next = 0
        return plan.aggregates.first { aggregate in
            next += aggregate.words
            return word < next
        }
    }
}

// MARK: - One row

extension StoredComparison {
    private func compare(_ window: EventTime, _ group: Int64, _ state: StoredState) {
        audit.view.cells += audit.viewColumnCount
        guard let entry = table.find(window, group) else {
            let cells = plan.aggregates.isEmpty ? "" : " (\(describe(state)))"
            audit.view.differ(window, "\(audit.key(window, group)): there should be no such row\(cells)")
            return
        }
        guard !table.marks[entry].contains(.stored) else {
            audit.view.differ(window, "\(audit.key(window, group)): is there twice")
            return
        }
        table.marks[entry].insert(.stored)
        let words = table.words + entry * table.stride
        if audit.mayLack(window) {
            return compareLacking(window, group, entry, state)
        }
        var isSame = state.words.count == table.stride
        for word in 0..<table.stride where isSame { isSame = words[word] == state.words[word] }
        if isSame, state.histograms.isEmpty, state.sketches.isEmpty { return }
        compareCells(window, group, entry, state)
    }

    /// A row that late records may be missing from.
    private func compareLacking(_ window: EventTime, _ group: Int64, _ entry: Int, _ state: StoredState) {
        let words = table.words + entry * table.stride
        audit.uncertainRows += 1
        if let countWord {
            let lacking = words[countWord].subtractingSaturated(state.words[countWord])
            if lacking < 0 {
                audit.view.differ(
                    window,
                    "\(audit.key(window, group)): has \(state.words[countWord]) trips, there are only \(words[countWord])"
                )
            } else {
                audit.lacking = audit.lacking.addingSaturated(lacking)
            }
        }
        for word in 0..<table.stride {
            words[word] = state.words[word]
            if !recount.carries.isEmpty { recount.carries[entry * table.stride + word] = nil }
        }
        compareDerived(window, group, entry, state)
    }

    /// Results that a state keeps have to be those of its words, whatever trips these are of.
    private func compareDerived(_ window: EventTime, _ group: Int64, _ entry: Int, _ state: StoredState) {
        let words = table.words + entry * table.stride
        var (word, sketch) = (0, 0)
        for aggregate in plan.aggregates {
            if aggregate.hasSketch {
                let stored = DistinctTally(stored: state.sketches[sketch])
                let mine = recount.tallies[Recount.key(entry, sketch)] ?? DistinctTally()
                if stored?.isPart(of: mine) != true {
                    differ(window, group, aggregate, nil, nil, "\(aggregate.name) has values that no trip has")
                } else if let result = stored?.result, result != words[word] {
                    differ(window, group, aggregate, words[word], result, "")
                    words[word] = result
                }
                sketch += 1
            } else if aggregate.hasDerivedResult {
                let result = ResultCells.derived(aggregate, words + word)
                let stored = ResultCells.result(aggregate, words: words + word, histogram: [])
                if result != stored {
                    words[word] = result ?? nullCell
                    differ(window, group, aggregate, stored, result, "")
                }
            }
            word += aggregate.words
        }
    }

    private func compareCells(_ window: EventTime, _ group: Int64, _ entry: Int, _ state: StoredState) {
        let words = table.words + entry * table.stride
        var word = 0
        var (histogram, sketch) = (0, 0)
        for aggregate in plan.aggregates {
            if aggregate.hasHistogram {
                let (mine, stored) = (histograms.of(entry, histogram), state.histograms[histogram])
                if !mine.elementsEqual(stored, by: ==) {
                    let counts = (values(stored), values(mine))
                    differ(
                        window, group, aggregate, ResultCells.result(aggregate, words: words, histogram: stored),
                        ResultCells.result(aggregate, words: words, histogram: mine),
                        "the histogram of \(aggregate.name) is \(counts.0), should be \(counts.1)")
                }
                histogram += 1
                continue
            }
            let width = aggregate.words
            let isSame = (word..<word + width).allSatisfy { words[$0] == state.words[$0] }
            if !isSame {
                let stored = state.words.withUnsafeBufferPointer {
                    ResultCells.result(aggregate, words: $0.baseAddress! + word, histogram: [])
                }
                let names = aggregate.columns.map(\.name)
                let place = (0..<width).first { words[word + $0] != state.words[word + $0] } ?? 0
                differ(
                    window, group, aggregate, stored,
                    ResultCells.result(aggregate, words: words + word, histogram: []),
                    "\(names[place]) is \(state.words[word + place]), should be \(words[word + place])")
            }
            if aggregate.hasSketch {
                let mine = recount.tallies[Recount.key(entry, sketch)] ?? DistinctTally()
                if isSame, DistinctTally(stored: state.sketches[sketch]) != mine {
                    differ(
                        window, group, aggregate, nil, nil, "the sketch of \(aggregate.name) is not that of its values")
                }
                sketch += 1
            }
            word += width
        }
    }

    /// Names the cell that people see, or where that is the same the stored number behind it.
    private func differ(
        _ window: EventTime, _ group: Int64, _ aggregate: AggregatePlan, _ stored: Int64?, _ mine: Int64?,
        _ hidden: @autoclosure () -> String
    ) {
        if let entry = table.find(window, group) { table.marks[entry].insert(.wrong) }
        audit.view.differ(
            window,
            "\(audit.key(window, group)): "
                + (stored == mine
                    ? hidden()
                    : "\(aggregate.name) is \(ResultCells.text(stored, decimals: aggregate.decimals)), "
                        + "should be \(ResultCells.text(mine, decimals: aggregate.decimals))"))
    }

    private func values(_ buckets: [StoredState.Bucket]) -> String {
        "{" + buckets.map { "\($0.bucket): \($0.count)" }.joined(separator: ", ") + "}"
    }

    private func describe(_ state: StoredState) -> String {
        guard let aggregate = plan.aggregates.first else { return "" }
        let value = state.words.withUnsafeBufferPointer { words in
            aggregate.hasHistogram
                ? ResultCells.result(aggregate, words: table.words, histogram: state.histograms[0])
                : ResultCells.result(aggregate, words: words.baseAddress!, histogram: [])
        }
        return "\(aggregate.name) is \(ResultCells.text(value, decimals: aggregate.decimals))"
    }

    /// Rows that should be there and are not; counts those that there should be.
    private func findMissing() throws {
        for entry in 0..<table.count {
            let (window, group) = (table.windows[entry], table.groups[entry])
            if !table.marks[entry].contains(.stored) {
                if try audit.pruned.contains(window) {
                    audit.prunedWindows.insert(window)
                    if audit.mayLack(window) { table.marks[entry].insert(.unknowable) }
                    continue
                }
                if audit.mayLack(window) {
                    // All of its trips may have been late.
                    audit.lacking = audit.lacking.addingSaturated(
                        countWord.map { table.words[entry * table.stride + $0] } ?? 0)
                    table.marks[entry].insert(.absent)
                    continue
                }
                if !audit.damaged.contains(window) {
                    audit.view.differ(
                        window, "\(audit.key(window, group)): the row is missing (\(describe(entry)))")
                }
            }
            audit.storedRows += 1
            if plan.emit != .append || audit.isClosed(window) { audit.viewRows += 1 }
        }
    }

    private func describe(_ entry: Int) -> String {
        guard let aggregate = plan.aggregates.first else { return "" }
        let value = ResultCells.result(
            aggregate, words: table.words + entry * table.stride,
            histogram: aggregate.hasHistogram ? histograms.of(entry, 0) : [])
        return "\(aggregate.name) should be \(ResultCells.text(value, decimals: aggregate.decimals))"
    }
}

/// What the group ids of storage are in the recount.
struct StoredKeys {
    /// By id; -1 for an id that there is not.
    private var groups: [Int64]?
    /// Ids beyond any that a query would give.
    private var others: [Int64: Int64] = [:]

    init(_ audit: QueryAudit, on connection: Connection) throws {
        guard let keys = audit.plan.keysTable else { return }
        let isText = audit.plan.groups.map(\.isString)
        var known: [Int64] = []
        let statement = try connection.prepare("SELECT * FROM \(keys) ORDER BY id")
        while try statement.step() {
            let id = statement.integer(0)
            let parts = isText.enumerated().map { index, isText -> GroupNumbers.Part in
                let column = index + 1
                if isText ? !statement.isText(column) : !statement.isInteger(column) {
                    audit.view.differ(
                        "group \(id): \(statement.columnName(column)) is \(CellText.of(statement.value(column))), which is no value of the column"
                    )
                }
                return isText ? .text(statement.withBytes(column) { Array($0) }) : .integer(statement.integer(column))
            }
            let group = GroupNumbers.key(parts).withUnsafeBufferPointer { audit.recount.numbers.number(of: $0) }
            if id == Int64(known.count) { known.append(group) } else { others[id] = group }
        }
        groups = known
    }

    /// The id of each group that has one.
    var ids: [Int64: Int64] {
        var ids = others.reduce(into: [:]) { $0[$1.value] = $1.key }
        for (id, group) in (groups ?? []).enumerated() { ids[group] = Int64(id) }
        return ids
    }

    @inline(__always)
    func group(of id: Int64) -> Int64? {
        guard let groups else { return id }
        return id >= 0 && id < groups.count ? groups[Int(id)] : others[id]
    }
}
