import Foundation
import Topics
import Time
import Trips

/// Looks at the windows of one query as they close, in the order of time, and raises its alerts.
///
/// Only made where a query has alerts, so that a stream without them does nothing here.
struct AlertEvaluator {
    private let plan: QueryPlan
    private let zone: ZoneClock
    private let revises: Bool
    /// For each aggregate: the place of its words and of its histogram.
    private let places: [(word: Int, histogram: Int)]
    /// For each alert, by group.
    private var progress: [[Int64: AlertProgress]]
    /// What changed since `takeChanges`, by alert and group.
    private var changed: Set<Place> = []
    private(set) var raised: [RaisedAlert] = []
    /// For windows that late trips have changed in this epoch whether a condition held before, and for those that it closes whether it
    /// does now.
    private var heldBefore: Set<WindowPlace> = []
    private var holdsNow: [WindowPlace: Bool] = [:]
    /// Windows where a condition holds now that did not before, with what they would raise, in the order of time.
    private var candidates: [(place: WindowPlace, alert: RaisedAlert)] = []
    private var revisions: [AlertRevision] = []
    /// Windows where a condition does not hold any more, in the order of time.
    private var withdrawn: [WindowPlace] = []
    /// What windows behind those would raise that late trips have changed too, and where it held before and holds.
    private var held: [WindowPlace: RaisedAlert] = [:]

    private struct Place: Hashable {
        var alert: Int
        var group: Int64
    }

    private struct WindowPlace: Hashable {
        var alert: Int
        var group: Int64
        var start: EventTime
    }

    /// - Parameter revises: whether trips that come late change windows that are closed.
    init(
        _ plan: QueryPlan, zone: ZoneClock, progress: [String: [Int64: AlertProgress]], revises: Bool = false
    ) {
        (self.plan, self.zone, self.revises) = (plan, zone, revises)
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
        let next = plan.window.next(after: start, zone: zone)
        for (index, alert) in plan.alerts.enumerated() {
            for entry in entries {
                let values = { (subject: AlertCondition.Subject) in
                    self.value(of: subject, window, Int(entry), histograms, keys)
                }
                let group = window.pointee.groups[Int(entry)]
                let holds = alert.condition.holds(values) == true
                if revises { holdsNow[WindowPlace(alert: index, group: group, start: start)] = holds }
                guard holds else { continue }
                let isRaised = progress[index][group, default: AlertProgress()].match(
                    startMs: start, endMs: end, nextStartMs: next, alert)
                changed.insert(Place(alert: index, group: group))
                if isRaised { raised.append(alert.raise(window, group, plan, zone, values, isLate: false)) }
            }
        }
    }

    /// What the epoch has to store; the next one begins without it.
    mutating func take() -> (raised: [RaisedAlert], progress: [StoredProgress], revisions: [AlertRevision]) {
        defer {
            (raised, changed, revisions, withdrawn) = ([], [], [], [])
            held.removeAll()
            heldBefore.removeAll()
            holdsNow.removeAll()
        }
        return (
            raised,
            changed.map {
                StoredProgress(
                    alert: plan.alerts[$0.alert].name, group: $0.group,
                    progress: progress[$0.alert][$0.group] ?? AlertProgress())
            }, revisions
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
            case .integer(let day) where plan.groups[index] == .day: return .text(Time.Calendar.text(ofDay: Int(day)))
            case .integer(let number): return .number(Double(number))
            }
        }
    }
}

// MARK: - Trips that came late

extension AlertEvaluator {
    /// Notes where the conditions hold in a window as it is stored, before late trips change it.
    mutating func remember(_ window: WindowPointer, _ keys: GroupKeys) {
        forEachHolding(window, WindowHistograms(window), keys) { place in heldBefore.insert(place) }
    }

    /// Takes a window that late trips have changed, or made.
    ///
    /// - Parameter entries: its groups that changed, in the order in which their alerts are raised.
    mutating func revise(
        _ window: WindowPointer, _ entries: [Int32], _ histograms: WindowHistograms, _ keys: GroupKeys
    ) {
        let (start, revision) = (window.pointee.start, window.pointee.revision)
        for (index, alert) in plan.alerts.enumerated() {
            for entry in entries {
                let values = { (subject: AlertCondition.Subject) in
                    self.value(of: subject, window, Int(entry), histograms, keys)
                }
                let group = window.pointee.groups[Int(entry)]
                let place = WindowPlace(alert: index, group: group, start: start)
                // Where a group is gone nothing holds, whatever is true of nothing.
                let holds = Int(entry) >= window.pointee.withdrawnFrom ? false : alert.condition.holds(values) == true
                holdsNow[place] = holds
                if holds, !heldBefore.contains(place) {
                    candidates.append((place, alert.raise(window, group, plan, zone, values, isLate: true)))
                } else if holds, !withdrawn.isEmpty {
                    held[place] = alert.raise(window, group, plan, zone, values, isLate: true)
                } else if !holds, heldBefore.contains(place) {
                    shorten(place)
                    withdrawn.append(place)
                    revisions.append(
                        AlertRevision(alert: alert.name, group: group, windowStartMs: start, withdrawnBy: revision))
                }
            }
        }
    }

