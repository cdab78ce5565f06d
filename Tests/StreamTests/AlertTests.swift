import Basics
import Database
import Foundation
import Problems
import SQLite
import Testing
import Topics
import Time
import Trips

@testable import Stream

/// Alerts against a slow reference: whatever the partitions, workers, epochs, stops and crashes, each is raised once.
@Suite struct AlertTests {
    static let yaml = """
        alerts:
          - {name: spike, on: sumFareWindow, if: total_fare > 60}
          - {name: row, on: sumFareWindow, if: "trips >= 2 and (total_fare > 20 or total_fare is null)", for: 2 windows}
          - {name: calm, on: sumFareWindow, if: not total_fare > 20, for: 2, cooldown: 1m, run: look-closer}
          - {name: busy, on: hotspotCommunityPickupWindow, if: count >= 2, for: 2 windows, run: busy-area}
          - {name: others, on: hotspotCommunityPickupWindow, if: count >= 1 and pickup_community_area != 8, cooldown: 5m}
          - {name: corner, on: hotspotWindow, if: "count > 0 and pickup_centroid_location = 'POINT (-87.3 41.9)'", cooldown: 90s}
        """

    /// An alert as the reference finds it, or as it is stored.
    struct Found: Hashable, Comparable, CustomStringConvertible {
        var name: String
        var start: String
        var group: String
        var value: Double
        var description: String { "\(name) \(start) \(group) \(value)" }
        static func < (a: Found, b: Found) -> Bool { a.description < b.description }
    }

    /// An alert written as a program: over rows, by hand.
    private struct Slow: Sendable {
        var name: String
        var query: Int
        var every: Int64
        var group: String?
        var value: String
        var windows = 1
        var cooldown: Int64?
        var holds: @Sendable ([String: SlowValue]) -> Bool

        private static func ms(_ iso: String) -> Int64? {
            let date = try? Date(iso, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
            return date.map { Int64($0.timeIntervalSince1970.rounded()) * 1000 }
        }

        func run(_ trips: [SimpleTrip]) -> [Found] {
            let size: Int64 = query == 0 ? 5000 : 60_000
            var starts: [String: [Int64: Double]] = [:]
            for row in SlowQuery.defaults[query].run(trips, delay: nil).rows where holds(row) {
                guard case .text(let text)? = row["window_start"], let start = Self.ms(text) else {
                    continue
                }
                let value = if case .number(let number)? = row[value] { number } else { 0.0 }
                starts[group.flatMap { row[$0]?.description } ?? "", default: [:]][start] = value
            }
            var found: [Found] = []
            for (group, values) in starts {
                var last: Int64?
                for start in values.keys.sorted() {
                    var length = 1
                    while values[start - Int64(length) * every] != nil { length += 1 }
                    let isRaised: Bool
                    if let cooldown {
                        isRaised = length >= windows && (last.map { start + size >= $0 + cooldown } ?? true)
                    } else {
                        isRaised = length == windows
                    }
                    guard isRaised else { continue }
                    last = start + size
                    found.append(
                        Found(name: name, start: ChicagoTime.iso(start), group: group, value: values[start] ?? 0))
                }
            }
            return found
        }
    }

    private static func number(_ row: [String: SlowValue], _ name: String) -> Double? {
        if case .number(let value)? = row[name] { value } else { nil }
    }

    private static let slow: [Slow] = [
        Slow(name: "spike", query: 0, every: 5000, value: "total_fare") { (number($0, "total_fare") ?? 0) > 60 },
        Slow(name: "row", query: 0, every: 5000, value: "trips", windows: 2) { row in
            (number(row, "trips") ?? 0) >= 2 && (number(row, "total_fare") ?? 99) > 20
        },
        Slow(name: "calm", query: 0, every: 5000, value: "total_fare", windows: 2, cooldown: 60_000) { row in
            (number(row, "total_fare") ?? 99) <= 20
        },
        Slow(name: "busy", query: 2, every: 30_000, group: "pickup_community_area", value: "count", windows: 2) { row in
            (number(row, "count") ?? 0) >= 2
        },
        Slow(name: "others", query: 2, every: 30_000, group: "pickup_community_area", value: "count", cooldown: 300_000)
        {
            $0["pickup_community_area"] != .number(8)
        },
        Slow(
            name: "corner", query: 3, every: 30_000, group: "pickup_centroid_location", value: "count", cooldown: 90_000
        ) {
            $0["pickup_centroid_location"] == .text("POINT (-87.3 41.9)")
        },
    ]

    private let plans: [QueryPlan]
    init() throws { plans = try QueryCatalog.parse(Self.yaml, file: "alerts.yaml", defaults: true) }

