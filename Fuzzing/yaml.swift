// With: Tests/FuzzSupport/Fuzzing.swift

import Basics
import Database
import Problems
import SQLite
import Time
import Trips
import YAML

@testable import Stream
@testable import Workflow

/// What people write in YAML, and the languages within it. The first byte says what the others are: d declarations of queries and alerts,
/// w a workflow, t a template and a condition, c a calendar of cron, i an interval of a calendar, l a length of time; else any YAML.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    guard let (kind, bytes) = kindAndRest(data, size) else { return 0 }
    let text = String(decoding: bytes, as: UTF8.self)
    switch kind {
    case "d": declarations(text)
    case "w": workflow(bytes)
    case "t": template(text)
    case "c": calendar(text)
    case "i": interval(text)
    case "l": length(text)
    default: yaml(bytes)
    }
    return 0
}

/// A problem is one that a person can use: with words, and a place that the file has.
private func expectUsable(_ problem: Problem, _ text: [UInt8]) {
    if let fault = fault(in: problem, of: text) { fatalError("\(fault): \(problem)") }
}

private func yaml(_ bytes: [UInt8]) {
    for callsHoldCommas in [false, true] {
        do throws(Problem) {
            let root = try YAMLNode.parse(bytes, file: "f", callsHoldCommas: callsHoldCommas)
            if let fault = fault(in: root, of: bytes) { fatalError(fault) }
        } catch { expectUsable(error, bytes) }
    }
}

private let zone = try! ZoneClock(identifier: "America/Chicago")
private let database = try! ResultsDatabase(path: ":memory:")

/// Whatever is taken has tables and a view that SQLite takes.
private func declarations(_ text: String) {
    do throws(Problem) {
        let plans = try QueryCatalog.parse(text, file: "f", defaults: true)
        expect(Set(plans.map(\.name)).count == plans.count, "two queries of one name")
        let connection = database.connection
        for plan in plans.prefix(8) {
            do throws(SQLiteError) {
                try connection.execute("BEGIN")
                try plan.installStorage(on: connection)
                _ = try connection.prepare("SELECT * FROM \(plan.table)")
                try connection.execute("ROLLBACK")
            } catch { fatalError("no storage for \(plan.name): \(error)") }
        }
    } catch { expectUsable(error, Array(text.utf8)) }
}

private func spec(_ bytes: [UInt8]) throws(Problem) -> WorkflowSpec {
    let file = "/nowhere/w.yaml"
    var reader = SpecReader(try YAMLNode.parse(bytes, file: file), file: file, zone: "UTC", shared: nil)
    return try reader.read()
}

private func workflow(_ bytes: [UInt8]) {
    do throws(Problem) {
        let spec = try spec(bytes)
        let interval = spec.schedule?.interval(dueBy: 1_700_000_000_000)
        expect(RunPreview(spec, interval: interval, params: [:]).steps.count == spec.steps.count)
        _ = WorkflowGraph(spec).svg
    } catch { expectUsable(error, bytes) }
}

private func template(_ text: String) {
    do throws(Template.Mistake) {
        let template = try Template(text)
        expect(template.source == text)
        for (_, offset) in template.references { expect((0...text.utf8.count).contains(offset)) }
        let comparison = try Comparison(text)
        _ = try? comparison.holds(comparison.left.source, comparison.right.source)
    } catch { expect((0...text.utf8.count).contains(error.offset), "no such place") }
}