    /// Raises what late trips have made of the windows of this epoch: where a condition holds for as many windows in a row as it has to,
    /// by one where it did not hold before, and no window of that row has raised it.
    ///
    /// - Parameter closed: where the neighbours of those windows are looked up.
    mutating func raiseRevised(_ closed: any ClosedWindows) throws {
        defer { candidates.removeAll() }
        // One after the other, as if they had come in the order of time: the later ones do not hold yet.
        for (place, _) in candidates { holdsNow[place] = false }
        for (place, found) in candidates {
            holdsNow[place] = true
            let alert = plan.alerts[place.alert]
            let (before, first) = try run(from: place, limit: alert.windows, closed) {
                plan.window.previous(before: $0, zone: zone)
            }
            let (after, last) = try run(from: place, limit: alert.windows, closed) {
                plan.window.next(after: $0, zone: zone)
            }
            let end = found.raisedMs
            let lastEnd = plan.window.end(ofWindowFrom: last, zone: zone)
            lengthen(place, to: before + 1 + after, last: last, isWhole: after < alert.windows)
            revisions.append(
                AlertRevision(alert: alert.name, group: place.group, windowStartMs: place.start, withdrawnBy: nil))
            guard before + 1 + after >= alert.windows else { continue }
            let ends: ClosedRange<EventTime>
            if let cooldownMs = alert.cooldownMs {
                ends = end - cooldownMs + 1...end + cooldownMs - 1
            } else {
                // A row that was long enough without this window has raised it.
                guard before < alert.windows, after < alert.windows else { continue }
                ends = plan.window.end(ofWindowFrom: first, zone: zone)...lastEnd
            }
            if try !wasRaised(place, ends, closed) { raise(found, of: place) }
        }
        for place in withdrawn { try raiseBehind(place, closed) }
    }

    private mutating func raise(_ found: RaisedAlert, of place: WindowPlace) {
        raised.append(found)
        guard let cooldownMs = plan.alerts[place.alert].cooldownMs else { return }
        let quiet = progress[place.alert][place.group, default: AlertProgress()].quietUntilMs
        progress[place.alert][place.group, default: AlertProgress()].quietUntilMs = max(
            quiet, found.raisedMs + cooldownMs)
        changed.insert(Place(alert: place.alert, group: place.group))
    }

    /// A row of windows that has raised an alert may be cut: what is left of it behind the window that does not hold any more raises it, where it
    /// is long enough and has not.
    private mutating func raiseBehind(_ place: WindowPlace, _ closed: any ClosedWindows) throws {
        let alert = plan.alerts[place.alert]
        let (count, last) = try run(from: place, limit: alert.windows, closed) {
            plan.window.next(after: $0, zone: zone)
        }
        guard count == alert.windows else { return }
        var found = place
        found.start = last
        let first = plan.window.next(after: place.start, zone: zone)
        let end = plan.window.end(ofWindowFrom: last, zone: zone)
        let ends =
            alert.cooldownMs.map { end - $0 + 1...end + $0 - 1 }
            ?? plan.window.end(ofWindowFrom: first, zone: zone)...end
        if try wasRaised(place, ends, closed) { return }
        if let known = try held[found] ?? stored(found, closed) { raise(known, of: found) }
    }

    /// Whether an alert was raised in a group by a window with an end among `ends`, in this epoch or before.
    private func wasRaised(
        _ place: WindowPlace, _ ends: ClosedRange<EventTime>, _ closed: any ClosedWindows
    ) throws -> Bool {
        let name = plan.alerts[place.alert].name
        if raised.contains(where: { $0.plan.name == name && $0.group == place.group && ends.contains($0.raisedMs) }) {
            return true
        }
        return try closed.wasRaised(name, group: place.group, ends: ends)
    }

