import Problems
import Time
import Trips

extension QueryState {
    /// Adds what another worker's state of the same query holds, and empties that.
    func merge(_ other: QueryState) {
        if overflow == nil { overflow = other.overflow }
        counts += other.counts
        other.counts = QueryCounts()
        let translated = plan.keysTable == nil ? nil : other.keys.keys.map(keys.id)
        for source in other.windows.open.values {
            let target = windows.window(start: source.pointee.start, end: source.pointee.end)
            target.pointee.isChanged = true
            merge(source, into: target, ids: translated)
        }
        other.windows.removeAll()
    }

    /// Adds a window of another state of the same query to one of this.
    ///
    /// - Parameter ids: what the other's ids of groups are here; nil where they are the same.
    func merge(_ source: WindowPointer, into target: WindowPointer, ids: [Int64]?) {
        var entries: [Int] = []
        for index in 0..<source.pointee.count {
            let group = source.pointee.groups[index]
            let id = ids.map { $0[Int(group)] } ?? group
            let entry = target.pointee.entry(of: id, stride: windows.stride, initial: initialWords)
            if !plan.window.isWindowed || source.pointee.groupChanged[index] {
                target.pointee.groupChanged[entry] = true
            }
            entries.append(entry)
            add(
                source.pointee.words + index * windows.stride, to: target.pointee.words + entry * windows.stride,
                target)
            let sketches = windows.sketches
            for sketch in 0..<sketches {
                target.pointee.sketches[entry * sketches + sketch].formUnion(
                    source.pointee.sketches[index * sketches + sketch])
            }
        }
        for (key, count) in source.pointee.histograms {
            let entry = Int32(entries[Int(key.entry)])
            target.pointee.histograms[
                .init(entry: entry, histogram: key.histogram, bucket: key.bucket), default: 0] += count
        }
    }
}

// MARK: - Results among the words

extension QueryState {
    /// Works out the results of a window that are kept among its words: of all groups, or of those that changed since the last epoch.
    func derive(_ window: WindowPointer, onlyChanged: Bool) {
        guard !derived.isEmpty else { return }
        for entry in 0..<window.pointee.count where !onlyChanged || window.pointee.groupChanged[entry] {
            let words = window.pointee.words + entry * windows.stride
            for (aggregate, word, sketch) in derived {
                if aggregate.hasSketch {
                    words[word] = window.pointee.sketches[entry * windows.sketches + sketch].count
                } else {
                    aggregate.derive(words + word)
                }
            }
        }
    }
}

// MARK: - Sums that leave their words

extension QueryState {
    /// - Throws: `Problem(.badData)` that names query, aggregate and window where a sum left its words.
    func requireNoOverflow() throws(Problem) {
        guard let overflow else { return }
        var word = 0
        let aggregate = plan.aggregates.first { aggregate in
            defer { word += aggregate.words }
            return word + aggregate.words > overflow.word
        }
        let name = aggregate?.name ?? ""
        let bits = aggregate?.sumBits ?? 64
        let column = aggregate?.field?.name
        let window = plan.window.isWindowed ? ", in the window from \(zone.iso(ms: overflow.window))" : ""
        throw Problem(
            .badData, "query \"\(plan.name)\": the sums of \"\(name)\" leave \(bits) bits\(window)",
            hint: (column.map { "Look for values of \($0) that no trip has, and leave them out with \"where\". " } ?? "")
                + "Nothing of this epoch is stored; stream --from-beginning computes the query anew.")
    }
}