/// Against a reading of the five fields value by value, and a walk minute by minute.
private func calendar(_ text: String) {
    let cron: Cron
    do throws(Cron.Mistake) { cron = try Cron(text) } catch {
        expect((0...text.utf8.count).contains(error.offset), "no such place")
        return
    }
    let slow = SlowCron(cron.fields)
    let sets = cron.sets
    expect(
        [sets.minutes, sets.hours, sets.days, sets.months, sets.weekdays] == slow.sets, "the fields mean something else"
    )
    let time = 1_710_000_000_000 + Int64(text.utf8.reduce(UInt32(7)) { $0 &* 31 &+ UInt32($1) } % 40_000_000) * 1000
    let utc = Schedule(cron, zone: try! ZoneClock(identifier: "UTC"))
    let walked = (1...4 * 1440).lazy.map { (time / 60_000 + $0) * 60_000 }.first(where: slow.matches)
    let next = utc.next(after: time)
    if let walked {
        expect(next == walked, "a minute that matches is passed over")
    } else if let next {
        expect(next > time + 4 * 86_400_000 - 60_000 && slow.matches(next), "a minute that does not match")
    }
    let local = Schedule(cron, zone: zone)
    guard let next = local.next(after: time) else { return }
    expect(next > time && local.previous(before: next + 1) == next)
    if let previous = local.previous(before: next) {
        expect(previous <= time && local.next(after: previous) == next)
    }
}

private struct SlowCron {
    let sets: [[Int]]
    private let isEither: Bool

    init(_ fields: [String]) {
        let names = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
        let months = ["", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        let ranges = [0...59, 0...23, 1...31, 1...12, 0...6]
        sets = zip(fields, ranges).enumerated().map { place, field in
            func value(_ word: Substring) -> Int {
                Int(word) ?? (place == 3 ? months : names).firstIndex(of: word.lowercased()) ?? -1
            }
            func holds(_ number: Int, _ part: Substring) -> Bool {
                let halves = part.split(separator: "/", maxSplits: 1)
                let step = halves.count == 2 ? Int(halves[1])! : 1
                let ends = halves[0].split(separator: "-")
                if halves[0] == "*" { return (number - field.1.lowerBound) % step == 0 && field.1.contains(number) }
                let low = value(ends[0])
                var high = ends.count == 2 ? value(ends[1]) : halves.count == 2 ? field.1.upperBound : low
                if place == 4, high == 0, low > 0 { high = 7 }
                return number >= low && number <= max(low, high) && (number - low) % step == 0
            }
            let parts = field.0.split(separator: ",")
            return field.1.filter { number in
                parts.contains { holds(number, $0) || place == 4 && number == 0 && holds(7, $0) }
            }
        }
        isEither = !fields[2].hasPrefix("*") && !fields[4].hasPrefix("*")
    }

    func matches(_ ms: EventTime) -> Bool {
        let minute = floorDivide(ms, 60_000)
        let day = floorDivide(minute, 1440)
        let date = Time.Calendar.date(ofDay: Int(day))
        let inDay = Int(minute - day * 1440)
        // The first of January 1970 was a Thursday.
        let isOfMonth = sets[2].contains(date.day)
        let isOfWeek = sets[4].contains(Int((day + 4) % 7))
        return sets[0].contains(inDay % 60) && sets[1].contains(inDay / 60) && sets[3].contains(date.month)
            && (isEither ? isOfMonth || isOfWeek : isOfMonth && isOfWeek)
    }
}

private let specs = ["0 3 1 * *", "@daily", "30 1 * * 1-5", "0 */6 * * *"].map { cron in
    try! spec(Array("name: w\nschedule: \"\(cron)\"\ntimezone: America/Chicago\nsteps: {a: {sh: x}}\n".utf8))
}

/// Intervals that a text names have names that are read back.
private func interval(_ text: String) {
    for spec in specs {
        do throws(Problem) {
            for interval in try spec.intervals(in: text).prefix(40) {
                expect(interval.start < interval.end)
                let name = spec.name(of: interval)
                expect(
                    name.contains("T") || (try? spec.interval(name, now: 0)) == interval, "another interval: \(name)")
            }
            _ = try spec.interval(text, now: 1_700_000_000_000)
        } catch { expect(error.code == .usage && !error.message.isEmpty) }
    }
}

private func length(_ text: String) {
    guard let ms = parseDurationMs(text) else { return }
    expect(ms >= 0 && parseDurationMs(durationText(ms: ms)) == ms)
}
