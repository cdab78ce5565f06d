import CommandSupport
import Foundation
import SQLite
import Testing

/// Small files that stand for much memory, and large rows by the dozen: what is held at once is bounded, and what is left out is counted.
@Suite struct BombTests {
    /// 120 trips, of which 50 have a fare that is none and a megabyte of a company.
    private static func largeRows(_ taxi: TaxiCLI) throws {
        try taxi.succeed("data", "generate", "--rows", "120", "--seed", "5", "few.csv")
        var lines = try String(contentsOfFile: taxi("few.csv"), encoding: .utf8).split(separator: "\n").map(String.init)
        let long = String(repeating: "x", count: 1_000_000)
        for row in 1...50 {
            var fields = lines[2 * row].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            (fields[10], fields[16]) = ("much", long)
            lines[2 * row] = fields.joined(separator: ",")
        }
        try (lines.joined(separator: "\n") + "\n").write(toFile: taxi("large.csv"), atomically: false, encoding: .utf8)
    }

    @Test(arguments: [
        "produce large.csv --max", "produce - --max < large.csv", "produce large.csv --max --clock start",
        "stream --input large.csv", "stream --input large.csv --late dead-letter",
    ])
    func rejectsAreStoredInPortions(_ line: String) throws {
        let taxi = try TaxiCLI()
        try Self.largeRows(taxi)
        let ending = try taxi.shell("\"$TAXI\" \(line)")
        #expect(ending.code == 0, "\(ending.errors)")
        #expect(try taxi.recordCount("chicago_deadLetter") == 50)
        let sizes = try taxi.query("SELECT size_bytes FROM batches ORDER BY 1 DESC", database: taxi.topicsPath)
            .compactMap { $0[0].integer }
        #expect(sizes[0] < 34 << 20, "\(sizes)")
        #expect(sizes.reduce(0, +) > 50_000_000)
    }

    /// 300 MB of one row in 300 KB; with less memory than that.
    @Test(arguments: ["gz", "zst"], ["now", "start"])
    func aRowWithoutAnEndIsPassedOver(_ suffix: String, _ clock: String) throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "50", "few.csv")
        let pack = suffix == "gz" ? "gzip -1" : "zstd -1 -q"
        guard try taxi.shell("command -v \(pack.prefix { $0 != " " })").code == 0 else {
            return print("skipped: there is no \(pack)")
        }
        let packed = try taxi.shell(
            "{ cat few.csv; printf 'x,\"'; head -c 300000000 /dev/zero | tr '\\0' ,; echo; tail -n 5 few.csv; } | \(pack) > bomb.csv.\(suffix)"
        )
        #expect(packed.code == 0, "\(packed.errors)")
        // In the order of time the unpacked file is mapped; what is mapped counts as addresses.
        let limit = clock == "now" ? 450_000 : 800_000
        let ending = try taxi.shell(
            "ulimit -v \(limit); \"$TAXI\" produce bomb.csv.\(suffix) --max --clock \(clock) --summary-json -")
        #expect(ending.code == 0, "\(ending.errors)")
        let summary = try jsonObject(ending.text)
        #expect(summary["sent"] as? Int == 55)
        #expect(summary["rejected"] as? [String: Int] == ["oversized": 1])
        let dead = try taxi.succeed("dead-letter", "show")
        #expect(dead.output.count == (64 << 10) + 1)
    }

    /// A frame of a few bytes that asks for a window of 2 GiB, where there is less.
    @Test func aWindowLargerThanMemoryIsSaid() throws {
        let taxi = try TaxiCLI()
        let text = [UInt8](repeating: UInt8(ascii: "x"), count: 100)
        // RFC 8878: magic, a header without sizes, windowLog 31, one block that is the last, raw, and as long as the text.
        let frame: [UInt8] =
            [0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3] + [UInt8(100 << 3 & 0xff) | 1, 100 >> 5, 0] + text
        try Data(frame).write(to: URL(fileURLWithPath: taxi("wide.csv.zst")))
        let ending = try taxi.shell("ulimit -v 1500000; \"$TAXI\" produce wide.csv.zst --max")
        #expect(ending.code == 75, "\(ending.code) \(ending.errors)")
        #expect(ending.errors.contains("takes more memory than this process can have"), "\(ending.errors)")
        #expect(ending.errors.contains("--long"), "\(ending.errors)")
    }
}
