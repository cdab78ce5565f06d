import Basics
import CommandSupport
import Foundation
import Testing

/// `stream restate`, as somebody uses it whose month was published anew.
@Suite(.serialized) struct RestateCommandTests {
    private static let header =
        "Trip ID,Taxi ID,Trip Start Timestamp,Trip Seconds,Trip Miles,Pickup Community Area,Fare,Tips,Tolls,Extras,Trip Total,Payment Type,Company,Pickup Centroid Location"

    /// A file of trips of some days of a month, each quarter of an hour one; `fare` tells the publications apart.
    @discardableResult
    private func file(
        _ taxi: TaxiCLI, _ name: String, month: Int, days: ClosedRange<Int>, fare: Int, every step: Int = 1
    ) throws -> String {
        var lines = [Self.header]
        for day in days {
            for quarter in stride(from: 0, to: 96, by: 7 * step) {
                let time = String(format: "%02d/%02d/2024 %02d:%02d:00", month, day, quarter / 4, quarter % 4 * 15)
                let hour = quarter / 4
                let text =
                    "\(time.prefix(11))\(String(format: "%02d", hour % 12 == 0 ? 12 : hour % 12))\(time.dropFirst(13).prefix(6)) \(hour < 12 ? "AM" : "PM")"
                let area = 1 + (day * 5 + quarter) % 7
                lines.append(
                    "\(name)-\(day)-\(quarter),taxi\(area),\(text),600,2.5,\(area),\(fare).25,1.00,0,0,\(fare + 1).25,Cash,Flash Cab,POINT (-87.\(area) 41.9)"
                )
            }
        }
        try (lines.joined(separator: "\n") + "\n").write(toFile: taxi(name), atomically: true, encoding: .utf8)
        return taxi(name)
    }

    /// Two months in a topic, and their results.
    private func filled(_ taxi: TaxiCLI, options: [String] = []) throws {
        for (name, month) in [("feb.csv", 2), ("mar.csv", 3)] {
            try file(taxi, name, month: month, days: 1...28, fare: 10)
            try taxi.succeed("produce", taxi(name), "--clock", "start", "-q")
        }
        try taxi.succeed("stream", "--until-end", "-q")
        try taxi.succeed("batch", "-q")
    }

    private static let views = [
        "sumfarewindow", "tripstotal", "hotspotcommunitywindow", "hotspotwindow", "faredistribution",
    ]

    private func rows(_ taxi: TaxiCLI, _ views: [String] = views, tenant: String = "chicago") throws -> [String] {
        try views.flatMap { view in
            [view]
                + (try taxi.succeed("show", view, "--tenant", tenant, "--format", "csv").text
                    .split(whereSeparator: \.isNewline).map(String.init).sorted())
        }
    }

