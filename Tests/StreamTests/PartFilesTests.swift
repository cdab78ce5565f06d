import Basics
import Avro
import Compression
import Database
import Foundation
import Problems
import Testing
import Topics
import Trips

@testable import Stream

/// Files whose parts workers compute, each knowing nothing but its bytes: the same results as where the stream reads the files itself.
@Suite struct PartFilesTests {
    let plans: [QueryPlan]
    let options: TripSourceOptions
    private static let columns =
        "Trip ID,Taxi ID,Trip Start Timestamp,Trip End Timestamp,Trip Seconds,Trip Miles,Pickup Community Area,Fare,Tips,Tolls,Extras,Trip Total,Payment Type,Company,Pickup Centroid Location"

    init() throws {
        plans = try QueryCatalog.load(analytics: true)
        var options = TripSourceOptions(clock: .start, zone: StreamBench.zone)
        options.fields = plans.reduce(into: TripFieldSet()) { $0.formUnion($1.fields) }
        self.options = options
    }

    /// A row; its company may go over several lines.
    private func row(_ id: Int, company: String = "Flash Cab", fare: String = "10.50", numbers: inout SplitMix64)
        -> String
    {
        let day = Int.random(in: 1...9, using: &numbers)
        let (hour, quarter) = (Int.random(in: 10...23, using: &numbers), Int.random(in: 0...3, using: &numbers) * 15)
        let time = "2024-03-0\(day)T\(hour):\(quarter == 0 ? "00" : "\(quarter)"):00.000"
        return
            "t\(id),taxi\(id % 7),\(time),\(time),\(id % 900),1.\(id % 10),\(1 + id % 77),\(fare),1.00,0,0,\(12 + id % 5).00,Cash,\"\(company)\",POINT (-87.6 41.9)"
    }

    /// Files with all that may stand in the way of whoever cuts them: rows over several lines, quotes that nobody closes, rows of too few fields, bad
    /// numbers, another header in the middle, blank lines, and no line end at the end.
    private func faulty(_ count: Int, seed: UInt64) -> String {
        var numbers = SplitMix64(seed: seed)
        var text = Self.columns + "\n"
        for id in 0..<count {
            switch Int.random(in: 0..<40, using: &numbers) {
            case 0: text += row(id, company: "Sun\nMoon,\nStars & \"\"Co\"\"", numbers: &numbers) + "\n"
            case 1: text += row(id, fare: "much", numbers: &numbers) + "\n"
            case 2: text += "too,few,fields\n"
            case 3: text += row(id, company: "open \" quote", numbers: &numbers) + "\n"
            case 4: text += "\n"
            case 5: text += row(id, company: String(repeating: "long\n", count: 60), numbers: &numbers) + "\r\n"
            default: text += row(id, numbers: &numbers) + "\n"
            }
            if id == count / 2 { text += Self.columns.replacing("Trip ID,Taxi ID", with: "Taxi ID,Trip ID") + "\n" }
        }
        return text + row(count, numbers: &numbers)
    }