    /// What a window that no late trip has changed would raise.
    private func stored(_ place: WindowPlace, _ closed: any ClosedWindows) throws -> RaisedAlert? {
        guard let window = try closed.window(from: place.start) else { return nil }
        defer { closed.release(window) }
        guard let values = values(of: place.group, in: window, closed.keys) else { return nil }
        return plan.alerts[place.alert].raise(window, place.group, plan, zone, values, isLate: false)
    }

    /// How many windows in a row hold beside `place`, and the last of them.
    private func run(
        from place: WindowPlace, limit: Int, _ closed: any ClosedWindows, step: (EventTime) -> EventTime
    ) throws -> (count: Int, last: EventTime) {
        var (count, last) = (0, place.start)
        while count < limit {
            var next = place
            next.start = step(last)
            guard try holds(next, closed) else { break }
            (count, last) = (count + 1, next.start)
        }
        return (count, last)
    }

    /// Whether a condition holds in a window that is closed.
    private func holds(_ place: WindowPlace, _ closed: any ClosedWindows) throws -> Bool {
        if let known = holdsNow[place] { return known }
        guard let window = try closed.window(from: place.start) else { return false }
        defer { closed.release(window) }
        guard let values = values(of: place.group, in: window, closed.keys) else { return false }
        return plan.alerts[place.alert].condition.holds(values) == true
    }

    /// The values of a group in a window; nil where it has none there.
    private func values(
        of group: Int64, in window: WindowPointer, _ keys: GroupKeys
    ) -> ((AlertCondition.Subject) -> AlertCondition.Value)? {
        guard let entry = (0..<window.pointee.count).first(where: { window.pointee.groups[$0] == group }) else {
            return nil
        }
        let histograms = WindowHistograms(window)
        return { self.value(of: $0, window, entry, histograms, keys) }
    }

    private func forEachHolding(
        _ window: WindowPointer, _ histograms: WindowHistograms, _ keys: GroupKeys, _ body: (WindowPlace) -> Void
    ) {
        for (index, alert) in plan.alerts.enumerated() {
            for entry in 0..<window.pointee.count
            where alert.condition.holds({ self.value(of: $0, window, entry, histograms, keys) }) == true {
                body(WindowPlace(alert: index, group: window.pointee.groups[entry], start: window.pointee.start))
            }
        }
    }

    /// The row that the next window in order goes on with holds `length` windows at least, where it ends with `last`.
    private mutating func lengthen(_ place: WindowPlace, to length: Int, last: EventTime, isWhole: Bool) {
        guard isWhole else { return }
        var known = progress[place.alert][place.group] ?? AlertProgress()
        let next = plan.window.next(after: last, zone: zone)
        guard next > known.nextStartMs || (next == known.nextStartMs && Int64(length) > known.matching) else { return }
        (known.matching, known.nextStartMs) = (Int64(length), next)
        progress[place.alert][place.group] = known
        changed.insert(Place(alert: place.alert, group: place.group))
    }

    /// A window of the row that the next one in order goes on with does not hold any more: what is left are those behind it.
    private mutating func shorten(_ place: WindowPlace) {
        guard var known = progress[place.alert][place.group] else { return }
        var count: Int64 = 0
        var next = plan.window.next(after: place.start, zone: zone)
        while next < known.nextStartMs, count < known.matching {
            next = plan.window.next(after: next, zone: zone)
            count += 1
        }
        guard next == known.nextStartMs, count < known.matching else { return }
        known.matching = count
        progress[place.alert][place.group] = known
        changed.insert(Place(alert: place.alert, group: place.group))
    }
}

extension WindowSpec {
    /// The start of the window after the one that starts at `start`.
    func next(after start: EventTime, zone: ZoneClock) -> EventTime {
        if case .sliding(_, let everyMs) = self { return start + everyMs }
        return end(ofWindowFrom: start, zone: zone)
    }

    func previous(before start: EventTime, zone: ZoneClock) -> EventTime {
        switch self {
        case .tumbling(let sizeMs): start - sizeMs
        case .sliding(_, let everyMs): start - everyMs
        case .localDay: zone.startMs(ofLocalDay: zone.localDay(ofMs: start) - 1)
        case .none: .min
        }
    }
}

/// What late trips have changed of an alert in one window and group.
struct AlertRevision: Sendable {
    var alert: String
    var group: Int64
    var windowStartMs: EventTime
    /// The revision of the window in which the condition does not hold any more; nil where it holds again, or now.
    var withdrawnBy: Int64?
}

/// The progress of an alert in one group, as `alert_states` keeps it.
struct StoredProgress: Sendable {
    var alert: String
    var group: Int64
    var progress: AlertProgress
}