    @Test func aMonthIsReplacedAndEverybodyIsToldOfIt() throws {
        let taxi = try TaxiCLI()
        try filled(taxi)
        let new = try file(taxi, "mar-new.csv", month: 3, days: 2...29, fare: 12)
        let done = try taxi.succeed("stream", "restate", "--month", "2024-03", "--from", new, "--yes")
        #expect(
            done.text.contains("sumFareWindow") && done.errors.contains("2024-03 is by these files"), "\(done.errors)")
        #expect(done.errors.contains("3 days of the period"), "\(done.errors)")
        #expect(done.errors.contains("before-restating-2024-03"))
        try taxi.succeed("audit")
        try taxi.succeed("batch", "-q")
        try taxi.succeed("audit")
        #expect(try taxi.succeed("status").text.contains("2024-03-01T00:00:00.000-06:00 to 2024-04-01"))
        #expect(try taxi.succeed("show", "tripsTotal").errors.contains("by \"mar-new.csv\""))
        #expect(try taxi.succeed("show", "vintages").text.contains("before-restating-2024-03"))
        let restatements = try taxi.succeed("show", "restatements").text
        #expect(restatements.contains("mar-new.csv"))
        // Once more by the same files nothing changes, and nothing more is kept.
        let twice = try taxi.succeed("stream", "restate", "--month", "2024-03", "--from", new, "--yes")
        #expect(twice.errors.contains("2024-03 is by these files already: nothing is changed"), "\(twice.errors)")
        #expect(try taxi.succeed("show", "restatements").text == restatements)
        try taxi.succeed("tenant", "create", "fresh")
        for name in ["feb.csv", "mar-new.csv"] {
            try taxi.succeed("produce", taxi(name), "--clock", "start", "--tenant", "fresh", "-q")
        }
        try taxi.succeed("stream", "--until-end", "--tenant", "fresh", "-q")
        try taxi.succeed("batch", "--tenant", "fresh", "-q")
        let views = Self.views + ["fare_trend", "area_hotspots", "location_hotspots", "accumulated_metrics"]
        #expect(try rows(taxi, views) == rows(taxi, views, tenant: "fresh"))
        // The old file once more by mistake: said, and left out.
        let again = try taxi.succeed("produce", taxi("mar.csv"), "--clock", "start", "--again")
        #expect(again.errors.contains("are left out by the stream"), "\(again.errors)")
        let before = try rows(taxi)
        #expect(try taxi.succeed("stream", "--until-end").errors.contains("newer files stand for their time"))
        #expect(try rows(taxi) == before)
        try taxi.succeed("audit")
        // Whoever begins anew is told that the topic has the old trips.
        let anew = try taxi.succeed("stream", "--from-beginning", "--until-end")
        #expect(anew.errors.contains("the source stands again"), "\(anew.errors)")
        try taxi.succeed("audit")
        #expect(try taxi.number("SELECT count(*) FROM stored_restatements") == 0)
    }

    /// Neither works on what the other has left half done, or has changed behind its back.
    @Test func aRewoundStreamGoesOnFirstAndNobodyRewindsToBeforeARestatement() throws {
        let taxi = try TaxiCLI()
        for (name, month) in [("feb.csv", 2), ("mar.csv", 3)] {
            try file(taxi, name, month: month, days: 1...28, fare: 10)
            try taxi.succeed("produce", taxi(name), "--clock", "start", "-q")
            try taxi.succeed("stream", "--until-end", "--keep-history", "7d", "-q")
        }
        let new = try file(taxi, "mar-new.csv", month: 3, days: 2...29, fare: 12)
        let restate = ["stream", "restate", "--month", "2024-03", "--from", new, "--yes"]
        try taxi.succeed("stream", "rewind", "--epochs", "1", "-q")
        let early = try taxi.start(restate).wait()
        #expect(early.code == 69 && early.errors.contains("was rewound"), "\(early.errors)")
        try taxi.succeed("stream", "--until-end", "--keep-history", "7d", "-q")
        let done = try taxi.start(restate).wait()
        #expect(done.code == 0, "\(done.errors)")
        let late = try taxi.run("stream", "rewind", "--epochs", "1")
        #expect(late.code == 66 && late.errors.contains("nothing is kept"), "\(late.errors)")
        try taxi.succeed("audit")
    }

    @Test func nobodyIsSurprised() throws {
        let taxi = try TaxiCLI()
        try filled(taxi)
        let before = try rows(taxi)
        let new = try file(taxi, "mar-new.csv", month: 3, days: 1...31, fare: 12)
        func refused(_ code: Int32, _ words: String, _ arguments: String..., place: SourceLocation = #_sourceLocation)
            throws
        {
            let ending = try taxi.start(["stream", "restate"] + arguments).wait(timeout: 120, sourceLocation: place)
            #expect(ending.code == code && ending.errors.contains(words), "\(ending.errors)", sourceLocation: place)
        }
        try refused(64, "this needs a confirmation", "--month", "2024-03", "--from", new)
        try refused(64, "no period is given", "--from", new)
        try refused(64, "no file is given", "--month", "2024-03")
        try refused(64, "is no month", "--month", "march", "--from", new)
        try refused(64, "given twice", "--month", "2024-03", "--from-time", "2024-03-01", "--from", new)
        try refused(64, "ends before it begins", "--from-time", "2024-03-02", "--to-time", "2024-03-01", "--from", new)
        try refused(65, "no trip of the files lies in the period", "--month", "2023-03", "--from", new, "--yes")
        try refused(64, "there is no query", "--month", "2024-03", "--from", new, "--leave-out", "nobody", "--yes")
        try "Trip ID,Trip Start Timestamp\na,03/01/2024 01:00:00 AM\n".write(
            toFile: taxi("lacks.csv"), atomically: true, encoding: .utf8)
        try refused(65, "Fare", "--month", "2024-03", "--from", taxi("lacks.csv"), "--yes")
        try refused(66, "nowhere.csv", "--month", "2024-03", "--from", taxi("nowhere.csv"), "--yes")
        #expect(try rows(taxi) == before)
        try taxi.succeed("audit")
        #expect(try taxi.number("SELECT count(*) FROM sqlite_schema WHERE name = 'stored_restatements'") == 0)
    }

    @Test func aStreamThatRunsComesFirst() throws {
        let taxi = try TaxiCLI()
        try filled(taxi)
        let stream = try taxi.start(["stream"])
        let lock = "\(taxi.tenantFolder)/locks/sumFareWindow"
        let runs = try eventually(within: 60) { try taxi.shell("flock -n '\(lock)' true").code != 0 }
        #expect(runs, "\(stream.errors)")
        let new = try file(taxi, "mar-new.csv", month: 3, days: 1...3, fare: 12)
        let ending = try taxi.run("stream", "restate", "--month", "2024-03", "--from", new, "--yes")
        #expect(ending.code == 69 && ending.errors.contains("is at work"), "\(ending.errors)")
        stream.signal(2)
        stream.wait(timeout: 60)
        try taxi.succeed("stream", "restate", "--month", "2024-03", "--from", new, "--yes", "-q")
        try taxi.succeed("audit")
    }

    @Test func resultsOfFilesAreRestatedBesideThoseFiles() throws {
        let taxi = try TaxiCLI()
        let old = [
            try file(taxi, "feb.csv", month: 2, days: 1...28, fare: 10),
            try file(taxi, "mar.csv", month: 3, days: 1...28, fare: 10),
        ]
        try taxi.succeed("stream", "--input", old[0], old[1], "-q")
        let new = try file(taxi, "feb-new.csv", month: 2, days: 1...29, fare: 14)
        let asked = try taxi.run("stream", "restate", "--month", "2024-02", "--from", new, "--yes")
        #expect(asked.code == 66 && asked.errors.contains("--source"), "\(asked.errors)")
        try taxi.succeed(
            "stream", "restate", "--month", "2024-02", "--from", new, "--source", old[0], "--source", old[1], "--yes",
            "-q")
        try taxi.succeed("audit", "--from", old[0], old[1], "--clock", "start")
        let fresh = try TaxiCLI()
        try fresh.succeed("stream", "--input", new, old[1], "-q")
        #expect(try rows(taxi) == rows(fresh))
    }

    @Test func whatCannotBePutRightIsLeftOutWhereSomebodySaysSo() throws {
        let taxi = try TaxiCLI()
        try filled(taxi)
        try taxi.succeed("topic", "delete", "chicago_ingestData", "--yes")
        let new = try file(taxi, "mar-new.csv", month: 3, days: 1...31, fare: 12)
        let asked = try taxi.run("stream", "restate", "--month", "2024-03", "--from", new, "--yes")
        #expect(asked.code == 66 && asked.errors.contains("--leave-out hotspotWindow"), "\(asked.errors)")
        let before = try rows(taxi, ["hotspotwindow"])
        try taxi.succeed(
            "stream", "restate", "--month", "2024-03", "--from", new, "--yes", "--leave-out", "hotspotWindow",
            "--leave-out",
            "hotspotCommunityPickupWindow", "-q")
        #expect(try rows(taxi, ["hotspotwindow"]) == before)
        #expect(try taxi.number("SELECT count(*) FROM stored_restatements") == 3)
    }

    /// Killed at any moment it has done all or nothing, once; the next start sends what was not sent.
    @Test func killedItIsBeforeOrAfter() throws {
        let variables = ProcessInfo.processInfo.environment
        let kills = variables["TAXI_FAULT_KILLS"].flatMap(Int.init) ?? 4
        let seed = variables["TAXI_FAULT_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 1...999_999)
        var numbers = SplitMix64(seed: seed)
        let taxi = try TaxiCLI()
        try filled(taxi)
        // Two publications of March in turns, so that each restatement has something to do.
        let files = try [12, 14].map { fare in
            try file(taxi, "mar-\(fare).csv", month: 3, days: 1...31, fare: fare)
        }
        var restatements: Int64 = 0
        var killed = 0
        for kill in 0..<kills {
            let words = ["stream", "restate", "--month", "2024-03", "--from", files[kill % 2], "--yes", "-q"]
            // Wherever it is by then: no moment is wrong.
            let moment = Double(UInt32.random(in: 10_000...700_000, using: &numbers)) / 1e6
            let arguments = words.map { "'\($0)'" }.joined(separator: " ")
            let status = try taxi.shell("timeout -s KILL \(moment) \"$TAXI\" \(arguments)").code
            killed += status == 137 ? 1 : 0
            try taxi.succeed("audit")
            let isThere = try taxi.number("SELECT count(*) FROM sqlite_schema WHERE name = 'stored_restatements'") == 1
            let done = try isThere ? taxi.number("SELECT count(DISTINCT run_id) FROM stored_restatements") : 0
            #expect([restatements, restatements + 1].contains(done), "kill \(kill), seed \(seed)")
            if done == restatements { #expect(try taxi.start(words).wait().code == 0) }
            restatements += 1
            // Messages that a killed one left in the outbox are sent by whoever comes next.
            try taxi.succeed("stream", "--until-end", "-q")
            try taxi.succeed("audit")
            let fares = try taxi.number("SELECT sum(total_fare_sum) FROM stored_sumfarewindow")
            let march = 31 * 14 * (kill % 2 == 0 ? 1225 : 1425)
            #expect(fares == Int64(28 * 14 * 1025 + march), "kill \(kill), seed \(seed)")
        }
        if kills > 4 { print("restate: \(killed) of \(kills) kills before its end, seed \(seed)") }
    }
}
