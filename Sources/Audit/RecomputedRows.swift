import SQLite
import Stream
import Trips

/// A recount as rows of storage.
struct RecomputedRows {
    private let audit: QueryAudit
    private let ids: [Int64: Int64]
    private let histograms: Histograms
    private let kinds: [AggregatePlan.Column.Kind]

    init(_ audit: QueryAudit) {
        self.audit = audit
        histograms = Histograms(audit.recount.buckets)
        kinds = audit.plan.stateColumns.map(\.kind)
        var ids = audit.storedIDs
        if audit.plan.keysTable != nil {
            var next = (ids.values.max() ?? -1) + 1
            for group in 0..<Int64(audit.recount.numbers.count) where ids[group] == nil {
                ids[group] = next
                next += 1
            }
        }
        self.ids = ids
    }

    /// The id that storage has for a group, or would have.
    func id(of group: Int64) -> Int64 { audit.plan.keysTable == nil ? group : ids[group] ?? group }

    /// Each id with the parts of its group.
    var keys: [(Int64, [SQLValue])] {
        ids.sorted { $0.value < $1.value }.map { group, id in
            let parts = audit.recount.numbers.parts(of: group, count: audit.plan.groups.count)
            return (
                id,
                zip(parts, audit.plan.groups).map { part, key in
                    switch part {
                    case .integer(let value): .integer(value)
                    case .text(let bytes): .text(String(decoding: bytes, as: UTF8.self))
                    }
                }
            )
        }
    }

    /// The state columns of an entry.
    func state(of entry: Int) -> [SQLValue] {
        let table = audit.recount.table
        let words = table.words + entry * table.stride
        var (word, histogram, sketch) = (0, 0, 0)
        return kinds.map { kind in
            switch kind {
            case .histogram:
                histogram += 1
                return .text(text(of: histograms.of(entry, histogram - 1)))
            case .sketch:
                sketch += 1
                return .text(audit.recount.tallies[Recount.key(entry, sketch - 1)]?.text ?? "")
            case .word, .nullableWord: break
            }
            word += 1
            return words[word - 1] == nullCell ? .null : .integer(words[word - 1])
        }
    }

    /// The value of a group in a window's JSON object.
    func packed(_ entry: Int) -> String {
        let values = zip(kinds, state(of: entry)).map { kind, value in
            switch value {
            case .integer(let number): "\(number)"
            case .text(let text): kind == .sketch ? "\"\(text)\"" : text
            default: "null"
            }
        }
        return audit.plan.packsBareWords ? values[0] : "[\(values.joined(separator: ","))]"
    }

    private func text(of buckets: [StoredState.Bucket]) -> String {
        "{\(buckets.map { "\"\($0.bucket)\":\($0.count)" }.joined(separator: ","))}"
    }

    /// The groups of a stored window in their order, as far as they can be read.
    static func ids(in bytes: UnsafeRawBufferPointer, _ plan: QueryPlan) -> [Int64] {
        var ids: [Int64] = []
        var state = StoredState()
        try? PackedReader.forEachGroup(
            in: bytes, kinds: plan.stateColumns.map(\.kind), isBare: plan.packsBareWords, state: &state
        ) { id, _ in ids.append(id) }
        return ids
    }
}
