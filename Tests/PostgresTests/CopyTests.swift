import Foundation
import PostgresSupport
import Problems
import Testing

@testable import Postgres

/// What is sent in the binary form of COPY is what the server has.
@Suite(.enabled(if: TestPostgres.isThere)) struct CopyTests {
    private let connection: PostgresConnection

    init() throws {
        let server = try TestPostgres.shared.get()
        connection = try PostgresConnection(PostgresURL(server.url(server.makeDatabase())))
    }

    /// Sends one value a row, and reads the rows back as texts, in order.
    private func sent(_ type: String, as shown: String = "v::text", _ count: Int, _ put: (CopyStream, Int) -> Void)
        throws
        -> [String?]
    {
        try connection.run("CREATE TEMP TABLE t (n bigint, v \(type))", doing: "")
        let rows = try connection.copy(into: "t", doing: "") { stream in
            for index in 0..<count {
                try stream.beginRow(fields: 2)
                stream.int64(Int64(index))
                put(stream, index)
            }
        }
        #expect(rows == count)
        return try connection.run("SELECT \(shown) FROM t ORDER BY n", doing: "").rows.map { $0[0] }
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8, 9]) func numericsOfAnyScale(_ scale: Int) throws {
        var values: [Int64] = [0, 1, -1, 9, 10, 99, 100, 9_999, 10_000, 10_001, 100_000_000, .max, .min, .min + 1]
        values += (0..<2000).map { _ in Int64.random(in: .min ... .max) >> Int64.random(in: 0..<63) }
        let texts = try sent("numeric(30,\(scale))", values.count) { $0.numeric(values[$1], scale: scale) }
        for (value, text) in zip(values, texts) {
            var digits = String(value.magnitude)
            digits = String(repeating: "0", count: max(0, scale + 1 - digits.count)) + digits
            let point = digits.index(digits.endIndex, offsetBy: -scale)
            #expect(text == (value < 0 ? "-" : "") + digits[..<point] + "." + digits[point...])
        }
    }

    @Test func integersAndFlags() throws {
        let values: [Int64] = [.min, -1, 0, 1, .max]
        #expect(try sent("bigint", values.count) { $0.int64(values[$1]) } == values.map(String.init))
        try connection.run("DROP TABLE t", doing: "")
        let small: [Int16] = [.min, -1, 0, 1, .max]
        #expect(try sent("smallint", small.count) { $0.int16(small[$1]) } == small.map(String.init))
    }

    @Test func doublesToTheLastBit() throws {
        var values: [Double] = [0, -0.0, .infinity, -.infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 0.1]
        values += (0..<2000).map { _ in Double(bitPattern: .random(in: 0...(.max))) }.filter { !$0.isNaN }
        let texts = try sent("double precision", values.count) { $0.double(values[$1]) }
        for (value, text) in zip(values, texts) {
            #expect(text.flatMap { Double($0.replacing("Infinity", with: "inf")) }?.bitPattern == value.bitPattern)
        }
        try connection.run("DROP TABLE t", doing: "")
        #expect(try sent("double precision", 2) { if $1 == 0 { $0.double(.nan) } else { $0.null() } } == ["NaN", nil])
    }

    @Test func timesAndDaysOverTheWholeRange() throws {
        var values: [Int64] = [0, -1, 946_684_800_000, -210_866_803_200_000, 9_224_318_015_999_999]
        values += (0..<1000).map { _ in Int64.random(in: -210_866_803_200_000...9_224_318_015_999_999) }
        let texts = try sent("timestamptz", as: "(extract(epoch FROM v) * 1000)::bigint::text", values.count) {
            #expect($0.timestamp(ms: values[$1]))
        }
        #expect(texts == values.map(String.init))
        try connection.run("DROP TABLE t", doing: "")
        let days: [Int64] = [0, -1, 10_957, 19_826, -2_440_588, 2_145_042_541]
        let numbers = try sent("date", as: "(v - date '1970-01-01')::text", days.count) { #expect($0.day(days[$1])) }
        #expect(numbers == days.map(String.init))
    }

    @Test func whatIsOutOfRangeIsNotSent() throws {
        try connection.run("CREATE TEMP TABLE t (v timestamptz)", doing: "")
        _ = try connection.copy(into: "t", doing: "") { stream in
            for ms: Int64 in [.min, .max, -210_866_803_200_001, 9_224_318_016_000_000] {
                #expect(!stream.timestamp(ms: ms))
            }
            for day: Int64 in [.min, .max, -2_440_589, 2_145_042_542] { #expect(!stream.day(day)) }
        }
    }

    @Test func hostileTexts() throws {
        let pieces: [[UInt8]] = [
            Array("\\N".utf8), Array("\\.".utf8), [10], [13], [9], Array("'\"\\".utf8), Array("ü😀".utf8), [0], [255],
            [0xC3],
            [0xED, 0xA0, 0x80], Array("$1; DROP TABLE t; --".utf8), [127], [1], Array(repeating: 65, count: 70_000), [],
        ]
        let texts = pieces + (0..<500).map { _ in (0..<Int.random(in: 0...6)).flatMap { _ in pieces.randomElement()! } }
        var replaced: [Bool] = []
        let shown = try sent("text", as: "encode(convert_to(v, 'UTF8'), 'hex')", texts.count) { stream, index in
            replaced.append(texts[index].withUnsafeBytes(stream.text))
        }
        for (index, text) in texts.enumerated() {
            let expected = Array(String(decoding: text, as: UTF8.self).replacing("\0", with: "\u{FFFD}").utf8)
            #expect(shown[index] == expected.map { String(format: "%02x", $0) }.joined())
            #expect(replaced[index] == (expected != text))
        }
    }

    @Test func aRefusedCopyLeavesTheConnectionFit() throws {
        struct Stop: Error {}
        try connection.run("CREATE TEMP TABLE t (v smallint CHECK (v > 0))", doing: "")
        #expect(throws: Stop.self) {
            try connection.transaction {
                _ = try connection.copy(into: "t", doing: "") { stream in
                    try stream.beginRow(fields: 1)
                    stream.int16(1)
                    throw Stop()
                }
            }
        }
        let problem = #expect(throws: Problem.self) {
            try connection.transaction {
                _ = try connection.copy(into: "t", doing: "writing") { stream in
                    try stream.beginRow(fields: 1)
                    stream.int16(0)
                }
            }
        }
        #expect(problem?.code == .badData)
        #expect(try connection.value("SELECT count(*) FROM t", doing: "") == "0")
    }

    @Test func whatIsWaitedForCanBeStopped() throws {
        let server = try TestPostgres.shared.get()
        let began = ContinuousClock.now
        var looks = 0
        let stopped = try PostgresConnection(PostgresURL(server.url("postgres"))) {
            looks += 1
            return looks > 20
        }
        let problem = #expect(throws: Problem.self) { try stopped.run("SELECT pg_sleep(3600)", doing: "sleeping") }
        #expect(problem?.code == .tryAgain)
        #expect(ContinuousClock.now - began < .seconds(600))
    }
}
