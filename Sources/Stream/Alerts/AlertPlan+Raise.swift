import Time
import Topics
import Trips

extension AlertPlan {
    /// The alert that a group of a window raises, with its record for the topic and the parameters for its workflow.
    ///
    /// - Parameter isLate: whether trips that came late raise it.
    func raise(
        _ window: WindowPointer, _ group: Int64, _ query: QueryPlan, _ zone: ZoneClock,
        _ value: (AlertCondition.Subject) -> AlertCondition.Value, isLate: Bool
    ) -> RaisedAlert {
        let (start, end) = (window.pointee.start, window.pointee.end)
        // A window that closes for the first time since a rewind has one as well.
        let revision = isLate ? window.pointee.revision : 1
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
        var groups: [(name: String, value: AlertCondition.Value)] = []
        for (index, group) in query.groups.enumerated() {
            let found = value(.group(index, name: group.name))
            if found != .null { groups.append((group.name, found)) }
            switch found {
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
        if revision > 1 {
            params["revision"] = "\(revision)"
            record += ",\"revision\":\(revision)"
        }
        record += "}"
        return RaisedAlert(
            plan: self, raisedMs: end, windowStartMs: start, group: group, revision: revision > 1 ? revision : nil,
            value: number, params: params, groups: groups, record: Array(record.utf8))
    }

    private static func json(_ text: String) -> String {
        var out = OutputBuffer(capacity: text.utf8.count + 2)
        out.append(jsonString: Array(text.utf8))
        return String(decoding: out.bytes, as: UTF8.self)
    }
}
