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

    @inline(__always)
    func apply(
        _ updates: UnsafeBufferPointer<Update>, _ columns: UnsafeBufferPointer<UnsafePointer<Int64>>, _ row: Int,
        _ window: WindowPointer, _ entry: Int, _ stride: Int
    ) {
        let words = window.pointee.words + entry &* stride
        for index in 0..<updates.count {
            let word = updates[index].word
            switch updates[index].kind {
            case .count: add(1, to: words, word, window)
            case .countField:
                if !isNull(columns[index][row], updates[index]) { add(1, to: words, word, window) }
            case .sum:
                let value = columns[index][row]
                if value != nullCell {
                    add(value, to: words, word, window)
                    // The sum's own check is enough: a count that nears 64 bits is none of ours.
                    words[word &+ 1] &+= 1
                }
            case .least:
                let value = columns[index][row]
                if value != nullCell, words[word] == nullCell || value < words[word] { words[word] = value }
            case .greatest:
                let value = columns[index][row]
                if value != nullCell, value > words[word] { words[word] = value }
            case .deviation:
                let value = columns[index][row]
                if value != nullCell {
                    words[word &+ 1] &+= 1
                    let isOver = SplitSum.add(value, to: words + (word &+ 2))
                    if SplitSum.addSquare(of: value, to: words + (word &+ 4)) || isOver {
                        noteOverflow(of: word, window.pointee.start)
                    }
                }
            case .distinct:
                let hash = UInt64(bitPattern: columns[index][row])
                if hash != 0 { window.pointee.sketches[entry &* window.pointee.sketchStride &+ word].insert(hash) }
            case .histogram:
                let value = columns[index][row]
                if value != nullCell {
                    let bucket = FareBucket.index(ofCents: value)
                    window.pointee.histograms[
                        .init(entry: Int32(entry), histogram: Int32(word), bucket: bucket), default: 0] += 1
                }
            }
        }
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

    @inline(__always)
    private func isNull(_ cell: Int64, _ update: Update) -> Bool {
        update.field?.kind == .string ? TextCell(cell: cell).isEmpty : cell == nullCell
    }
}
