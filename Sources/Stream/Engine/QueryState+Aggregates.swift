import Time
import Trips

/// What each aggregate does with its words: for a record, and where two states become one.
extension QueryState {
    /// One aggregate's step for each record.
    struct Update {
        enum Kind: UInt8 { case count, countField, sum, least, greatest, deviation, distinct, histogram }
        var kind: Kind
        /// Index of the aggregate's first word, of its sketch or of its histogram.
        var word: Int
        var field: TripField?
        /// Index in `scratch` for a column whose cells are not what is added.
        var scratch: Int?

        /// - Parameters:
        ///   - word: the first of the aggregate's words.
        ///   - histogram: its number, where it has one; likewise `sketch`.
        init(_ aggregate: AggregatePlan, word: Int, histogram: Int, sketch: Int) {
            (self.word, field) = (word, aggregate.field)
            switch aggregate.function {
            case .count: kind = .count
            case .countField: kind = .countField
            case .sum, .avg: kind = .sum
            case .min: kind = .least
            case .max: kind = .greatest
            case .stddev: kind = .deviation
            case .distinct: (kind, self.word) = (.distinct, sketch)
            case .quantile: (kind, self.word) = (.histogram, histogram)
            }
        }
    }

    /// Adds rows that are all of one group: what is kept of it stays in registers, and is stored once.
    func apply(
        _ columns: UnsafeBufferPointer<UnsafePointer<Int64>>, _ rows: Range<Int>, _ window: WindowPointer, _ entry: Int
    ) {
        let words = window.pointee.words + entry &* windows.stride
        for (update, column) in zip(updates, columns) {
            switch update.kind {
            case .count: add(Int64(rows.count), to: words, update.word, window)
            case .sum:
                var (sum, count, isOver) = (words[update.word], words[update.word &+ 1], false)
                for row in rows where column[row] != nullCell {
                    Self.add(column[row], to: &sum, &isOver)
                    count &+= 1
                }
                (words[update.word], words[update.word &+ 1]) = (sum, count)
                if isOver { noteOverflow(of: update.word, window.pointee.start) }
            default: apply(update, column, rows, window) { _ in entry }
            }
        }
    }

    /// Adds rows of several groups, whose places are in `entries`.
    func apply(
        _ columns: UnsafeBufferPointer<UnsafePointer<Int64>>, _ rows: Range<Int>, _ window: WindowPointer
    ) {
        let entries = entries
        for (update, column) in zip(updates, columns) { apply(update, column, rows, window) { entries[$0] } }
    }

    /// Adds rows to one aggregate, each to its entry of the window; rows without one are left out.
    ///
    /// Column by column, so that the loops are short. Where sums of several aggregates leave 64 bits within one stretch, it is the first
    /// aggregate that is noted; each running sum is looked at with each row, so that none leaves them and comes back unseen.
    @inline(__always)
    private func apply(
        _ update: Update, _ column: UnsafePointer<Int64>, _ rows: Range<Int>, _ window: WindowPointer,
        entry: (Int) -> Int
    ) {
        let (word, stride) = (update.word, windows.stride)
        let words = window.pointee.words + word
        var isOver = false
        switch update.kind {
        case .count:
            for row in rows where entry(row) >= 0 { Self.add(1, to: &words[entry(row) &* stride], &isOver) }
        case .countField:
            let isText = update.field?.kind == .string
            for row in rows where entry(row) >= 0 {
                let cell = column[row]
                if isText ? TextCell(cell: cell).isEmpty : cell == nullCell { continue }
                Self.add(1, to: &words[entry(row) &* stride], &isOver)
            }
        case .sum:
            for row in rows where entry(row) >= 0 && column[row] != nullCell {
                let words = words + entry(row) &* stride
                Self.add(column[row], to: &words[0], &isOver)
                // The sum's own check is enough: a count that nears 64 bits is none of ours.
                words[1] &+= 1
            }
        case .least:
            for row in rows where entry(row) >= 0 && column[row] != nullCell {
                let (value, words) = (column[row], words + entry(row) &* stride)
                if words[0] == nullCell || value < words[0] { words[0] = value }
            }
        case .greatest:
            for row in rows where entry(row) >= 0 && column[row] != nullCell {
                let (value, words) = (column[row], words + entry(row) &* stride)
                if value > words[0] { words[0] = value }
            }
        case .deviation:
            for row in rows where entry(row) >= 0 && column[row] != nullCell {
                let (value, words) = (column[row], words + entry(row) &* stride)
                words[1] &+= 1
                if SplitSum.add(value, to: words + 2) { isOver = true }
                if SplitSum.addSquare(of: value, to: words + 4) { isOver = true }
            }
        case .distinct:
            for row in rows where entry(row) >= 0 && column[row] != 0 {
                window.pointee.sketches[entry(row) &* window.pointee.sketchStride &+ word]
                    .insert(UInt64(bitPattern: column[row]))
            }
        case .histogram:
            for row in rows where entry(row) >= 0 && column[row] != nullCell {
                let bucket = FareBucket.index(ofCents: column[row])
                window.pointee.histograms[
                    .init(entry: Int32(entry(row)), histogram: Int32(word), bucket: bucket), default: 0] += 1
            }
        }
        if isOver { noteOverflow(of: word, window.pointee.start) }
    }

    @inline(__always)
    private static func add(_ value: Int64, to sum: inout Int64, _ isOver: inout Bool) {
        let (result, leaves) = sum.addingReportingOverflow(value)
        sum = result
        if leaves { isOver = true }
    }

    func add(
        _ source: UnsafePointer<Int64>, to target: UnsafeMutablePointer<Int64>, _ window: WindowPointer
    ) {
        for update in updates {
            switch update.kind {
            case .count, .countField: add(source[update.word], to: target, update.word, window)
            case .sum:
                add(source[update.word], to: target, update.word, window)
                add(source[update.word + 1], to: target, update.word + 1, window)
            case .least:
                let (value, old) = (source[update.word], target[update.word])
                if value != nullCell, old == nullCell || value < old { target[update.word] = value }
            case .greatest: target[update.word] = max(target[update.word], source[update.word])
            case .deviation:
                add(source[update.word + 1], to: target, update.word + 1, window)
                for word in [update.word + 2, update.word + 4]
                where SplitSum.add(source[word], source[word + 1], to: target + word) {
                    noteOverflow(of: word, window.pointee.start)
                }
            case .distinct, .histogram: break
            }
        }
    }

    /// Adds to a sum; one that leaves 64 bits is noted, and `QueryOutputBuilder` tells of it before anything of the epoch is stored.
    @inline(__always)
    func add(_ value: Int64, to words: UnsafeMutablePointer<Int64>, _ word: Int, _ window: WindowPointer) {
        let (sum, isOver) = words[word].addingReportingOverflow(value)
        words[word] = sum
        if isOver { noteOverflow(of: word, window.pointee.start) }
    }

    @inline(never)
    func noteOverflow(of word: Int, _ window: EventTime) {
        if overflow == nil { overflow = (word, window) }
    }
}
