import Stream
import Time
import Trips

/// What the conditions of a query's alerts make of its recounted windows: another evaluation than the stream's, over windows that are whole.
final class AlertRecount {
    /// A closed window in which a condition holds for a group.
    private struct Match {
        var group: Int64
        var start: EventTime
        var end: EventTime
        /// Where the next window starts.
        var next: EventTime
        var value: Double
    }

    /// An alert as it should be stored.
    struct Raised: Hashable {
        var raised: EventTime
        var start: EventTime
        var value: Double
    }

    private let audit: QueryAudit
    /// By the alert's place in the plan, in the order of time.
    private var matches: [[Match]]

    init(_ audit: QueryAudit) {
        self.audit = audit
        matches = Array(repeating: [], count: audit.plan.alerts.count)
    }

    /// Takes the windows of a slice; slices come in the order of time.
    func add() {
        guard !audit.plan.alerts.isEmpty else { return }
        let (plan, table) = (audit.plan, audit.recount.table)
        let closed = (0..<table.count).filter { entry in
            !table.marks[entry].contains(.absent) && audit.isClosed(table.windows[entry])
        }
        let histograms = Histograms(audit.recount.buckets)
        for entry in closed.sorted(by: { table.windows[$0] < table.windows[$1] }) {
            let (start, group) = (table.windows[entry], table.groups[entry])
            let values = AlertValues(audit, entry, histograms)
            for (index, alert) in plan.alerts.enumerated() where alert.condition.isTrue(of: values) == true {
                let end = audit.recount.end(ofWindowFrom: start)
                var next = end
                if case .sliding(_, let everyMs) = plan.window { next = start + everyMs }
                var value = 0.0
                if case .number(let found)? = alert.condition.leading.map({ values[$0.subject] }) { value = found }
                matches[index].append(Match(group: group, start: start, end: end, next: next, value: value))
            }
        }
    }

    /// What alert number `index` raises if it looks at windows from `first` on.
    func raised(_ index: Int, from first: EventTime = .min) -> [Raised] {
        let alert = audit.plan.alerts[index]
        var rows: [Int64: (count: Int, next: EventTime, quietUntil: EventTime)] = [:]
        var raised: [Raised] = []
        for match in matches[index] where match.start >= first {
            var row = rows[match.group] ?? (0, .min, .min)
            row.count = row.next == match.start ? row.count + 1 : 1
            row.next = match.next
            let isDue: Bool
            if let cooldownMs = alert.cooldownMs {
                isDue = row.count >= alert.windows && match.end >= row.quietUntil
                if isDue { row.quietUntil = match.end.addingSaturated(cooldownMs) }
            } else {
                isDue = row.count == alert.windows
            }
            rows[match.group] = row
            if isDue { raised.append(Raised(raised: match.end, start: match.start, value: match.value)) }
        }
        return raised
    }

    /// The start of the window from which on an alert must have looked that was first raised by the window at `start`.
    func beginning(_ index: Int, firstRaisedBy start: EventTime) -> EventTime {
        guard let match = matches[index].first(where: { $0.start == start }) else { return start }
        let step = max(match.next - match.start, 1)
        return start - Int64(audit.plan.alerts[index].windows - 1) * step
    }
}

/// The values of one entry that conditions compare.
private struct AlertValues {
    private let audit: QueryAudit
    private let entry: Int
    private let histograms: Histograms

    init(_ audit: QueryAudit, _ entry: Int, _ histograms: Histograms) {
        (self.audit, self.entry, self.histograms) = (audit, entry, histograms)
    }

    subscript(_ subject: AlertCondition.Subject) -> AlertCondition.Value {
        let (plan, table) = (audit.plan, audit.recount.table)
        switch subject {
        case .aggregate(let index, _):
            let before = plan.aggregates[..<index]
            let aggregate = plan.aggregates[index]
            let result = ResultCells.result(
                aggregate, words: table.words + entry * table.stride + before.reduce(0) { $0 + $1.words },
                histogram: aggregate.hasHistogram ? histograms.of(entry, before.count(where: \.hasHistogram)) : [])
            return result.map { .number(Double($0) / Double(ResultCells.power(aggregate.decimals))) } ?? .null
        case .group(let index, _):
            let group = table.groups[entry]
            let part =
                plan.keysTable == nil
                ? .integer(group) : audit.recount.numbers.parts(of: group, count: plan.groups.count)[index]
            switch part {
            case .text(let bytes): return .text(String(decoding: bytes, as: UTF8.self))
            case .integer(let day) where plan.groups[index] == .day: return .text(Calendar.text(ofDay: Int(day)))
            case .integer(let number): return .number(Double(number))
            }
        }
    }
}

extension AlertCondition {
    /// Whether it is true of an entry; nil for unknown.
    fileprivate func isTrue(of values: AlertValues) -> Bool? {
        switch self {
        case .not(let part): return part.isTrue(of: values).map { !$0 }
        case .isNull(let subject): return values[subject] == .null
        case .text(let subject, let comparison, let text):
            guard case .text(let found) = values[subject] else { return nil }
            return comparison == .equal ? found == text : found != text
        case .number(let subject, let comparison, let number):
            guard case .number(let found) = values[subject] else { return nil }
            switch comparison {
            case .equal: return found == number
            case .notEqual: return found != number
            case .less: return found < number
            case .lessOrEqual: return found <= number
            case .greater: return found > number
            case .greaterOrEqual: return found >= number
            }
        case .and(let parts), .or(let parts):
            // The value that decides at once; without it, one that is unknown decides.
            var decisive = false
            if case .or = self { decisive = true }
            var isUnknown = false
            for part in parts {
                switch part.isTrue(of: values) {
                case decisive: return decisive
                case nil: isUnknown = true
                default: break
                }
            }
            return isUnknown ? nil : !decisive
        }
    }
}