    private func write(_ text: String, _ name: String, _ bench: StreamBench) throws -> String {
        let path = bench.path(name)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func identity(_ paths: [String]) -> String {
        "files \(paths.map { known($0) }.joined(separator: " ")) (clock start, from 0, to 0, limit 0)"
    }

    private func known(_ path: String) -> String {
        let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
        return "\(URL(fileURLWithPath: path).lastPathComponent):\(size):0a"
    }

    private func files(_ paths: [String], _ options: TripSourceOptions) -> StreamRunner.Source {
        .files(identity: identity(paths), files: paths.map(known), paths: paths) { skip, ahead in
            var options = options
            (options.skip, options.ahead) = (skip, ahead)
            return try TripSource(paths: paths, options: options)
        }
    }

    private func parts(_ paths: [String], _ options: TripSourceOptions, unit: Int64) throws -> StreamRunner.Source {
        let files = try paths.map { path in
            let first = Array(try Data(contentsOf: URL(fileURLWithPath: path)).prefix(CSVHeader.sampleSize))
            let isPacked = CompressionFormat(firstBytes: first) != .plain
            let form = TripFilePartForm(name: path)
            return PartFile(
                place: path, name: path, size: Int64(try Data(contentsOf: URL(fileURLWithPath: path)).count),
                form: form,
                reading: .bytes, isPacked: isPacked,
                header: form == .csv && !isPacked
                    ? try CSVHeader(firstBytes: first, file: path, for: options).text : nil,
                stamp: "")
        }
        var all = PartFiles(
            identity: identity(paths), known: paths.map(known), files: files, options: options, stamp: nil)
        all.unitBytes = unit
        return .parts(all, watch: InputWatch(paths: paths))
    }

    private func engine(_ threads: Int = 2, parallel: Int? = nil) -> ThreadsEngine {
        ThreadsEngine(threads: threads, parallel: parallel) { throw Problem(.software, "no topic is read") }
    }

    /// Rows of views, ledger and dead letters.
    private func outcome(_ bench: StreamBench, withLetters: Bool = true) throws -> [String] {
        var lines: [String] = []
        for plan in plans {
            lines += try bench.rows(of: plan.table).map { row in
                "\(plan.name): \(row.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })"
            }
            for counter in ["aggregated", "late", "skipped", "filtered"] {
                lines.append("\(plan.name) \(counter): \(try bench.counted(plan.name, counter))")
            }
        }
        guard withLetters, try bench.store.hasTopic("chicago_deadLetter") else { return lines.sorted() }
        let reader = try bench.store.makeReader(topic: "chicago_deadLetter")
        try reader.forEachBatch(of: 0, in: reader.offsets()[0]) { batch in
            lines += try batch.records().map { record in
                "\(String(decoding: record.value ?? [], as: UTF8.self)) \(record.headers.filter { $0.name != "at" }.map { "\($0.name)=\(String(decoding: $0.value ?? [], as: UTF8.self))" })"
            }
            return true
        }
        return lines.sorted()
    }

    private var streamOptions: StreamOptions {
        var options = StreamBench.options()
        options.late = .update
        return options
    }

    struct Cut: Sendable, CustomTestStringConvertible {
        var unit: Int64
        var parallel: Int
        var testDescription: String { "units of \(unit) bytes, \(parallel) at once" }
    }

    /// Units of some hundred bytes end within rows of several lines, and within the quotes that are never closed.
    @Test(arguments: [
        Cut(unit: 300, parallel: 1), Cut(unit: 450, parallel: 5), Cut(unit: 5_000, parallel: 3),
        Cut(unit: 1 << 30, parallel: 2),
    ])
    func partsGiveWhatTheWholeFilesGive(_ cut: Cut) throws {
        for late in [StreamOptions.LatePolicy.update, .drop, .deadLetter] {
            var options = streamOptions
            options.late = late
            let local = try StreamBench()
            let paths = try (1...3).map { try write(faulty(150, seed: UInt64($0)), "\($0).csv", local) }
            var read = self.options
            if late == .deadLetter { read.fields = .all }
            try local.run(plans, options, source: files(paths, read))
            let other = try StreamBench()
            let runner = try other.runner(plans, options, source: parts(paths, self.options, unit: cut.unit))
            runner.engine = engine(parallel: cut.parallel)
            let summary = try runner.run()
            #expect(summary.records > 400 && summary.rejected.count > 2)
            #expect(try outcome(other) == outcome(local))
            // Either way the files are known as read.
            try other.run(plans, options, source: files(paths, read))
            let again = try local.runner(plans, options, source: parts(paths, self.options, unit: cut.unit))
            let unused = engine()
            again.engine = unused
            #expect(try again.run().records == 0)
            #expect(unused.asked.isEmpty)
            #expect(try outcome(other) == outcome(local))
        }
    }

    @Test func aRunThatIsStoppedGoesOnWhereItWas() throws {
        let local = try StreamBench()
        let paths = try (1...2).map { try write(faulty(200, seed: UInt64(10 + $0)), "\($0).csv", local) }
        try local.run(plans, streamOptions, source: files(paths, options))
        let other = try StreamBench()
        var (isDone, turns) = (false, 0)
        while !isDone {
            turns += 1
            let runner = try other.runner(plans, streamOptions, source: parts(paths, options, unit: 900))
            runner.engine = engine(parallel: 1 + turns % 3)
            isDone = try !runner.run(stoppingAt: 9).wasStopped
            if turns == 1 {
                // What is left of them is no list of trips in the order of time.
                let problem = #expect(throws: Problem.self) {
                    try other.run(plans, streamOptions, source: files(paths, options))
                }
                #expect(problem?.code == .usage)
            }
        }
        #expect(turns > 3)
        #expect(try outcome(other) == outcome(local))
    }