    /// What is stored and what is in the topic, both in the order of `Found`.
    private func found(_ bench: StreamBench) throws -> (stored: [Found], sent: [Found]) {
        let stored = try bench.database().connection.rows(
            "SELECT a.name, a.window_start, s.params, a.value FROM alerts AS a JOIN stored_alerts AS s USING (name, value) "
                + "WHERE a.raised = s.params ->> 'window_end' AND a.window_start = s.params ->> 'window_start' AND s.alert_id IN "
                + "(SELECT alert_id FROM stored_alerts) GROUP BY s.alert_id"
        ) { (name: $0.text(0), start: $0.text(1), params: $0.text(2), value: $0.real(3)) }
        let groups = ["pickup_community_area", "pickup_centroid_location"]
        let storedFound = try stored.map { row in
            let params = try JSONDecoder().decode([String: String].self, from: Data(row.params.utf8))
            #expect(params["name"] == row.name)
            let group = groups.lazy.compactMap { params[$0] }.first.map { Double($0).map { "\($0)" } ?? $0 } ?? ""
            return Found(name: row.name, start: row.start, group: group, value: row.value)
        }
        let sent = try bench.records(of: "chicago_alerts").map { record in
            let object = try #require(
                try JSONSerialization.jsonObject(with: Data(record.value ?? [])) as? [String: Any])
            #expect(record.key.map { String(decoding: $0, as: UTF8.self) } == object["name"] as? String)
            let window = object["window"] as? [String: String]
            let group = groups.lazy.compactMap { object[$0] }.first
            let text = (group as? String) ?? (group as? NSNumber).map { "\($0.doubleValue)" } ?? ""
            return Found(
                name: object["name"] as? String ?? "", start: window?["start"] ?? "", group: text,
                value: (object["value"] as? NSNumber)?.doubleValue ?? .nan)
        }
        return (storedFound.sorted(), sent.sorted())
    }

    static let ways: [StreamRunnerTests.Way] = [
        .init(), .init(epoch: 100_000), .init(epoch: 7), .init(json: true), .init(epoch: 20, ending: .cut),
        .init(epoch: 3, ending: .cut), .init(epoch: 20, ending: .crashBeforeSending),
        .init(epoch: 20, ending: .crashAfterSending), .init(partitions: 4, workers: 2, epoch: 40),
        .init(partitions: 4, workers: 2, epoch: 40, ending: .cut),
        .init(partitions: 4, workers: 2, epoch: 30, ending: .crashBeforeSending),
    ]

    @Test(arguments: ways) func anyWayOfRunningRaisesTheSameAlerts(_ way: StreamRunnerTests.Way) throws {
        let seed = UInt64(way.testDescription.utf8.reduce(11) { $0 &* 31 &+ UInt64($1) })
        let trips = SimpleTrip.random(way.trips, from: StreamRunnerTests.morning, over: 1_200_000, seed: seed)
        let arrivals = trips.shuffled(within: 10_000, seed: seed)
        let bench = try StreamBench(partitions: way.partitions)
        try bench.fill(arrivals, batch: min(way.epoch, 100), json: way.json) { trip in
            (trip.taxi ?? "").utf8.reduce(0) { $0 + Int($1) } % way.partitions
        }
        var options = StreamBench.options()
        (options.workers, options.epochRecords) = (way.workers, way.epoch)
        switch way.ending {
        case .straight: try bench.run(plans, options)
        case .cut: try bench.runInPieces(plans, options, seed: seed)
        case .crashBeforeSending, .crashAfterSending:
            let crashes = try bench.runCrashing(
                plans, options, beforeSending: way.ending == .crashBeforeSending, appends: 1...5, seed: seed)
            #expect(crashes > 1)
        }
        let expected = Self.slow.flatMap { $0.run(arrivals) }.sorted()
        for alert in Self.slow { #expect(expected.contains { $0.name == alert.name }, "\(alert.name) is never raised") }
        let (stored, sent) = try found(bench)
        #expect(stored == expected)
        #expect(sent == expected)
    }

    @Test func startingAnewRaisesAnew() throws {
        let trips = SimpleTrip.random(300, from: StreamRunnerTests.morning, over: 1_200_000, seed: 4)
        let bench = try StreamBench()
        try bench.fill(trips)
        try bench.run(plans)
        let first = try found(bench).stored
        var options = StreamBench.options()
        options.fromBeginning = true
        try bench.run(plans, options)
        #expect(try found(bench).stored == first)
        #expect(!first.isEmpty)
    }

    /// The workflow stands beside the alert until a scheduler has started it; an alert without one has nothing to start.
    @Test func namesTheWorkflowToStart() throws {
        let bench = try StreamBench()
        try bench.fill(SimpleTrip.random(300, from: StreamRunnerTests.morning, over: 1_200_000, seed: 4))
        try bench.run(plans)
        let rows = try bench.database().connection.rows(
            "SELECT DISTINCT name, workflow FROM stored_alerts WHERE run_id IS NULL ORDER BY name"
        ) { [$0.text(0), $0.isNull(1) ? nil : $0.text(1)] }
        #expect(
            rows == [
                ["busy", "busy-area"], ["calm", "look-closer"], ["corner", nil], ["others", nil], ["row", nil],
                ["spike", nil],
            ])
    }

