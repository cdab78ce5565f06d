import Foundation
import Topics
import Trips

/// Looks at the windows of one query as they close, in the order of time, and raises its alerts.
///
/// Only made where a query has alerts, so that a stream without them does nothing here.
struct AlertEvaluator {
    private let plan: QueryPlan
    private let zone: ZoneClock
    /// For each aggregate: the place of its words and of its histogram.
    private let places: [(word: Int, histogram: Int)]
    /// For each alert, by group.
    private var progress: [[Int64: AlertProgress]]
    /// What changed since `takeChanges`, by alert and group.
    private var changed: Set<Place> = []
    private(set) var raised: [RaisedAlert] = []

    private struct Place: Hashable {
        var alert: Int
        var group: Int64
    }

    init(_ plan: QueryPlan, zone: ZoneClock, progress: [String: [Int64: AlertProgress]]) {
        (self.plan, self.zone) = (plan, zone)
        self.progress = plan.alerts.map { progress[$0.name] ?? [:] }
        var (word, histogram) = (0, 0)
        var places: [(Int, Int)] = []
        for aggregate in plan.aggregates {
            places.append((word, histogram))
            word += aggregate.words
            if aggregate.hasHistogram { histogram += 1 }
        }
        self.places = places
    }

    /// Takes a window that closes.
    ///
    /// - Parameter entries: its groups, in the order in which their alerts are raised.
    mutating func close(
        _ window: WindowPointer, _ entries: [Int32], _ histograms: WindowHistograms, keys: GroupKeys
    ) {
        let (start, end) = (window.pointee.start, window.pointee.end)
        var next = end
        if case .sliding(_, let everyMs) = plan.window { next = start + everyMs }
        for (index, alert) in plan.alerts.enumerated() {
            for entry in entries {
                let values = { (subject: AlertCondition.Subject) in
                    self.value(of: subject, window, Int(entry), histograms, keys)
                }
                guard alert.condition.holds(values) == true else { continue }
                let group = window.pointee.groups[Int(entry)]
                let isRaised = progress[index][group, default: AlertProgress()].match(
                    startMs: start, endMs: end, nextStartMs: next, alert)
                changed.insert(Place(alert: index, group: group))
                if isRaised { raised.append(alert.raise(start, end, plan, zone, values)) }
            }
        }
    }

    /// What the epoch has to store; the next one begins without it.
    mutating func take() -> (raised: [RaisedAlert], progress: [StoredProgress]) {
        defer { (raised, changed) = ([], []) }
        return (
            raised,
            changed.map {
                StoredProgress(
                    alert: plan.alerts[$0.alert].name, group: $0.group,
                    progress: progress[$0.alert][$0.group] ?? AlertProgress())
            }
        )
    }

    private func value(
        of subject: AlertCondition.Subject, _ window: WindowPointer, _ entry: Int, _ histograms: WindowHistograms,
        _ keys: GroupKeys
    ) -> AlertCondition.Value {
        switch subject {
        case .aggregate(let index, _):
            let (aggregate, place) = (plan.aggregates[index], places[index])
            if aggregate.hasHistogram {
                return aggregate.result(histogram: histograms.buckets(entry, place.histogram)).map { .number($0) }
                    ?? .null
            }
            let words = window.pointee.words + entry * plan.words + place.word
            guard let result = aggregate.result(words: words) else { return .null }
            // Both are exact, so that the quotient is the number that the same digits in a declaration give.
            return .number(Double(result) / pow(10, Double(aggregate.decimals)))
        case .group(let index, _):
            let id = window.pointee.groups[entry]
            let part =
                plan.groupIDIsValue
                ? GroupKeys.Part.integer(id)
                : GroupKeys.parts(of: keys.keys[Int(id)], isText: plan.groups.map(\.isString))[index]
            switch part {
            case .text(let bytes): return .text(String(decoding: bytes, as: UTF8.self))
            case .integer(let day) where plan.groups[index] == .day: return .text(Trips.Calendar.text(ofDay: Int(day)))
            case .integer(let number): return .number(Double(number))
            }
        }
    }
}

/// The progress of an alert in one group, as `alert_states` keeps it.
struct StoredProgress: Sendable {
    var alert: String
    var group: Int64
    var progress: AlertProgress
}

extension AlertPlan {
    fileprivate func raise(
        _ start: Int64, _ end: Int64, _ query: QueryPlan, _ zone: ZoneClock,
        _ value: (AlertCondition.Subject) -> AlertCondition.Value
    ) -> RaisedAlert {
        let (from, until) = (zone.iso(ms: start), zone.iso(ms: end))
        let threshold = condition.leading.map { AlertCondition.text(of: $0.threshold) } ?? ""
        var number = 0.0
        if let subject = condition.leading?.subject, case .number(let found) = value(subject) { number = found }
        var params = [
            "name": name, "query": query.name, "window_start": from, "window_end": until, "threshold": threshold,
            "value": AlertCondition.text(of: number), "condition": "\(condition)", "windows": "\(windows)",
        ]
        var record = "{\"name\":\(Self.json(name)),\"query\":\(Self.json(query.name)),"
        record += "\"window\":{\"start\":\(Self.json(from)),\"end\":\(Self.json(until))}"
        for (index, group) in query.groups.enumerated() {
            switch value(.group(index, name: group.name)) {
            case .number(let number):
                params[group.name] = AlertCondition.text(of: number)
                record += ",\"\(group.name)\":\(AlertCondition.text(of: number))"
            case .text(let text):
                params[group.name] = text
                record += ",\"\(group.name)\":\(Self.json(text))"
            case .null: break
            }
        }
        record += ",\"value\":\(AlertCondition.text(of: number)),\"threshold\":\(threshold)"
        record += ",\"condition\":\(Self.json("\(condition)"))"
        if let workflow { record += ",\"workflow\":\(Self.json(workflow))" }
        record += "}"
        return RaisedAlert(
            plan: self, raisedMs: end, windowStartMs: start, value: number, params: params,
            record: Array(record.utf8))
    }

    static func json(_ text: String) -> String {
        var out = OutputBuffer(capacity: text.utf8.count + 2)
        out.append(jsonString: Array(text.utf8))
        return String(decoding: out.bytes, as: UTF8.self)
    }
}