    @Test func whatTheStreamHasBegunItselfIsNotReadInParts() throws {
        let bench = try StreamBench()
        let paths = [try write(faulty(200, seed: 4), "1.csv", bench)]
        var options = streamOptions
        options.epochRecords = 20
        try bench.runner(plans, options, source: files(paths, self.options)).run(stoppingAt: 3)
        let runner = try bench.runner(plans, options, source: parts(paths, self.options, unit: 900))
        runner.engine = engine()
        let problem = #expect(throws: Problem.self) { _ = try runner.run() }
        #expect(problem?.code == .usage)
    }

    /// Where each trip falls in its quarter of an hour depends on its line in its file.
    @Test func rowsAreSpreadAndFilteredAsWhereFilesAreRead() throws {
        var read = options
        (read.spread, read.seed, read.cleaning) = (.uniform, 7, .standard)
        read.from = 1_709_400_000_000
        let local = try StreamBench()
        let paths = try (1...3).map { try write(faulty(150, seed: UInt64(20 + $0)), "\($0).csv", local) }
        try local.run(plans, streamOptions, source: files(paths, read))
        let other = try StreamBench()
        let runner = try other.runner(plans, streamOptions, source: parts(paths, read, unit: 900))
        runner.engine = engine(3)
        _ = try runner.run()
        // A row that is left out of a period may be good or not.
        #expect(try outcome(other, withLetters: false) == outcome(local, withLetters: false))
    }

