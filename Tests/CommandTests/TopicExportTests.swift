import CommandSupport
import Foundation
import PythonSupport
import Testing

/// `topic export`, as a person uses it.
@Suite struct TopicExportTests {
    private func filled() throws -> TaxiCLI {
        let taxi = try TaxiCLI()
        try taxi.succeed(
            "data", "generate", "--rows", "3000", "--seed", "3", "--dirty", "1%", "--from", "2024-01-01", "--to",
            "2024-01-03", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--max", "--clock", "start", "--partitions", "3")
        try taxi.succeed("stream", "--until-end")
        return taxi
    }

    private func text(_ taxi: TaxiCLI, _ name: String) throws -> String {
        try String(contentsOfFile: taxi(name), encoding: .utf8)
    }

    @Test func whatIsExportedCanBeReplayedAndGivesTheSameTables() throws {
        let taxi = try filled()
        let said = try taxi.succeed("topic", "export", "ingestData", "--format", "csv", "--output", "out.csv").errors
        let lines = try taxi.succeed("topic", "tail", "ingestData", "--from-beginning").lines
        #expect(said.contains("out.csv: \(lines.count / 1000),"), "\(said)")
        #expect(try text(taxi, "out.csv").split(separator: "\r\n").count == lines.count + 1)
        #expect(try taxi.succeed("topic", "export", "ingestData").lines.sorted() == lines.sorted())
        let again = try TaxiCLI()
        try again.succeed("produce", taxi("out.csv"), "--max", "--clock", "start")
        try again.succeed("stream", "--until-end")
        let views = TaxiCLI.queryViews
        #expect(try again.contents(of: views) == taxi.contents(of: views))
    }

    @Test func exportsResultsAndDeadLetters() throws {
        let taxi = try filled()
        let results = try taxi.succeed("topic", "export", "tripsTotalStream", "--format", "csv").text.split(
            separator: "\r\n")
        #expect(results[0] == "day,trips_total,fare_total,tips_avg,trip_total_avg")
        let letters = try taxi.succeed("topic", "export", "deadLetter", "--format", "csv", "--limit", "1").text.split(
            separator: "\r\n")
        #expect(letters[0] == "partition,offset,timestamp,key,headers,value")
        #expect(letters[1].contains(#""{""reason"":"#))
        let count = try taxi.succeed("dead-letter", "show").lines.count
        #expect(try taxi.succeed("topic", "export", "deadLetter").lines.count == count)
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        var line: String
        var code: Int32
        var words: String
        var testDescription: String { line }
        init(_ line: String, _ code: Int32, _ words: String) {
            (self.line, self.code, self.words) = (line, code, words)
        }
    }

    @Test func saysWhatItCannotDoAndLeavesTheFileAsItWas() throws {
        let taxi = try filled()
        for c in [
            Refusal("ingestData --format avro", 64, "Name a file with --output"),
            Refusal("ingestData --format table", 64, "One of: csv, jsonl, parquet, avro"),
            Refusal("ingestData --from 3 --output old", 64, "Say which with --partition"),
            Refusal("ingestData --partition 3 --output old", 64, "Its partitions are 0 to 2"),
            Refusal("sumFareWindowStream --money cents --output old", 64, "Leave --money out"),
            Refusal("deadLetter --as objects --output old", 65, "is no JSON object"),
            Refusal("ingestDat", 66, "Did you mean"),
            Refusal("ingestData --output no/such/file", 73, "no/such/file"),
            Refusal("ingestData --format avro --output /dev/full", 74, "no space left"),
        ] {
            try "what was there".write(toFile: taxi("old"), atomically: true, encoding: .utf8)
            let ending = try taxi.shell("\"$TAXI\" topic export \(c.line)")
            #expect(ending.code == c.code, "\(c.line): \(ending.errors)")
            #expect(ending.errors.lowercased().contains(c.words.lowercased()), "\(c.line): \(ending.errors)")
            #expect(try text(taxi, "old") == "what was there", "\(c.line)")
        }
    }

    @Test func convertsTripFilesByTheirNames() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "2000", "--seed", "4", "--dirty", "1%", "a.csv.gz")
        let said = try taxi.succeed("data", "convert", "a.csv.gz", "a.avro").errors
        #expect(said.contains("records left out") && said.contains("bad_money, the first at a.csv.gz:"), "\(said)")
        try taxi.succeed("data", "convert", "a.avro", "a.csv")
        let lines = try taxi.succeed("data", "convert", "a.csv.gz", "-", "--to", "jsonl").lines
        #expect(try taxi.succeed("data", "convert", "a.avro", "-", "--to", "jsonl").lines == lines)
        #expect(try taxi.shell("\"$TAXI\" data convert - - --from csv --to jsonl < a.csv").lines.count == lines.count)
        for (line, code) in [
            ("a.avro a.csv", 73), ("a.avro b", 64), ("b a.csv", 64), ("b.csv c.csv", 66), ("a.avro b.avro.gz", 64),
            ("a.avro b.jsonl --from csv", 65), ("a.csv b.avro --from avro", 65),
        ] as [(String, Int32)] {
            let ending = try taxi.shell("\"$TAXI\" data convert \(line)")
            #expect(ending.code == code, "\(line): \(ending.errors)")
        }
    }

    @Test func saysWhatToInstallForParquet() throws {
        let taxi = try filled()
        // A PATH with nothing in it.
        let ending = try taxi.run(
            "topic", "export", "ingestData", "--format", "parquet", "--output", "x.parquet",
            environment: ["PATH": taxi.folder])
        #expect(ending.code == 69)
        #expect(ending.errors.contains("pip install duckdb"))
        #expect(!FileManager.default.fileExists(atPath: taxi("x.parquet")))
    }

    @Test(.enabled(if: Python.hasPeers)) func otherProgramsReadParquetAndAvro() throws {
        let taxi = try filled()
        let path = ["PATH": "\(try #require(Python.folder)):/usr/bin:/bin"]
        try taxi.succeed(
            "topic", "export", "ingestData", "--format", "parquet", "--output", "t.parquet", environment: path)
        for codec in ["null", "deflate", "zstandard", "snappy"] {
            try taxi.succeed(
                "topic", "export", "ingestData", "--format", "avro", "--codec", codec, "--output", "\(codec).avro")
        }
        try taxi.succeed(
            "topic", "export", "ingestData", "--format", "avro", "--money", "cents", "--output", "cents.avro")
        try taxi.succeed("topic", "export", "ingestData", "--output", "t.jsonl")
        let script = """
            import duckdb, fastavro, sys
            folder = sys.argv[1] + "/"
            def numbers(rows): print(len(rows), sum(row[0] or 0 for row in rows), sum(row[1] or 0 for row in rows), max(row[2] for row in rows))
            query = "SELECT fare, trip_miles, epoch_ms(event_timestamp) FROM %s('%s')"
            numbers([(int(a * 100) if a else a, b, c) for a, b, c in duckdb.sql(query % ("read_parquet", folder + "t.parquet")).fetchall()])
            for codec in ["null", "deflate", "zstandard", "snappy", "cents"]:
                with open(folder + codec + ".avro", "rb") as file: records = list(fastavro.reader(file))
                fare = (lambda r: r["fare_cents"]) if codec == "cents" else (lambda r: r["fare"] and int(r["fare"] * 100))
                numbers([(fare(r), r["trip_miles"], round(r["event_timestamp"].timestamp() * 1000)) for r in records])
            """
        let lines = try Python.run(script, taxi.folder).split(separator: "\n")
        #expect(lines.count == 6 && Set(lines).count == 1, "\(lines)")
        var (count, cents) = (0, 0)
        for line in try text(taxi, "t.jsonl").split(separator: "\n") {
            count += 1
            let fare = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            if let number = fare?["fare"] as? NSNumber { cents += Int((number.doubleValue * 100).rounded()) }
        }
        #expect(lines.first?.hasPrefix("\(count) \(cents) ") == true, "\(lines) \(count) \(cents)")
    }
}