    /// The same windows once more, from the tables: what was raised is what would be.
    @Test func aRehearsalFindsWhatWasRaised() throws {
        let bench = try StreamBench()
        try bench.fill(SimpleTrip.random(500, from: StreamRunnerTests.morning, over: 1_200_000, seed: 8), batch: 20)
        var options = StreamBench.options()
        options.epochRecords = 30
        try bench.runInPieces(plans, options, seed: 3)
        let connection = try bench.database().connection
        let history = AlertHistory(connection)
        let counts = try history.counts()
        for alert in plans.flatMap(\.alerts) {
            let found = try AlertRehearsal(alert.name, plans, on: connection, zone: StreamBench.zone)
            func key(_ entry: AlertHistory.Entry) -> String {
                "\(entry.raised) \(entry.value) \(entry.params.sorted { $0.key < $1.key })"
            }
            let entries = try history.entries(of: alert.name)
            #expect(found.raised.map(key).sorted() == entries.map(key).sorted())
            #expect(Int(counts[alert.name]?.count ?? 0) == entries.count)
            #expect(counts[alert.name]?.last == entries.map(\.raised).max())
            #expect(found.windows > 0)
        }
        let unknown = #expect(throws: Problem.self) {
            try AlertRehearsal("spikes", plans, on: connection, zone: StreamBench.zone)
        }
        #expect(unknown?.hint == "Did you mean \"spike\"?")
        let newest = try history.entries(limit: 1)
        #expect(newest.count == 1)
    }

    @Test func aStreamWithoutAlertsMakesNoTopic() throws {
        let bench = try StreamBench()
        try bench.fill(SimpleTrip.random(10, from: StreamRunnerTests.morning, over: 1000, seed: 4))
        try bench.run(try QueryCatalog.load())
        #expect(try bench.store.partitionCount(of: "chicago_alerts") == nil)
    }

    @Test func saysWhatIsWrongWithADeclaration() throws {
        let text = """
            alerts:
              - {name: 9lives, on: sumFareWindow, if: trips > 1}
              - {name: a, on: sumFareWindov, if: trips > 1}
              - {name: b, on: tripsTotal, if: trips_total > 1}
              - {name: c, on: sumFareWindow, if: fares > 1 and trips > 'x', for: some windows, cooldwn: 1m}
              - {name: d, if: trips > 1}
              - {name: e, on: hotspotWindow, if: pickup_centroid_location > 'x' or count > 2}
              - {name: f, on: hotspotWindow, if: pickup_centroid_location = 'x'}
              - {name: g, on: sumFareWindow, if: "trips > 1 and", cooldown: long, run: "a b"}
            """
        let first = #expect(throws: Problem.self) { try QueryCatalog.parse(text, file: "f", defaults: true) }
        let reading = ([try #require(first)] + (first?.others ?? [])).map(place)
        #expect(
            reading == [
                "2:12 \"9lives\" is no name for an alert",
                "5:70 expected a number of windows, found \"some windows\"",
                "5:84 unknown key \"cooldwn\" of a declared alert",
                "6:5 key \"on\" of the alert is missing",
                "9:65 expected a length of time, found \"long\"",
                "9:76 \"a b\" is no name for a workflow",
            ])
        let sound = text.split(separator: "\n").map(String.init).filter { line in
            !["9lives", "for: some", "name: d,", "name: g"].contains { line.contains($0) }
        }
        let meaning = """

              - {name: c, on: sumFareWindow, if: fares > 1 and trips > 'x'}
              - {name: g, on: sumFareWindow, if: "trips > 1 and"}
            """
        let second = #expect(throws: Problem.self) {
            try QueryCatalog.parse(sound.joined(separator: "\n") + meaning, file: "f", defaults: true)
        }
        let meant = ([try #require(second)] + (second?.others ?? [])).map(place)
        #expect(
            meant == [
                "2:19 there is no query \"sumFareWindov\"",
                "3:19 query \"tripsTotal\" has no windows, and alerts look at windows when they close",
                "4:65 \"pickup_centroid_location\" is text, which only = and != compare",
                "5:38 the condition compares no aggregate with a number",
                "6:38 unknown aggregate or group \"fares\"",
                "6:60 \"trips\" is a number, the text 'x' is not",
                "7:52 expected an aggregate or a group, found its end",
            ])
    }

    private func place(_ problem: Problem) -> String {
        "\(problem.location?.line ?? 0):\(problem.location?.column ?? 0) \(problem.message)"
    }
}