    @Test(arguments: ["gz", "zst"]) func packedFilesAreReadAsAWhole(end: String) throws {
        let local = try StreamBench()
        let text = faulty(300, seed: 31)
        let path = try write(text, "1.csv", local)
        try local.run(plans, streamOptions, source: files([path], options))
        let packed = local.path("1.csv.\(end)")
        let writer = try CompressingWriter(path: packed)
        try writer.write(Array(text.utf8))
        try writer.finish()
        let other = try StreamBench()
        let runner = try other.runner(plans, streamOptions, source: parts([packed], options, unit: 900))
        runner.engine = engine()
        _ = try runner.run()
        #expect(
            try outcome(other, withLetters: false) == outcome(local, withLetters: false))
    }

    /// Stopped by its rejects, a worker says how far it came; what follows is read in the same way by another.
    @Test(arguments: [TripFilePartForm.csv, .jsonl, .avro]) func aPartThatIsStoppedEarlyIsReadOn(
        _ form: TripFilePartForm
    ) throws {
        let bench = try StreamBench()
        let trips = SimpleTrip.random(900, from: StreamRunnerTests.morning, over: 6 * StreamRunnerTests.hour, seed: 3)
        let path = bench.path("trips.\(form.rawValue)")
        switch form {
        case .csv: _ = try write(faulty(900, seed: 5), "trips.csv", bench)
        case .jsonl:
            let lines = StreamBench.json(trips).map { String(decoding: $0, as: UTF8.self) }
            let all = lines.enumerated().flatMap { $0 % 3 == 0 ? ["no trip \($0)", $1] : [$1] }
            _ = try write("\u{feff}" + all.joined(separator: "\n"), "trips.jsonl", bench)
        case .avro: try writeAvro(trips, to: path)
        }
        let whole = try read(path, form, sideBytes: 1 << 40)
        #expect(whole.parts == 1 && whole.records > 700)
        let pieces = try read(path, form, sideBytes: 1)
        #expect(pieces.records == whole.records && pieces.words == whole.words)
        #expect(pieces.rejects == whole.rejects)
        if form != .avro { #expect(!whole.rejects.isEmpty) }
    }

    private func writeAvro(_ trips: [SimpleTrip], to path: String) throws {
        var bytes = Data()
        let writer = try AvroFileWriter(schema: TripAvro.schema(money: .decimal)) { bytes.append(contentsOf: $0) }
        let batch = trips.batch()
        for row in stride(from: 0, to: trips.count, by: 300) {
            let rows = row..<min(trips.count, row + 300)
            var out = OutputBuffer()
            var ends: [Int] = []
            TripAvro.encode(batch, rows: rows, money: .decimal, into: &out, recordOffsets: &ends)
            try writer.append(UnsafeRawBufferPointer(out.bytes), count: rows.count)
        }
        try writer.finish()
        try bytes.write(to: URL(fileURLWithPath: path))
    }

    /// A file read by workers that stop at so many bytes of rejects, one behind the other.
    private func read(
        _ path: String, _ form: TripFilePartForm, sideBytes: Int
    ) throws -> (parts: Int, records: Int, rejects: [String], words: [String]) {
        let setting = WorkSetting(topic: "files", tenant: "chicago", zone: StreamBench.zone, keepsLateRecords: false)
        let plan = WorkPlan(build: "test", setting: setting, delayMs: 0, plans: plans, files: options)
        let payload = try WireFrame.all(in: plan.frame())[0].payload
        let terms = RangeRequest.Query(closedUntil: .min, mergesLate: false, pruned: [], restated: [], reachedBefore: 0)
        let sums = plans.map { QueryState(plan: $0, zone: StreamBench.zone) }
        var part = TripFilePart(form: form, file: "f")
        var (parts, records, rejects): (Int, Int, [String]) = (0, 0, [])
        while true {
            let request = RangeRequest(
                partition: 0, offsets: 0..<1 << 62, maximumSideBytes: sideBytes, maximumStateBytes: 64 << 20,
                floor: .min, limit: .min, newest: nil,
                ahead: MaxAhead(nowMs: .max, aheadMs: 0), queries: plans.map { _ in terms }, part: part)
            #expect(try RangeRequest(payload: WireFrame.all(in: request.frame())[0].payload) == request)
            let worker = try RangeReader(plan: payload, build: "test") { throw Problem(.software, "no topic is read") }
            let answer = try worker.partial(of: WireFrame.all(in: request.frame())[0].payload) {
                try DecompressingReader(path: path)
            }
            let partial = try RangePartial(
                payload: WireFrame.all(in: answer)[0].payload, plans: plans, zone: StreamBench.zone, request: request)
            for (sum, state) in zip(sums, partial.states) { sum.merge(state) }
            parts += 1
            records += partial.findings.records
            rejects += partial.findings.rejects.map {
                "\($0.reject.location.line) \($0.reject.reason) \($0.reject.bytes.count)"
            }
            let end = try #require(partial.part)
            if end.isAtEnd { break }
            part.skip += Int64(partial.offsets.count)
            (part.line, part.header) = (end.line, end.header)
            try #require(!partial.offsets.isEmpty)
        }
        let words = sums.map { state in
            var writer = WireWriter()
            state.append(to: &writer)
            return "\(state.counts.aggregated) \(state.windows.open.count) \(writer.bytes.count)"
        }
        return (parts, records, rejects, words)
    }

    @Test func whatIsNoTripFileIsRefused() throws {
        let bench = try StreamBench()
        for (name, text) in [("1.csv", "a,b\n1,2\n"), ("2.csv", ""), ("3.avro", "no container")] {
            let path = try write(text, name, bench)
            let problem = #expect(throws: Problem.self) {
                _ = try read(path, TripFilePartForm(name: name), sideBytes: 9)
            }
            #expect(problem?.code == .badData)
        }
    }

    @Test func onlyFilesThatAreNewAreRead() throws {
        let bench = try StreamBench()
        let paths = try (1...4).map { try write(faulty(40, seed: UInt64(40 + $0)), "\($0) of 4.csv", bench) }
        let all = paths.map(known)
        func sets(_ members: [Int], _ queries: [String]? = nil) throws -> FileSets {
            try FileSets(
                known: members.map { all[$0] }, queries: queries ?? plans.map(\.name),
                identity: { identity($0.map { paths[members[$0]] }) }, on: bench.database().connection)
        }
        func run(_ members: [Int], stoppingAt looks: Int = .max, _ only: [QueryPlan]? = nil) throws {
            let runner = try bench.runner(
                only ?? plans, streamOptions, source: parts(members.map { paths[$0] }, options, unit: 900))
            runner.engine = engine(1, parallel: 1)
            try runner.run(stoppingAt: looks)
        }
        #expect(try sets([0, 1]).sets == [[0, 1]])
        try run([0, 1], stoppingAt: 8)
        // What was begun together goes on together, before all that came since.
        #expect(try sets([0, 1, 2]).sets == [[0, 1], [2]])
        let problem = #expect(throws: Problem.self) { try sets([1, 2]) }
        #expect(problem?.code == .usage)
        try run([0, 1])
        let found = try sets([0, 1, 2])
        #expect(found.sets == [[2]] && found.passedOver == [0, 1])
        // Read in company, a file needs its company no more.
        #expect(try sets([1, 3]).sets == [[1]])
        try bench.run(plans, streamOptions, source: files([paths[2]], options))
        #expect(try sets([0, 1, 2, 3]).sets == [[3]])
        #expect(try sets([0, 1, 2]).sets.isEmpty)
        // A query that is new reads what the others have read, in the same company.
        #expect(try sets([0, 1, 2, 3], ["new"] + plans.map(\.name)).sets == [[0, 1], [2], [3]])
        #expect(throws: Problem.self) { try sets([3, 3]) }
    }
}
