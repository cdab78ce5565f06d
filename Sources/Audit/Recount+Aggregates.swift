import Stream
import Trips

/// What each aggregate does with its values, and what people read of it, by other means than the program's own.
extension Recount {
    /// Adds one aggregate's values to the entries that were found.
    func apply(_ step: Step, _ batch: TripBatch, _ rows: Range<Int>) {
        let cells = read(step.field, batch, rows)
        let (words, stride, word) = (table.words, table.stride, step.word)
        @inline(__always) func each(_ body: (_ place: Int, _ value: Int64) -> Void) {
            for slot in 0..<windowsATrip {
                let entries = entries + slot * capacity
                for row in rows where entries[row] >= 0 {
                    let value = cells?[row] ?? 0
                    if value != nullCell { body(Int(entries[row]) &* stride &+ word, value) }
                }
            }
        }
        switch step.function {
        case .count, .countField: each { place, _ in words[place] &+= 1 }
        case .sum, .avg:
            each { place, value in
                let (sum, overflow) = words[place].addingReportingOverflow(value)
                words[place] = sum
                words[place &+ 1] &+= 1
                if overflow { overflown(place, value) }
            }
            carryValues(word, stride, rows)
        case .min: each { words[$0] = words[$0] == nullCell ? $1 : min(words[$0], $1) }
        case .max: each { words[$0] = max(words[$0], $1) }
        case .stddev:
            each { place, value in
                words[place &+ 1] &+= 1
                Self.add(Int128(value), to: words + place + 2)
                Self.add(Int128(value) * Int128(value), to: words + place + 4)
            }
        case .distinct:
            guard let field = step.field else { return }
            for slot in 0..<windowsATrip {
                let entries = entries + slot * capacity
                for row in rows where entries[row] >= 0 {
                    guard let hash = Self.hash(field, batch, row) else { continue }
                    tallyBytes += tallies[Self.key(Int(entries[row]), step.sketch), default: DistinctTally()].add(hash)
                }
            }
        case .quantile:
            for slot in 0..<windowsATrip {
                let entries = entries + slot * capacity
                for row in rows where entries[row] >= 0 {
                    guard let value = cells?[row], value != nullCell else { continue }
                    let key = Int64(entries[row]) << 8 | Int64(step.word)
                    // Found first: a table that grows moves its words.
                    let found = buckets.entry(key, FareBucket.index(ofCents: value))
                    buckets.words[found] &+= 1
                }
            }
        }
    }

    private static func hash(_ field: TripField, _ batch: TripBatch, _ row: Int) -> UInt64? {
        let cell = batch.column(field)[row]
        switch field.kind {
        case .string:
            let text = TextCell(cell: cell)
            return text.isEmpty ? nil : DistinctHash.of(text: batch.bytes(text))
        case .decimal: return cell == nullCell ? nil : DistinctHash.of(decimal: PackedDecimal(cell: cell))
        case .integer, .money, .timestamp: return cell == nullCell ? nil : DistinctHash.of(integer: cell)
        }
    }

    /// Adds to a sum whose words are `high · 2^62 + low`.
    private static func add(_ value: Int128, to words: UnsafeMutablePointer<Int64>) {
        let sum = ResultCells.whole(words) + value
        (words[0], words[1]) = (Int64(clamping: sum >> 62), Int64(truncatingIfNeeded: sum & (1 << 62 - 1)))
    }

    /// Works out the results that states keep, once all trips are added.
    func deriveResults() {
        for (step, aggregate) in zip(steps, plan.aggregates) where aggregate.hasDerivedResult {
            for entry in 0..<table.count {
                let words = table.words + entry * table.stride + step.word
                words[0] =
                    aggregate.hasSketch
                    ? tallies[Self.key(entry, step.sketch)]?.result ?? 0
                    : ResultCells.derived(aggregate, words) ?? nullCell
            }
        }
    }

    @inline(never)
    private func overflown(_ place: Int, _ value: Int64) { carries[place, default: 0] += value < 0 ? -1 : 1 }

    /// What the words of this batch's values lack.
    private func carryValues(_ word: Int, _ stride: Int, _ rows: Range<Int>) {
        for (row, carry) in valueCarries where rows.contains(row) {
            for slot in 0..<windowsATrip {
                let entry = entries[slot * capacity + row]
                if entry >= 0 { carries[Int(entry) * stride + word, default: 0] += carry }
            }
        }
    }
}

extension ResultCells {
    /// The result as an integer of the aggregate's `decimals` places; nil for null.
    static func result(
        _ aggregate: AggregatePlan, words: UnsafePointer<Int64>, histogram: [StoredState.Bucket]
    ) -> Int64? {
        switch aggregate.function {
        case .count, .countField, .distinct: return words[0]
        case .min, .max, .stddev: return words[0] == nullCell ? nil : words[0]
        case .sum: return words[1] == 0 ? nil : words[0]
        case .avg:
            guard words[1] != 0 else { return nil }
            return mean(words[0], words[1], places: aggregate.decimals - aggregate.unit.decimals)
        case .quantile(let share): return quantile(aggregate, share, histogram)
        }
    }

    /// Σ/n with so many more (or fewer) decimal places, a half away from zero: in 128 bits, so that nothing can run over.
    private static func mean(_ sum: Int64, _ count: Int64, places: Int) -> Int64 {
        let factor = Int128(power(abs(places)))
        let dividend = places > 0 ? Int128(sum) * factor : Int128(sum)
        let divisor = places < 0 ? Int128(count) * factor : Int128(count)
        let doubled = 2 * dividend.magnitude / divisor.magnitude
        let rounded = Int128((doubled + 1) / 2)
        return Int64(clamping: (dividend < 0) == (divisor < 0) ? rounded : -rounded)
    }

    /// The result that a state keeps among its words; nil for null.
    static func derived(_ aggregate: AggregatePlan, _ words: UnsafePointer<Int64>) -> Int64? {
        aggregate.function == .stddev ? deviation(aggregate, words) : nil
    }

    /// A sum of two words, `high · 2^62 + low`.
    static func whole(_ words: UnsafePointer<Int64>) -> Int128 { Int128(words[0]) << 62 + Int128(words[1]) }

    /// The standard deviation of a sample from the words of its state, a half up; nil for fewer than 2 values.
    ///
    /// Its square is (n Σx² − (Σx)²) / (n (n − 1)). So it is the greatest r with (2r − 1)² n (n − 1) ≤ 4 (n Σx² − (Σx)²), found by halving:
    /// without a root, and in 256 bits.
    private static func deviation(_ aggregate: AggregatePlan, _ words: UnsafePointer<Int64>) -> Int64? {
        // What is stored may be anything.
        guard words[1] > 1, words[1] < 1 << 50, words[4] >= 0 else { return nil }
        let n = UInt128(words[1])
        let places = aggregate.decimals - aggregate.unit.decimals
        let scale = UInt128(power(2 * abs(places)))
        guard
            let spread = Wide(n, whole(words + 4).magnitude)
                - Wide(whole(words + 2).magnitude, whole(words + 2).magnitude)
        else { return nil }
        let right = spread.times(4 * (places > 0 ? scale : 1))
        let left = n * (n - 1) * (places < 0 ? scale : 1)
        var (least, above) = (UInt128(0), UInt128(1) << 63)
        while above - least > 1 {
            let middle = (least + above) / 2
            let odd = 2 * middle - 1
            if right < Wide(odd * odd, left) { above = middle } else { least = middle }
        }
        return Int64(least)
    }

    /// A product of up to 256 bits.
    private struct Wide: Comparable {
        var high: UInt128
        var low: UInt128

        init(_ a: UInt128, _ b: UInt128) { (high, low) = a.multipliedFullWidth(by: b) }

        func times(_ factor: UInt128) -> Wide {
            var product = Wide(low, factor)
            product.high &+= high &* factor
            return product
        }

        static func - (a: Wide, b: Wide) -> Wide? {
            guard a >= b else { return nil }
            var rest = a
            rest.low = a.low &- b.low
            rest.high = a.high - b.high - (a.low < b.low ? 1 : 0)
            return rest
        }

        static func < (a: Wide, b: Wide) -> Bool { (a.high, a.low) < (b.high, b.low) }
    }

    private static func quantile(_ aggregate: AggregatePlan, _ share: Double, _ buckets: [StoredState.Bucket]) -> Int64?
    {
        let exact = DecimalShare(share)
        // Stored counts may be anything.
        let total = buckets.reduce(Int64(0)) { $0.addingSaturated($1.count) }
        var seen: Int64 = 0
        for (bucket, count) in buckets {
            seen = seen.addingSaturated(count)
            guard exact.isReached(by: seen, of: total) else { continue }
            let scale = Double(power(aggregate.decimals)) / Double(power(aggregate.unit.decimals))
            // A stored bucket may be one that there is not.
            let value = (FareBucket.middle(of: bucket) * scale).rounded()
            return abs(value) < 9e18 ? Int64(value) : .max
        }
        return nil
    }
}
