import Basics
import Compression
import Foundation
import Problems
import Testing

import Time
@testable import Trips

/// Rows that are no rows, of any size and number: they are counted and given out, in memory that does not grow with them.
@Suite final class BoundedRejectsTests {
    private static let zone = try! ZoneClock(identifier: "America/Chicago")
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bounded-\(UUID().uuidString)")

    init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(at: folder) }

    private static let header = "Trip ID,Trip Start Timestamp,Fare,Company\n"
    private static func row(_ id: Int, fare: String = "10.00", company: String = "Flash Cab") -> String {
        "\(id),03/09/2024 0\(1 + id % 9):15:00 AM,\(fare),\(company)\n"
    }

    /// Packed as the name says.
    private func file(_ pieces: [String], _ name: String = "trips.csv") throws -> String {
        let path = folder.appendingPathComponent(name).path
        let writer = try CompressingWriter(path: path)
        for piece in pieces { try writer.write(Array(piece.utf8)) }
        try writer.finish()
        return path
    }

    struct Order: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var clock: EventClock
        var fields: TripFieldSet
    }
    /// The three readers: of the files' order, of the time's with few columns, and with all.
    static let orders = [
        Order(testDescription: "in the order of the file", clock: .now, fields: .all),
        Order(testDescription: "by time, few columns", clock: .start, fields: TripFieldSet([.fare])),
        Order(testDescription: "by time, all columns", clock: .start, fields: .all),
    ]

    private func source(_ path: String, _ order: Order) throws -> TripSource {
        var options = TripSourceOptions(clock: order.clock, fields: order.fields, required: [], zone: Self.zone)
        options.toleratesRejects = true
        return try TripSource(paths: [path], options: options)
    }

    /// What each call gives.
    private func portions(_ source: TripSource) throws -> (trips: Int, rejects: [[Reject]]) {
        let batch = TripBatch(capacity: 8192)
        var (trips, rejects): (Int, [[Reject]]) = (0, [])
        while try source.next(into: batch) {
            trips += batch.count
            rejects.append(source.takeRejects())
        }
        rejects.append(source.takeRejects())
        return (trips, rejects)
    }

    @Test("rejected rows come in portions, each whole", arguments: orders)
    func portions(_ order: Order) throws {
        let size = 900_000
        // All in one time, so that they come in the order of the file from each reader.
        let long = String(repeating: "x", count: size)
        let rows = (0..<50).map { id in
            Self.row(9 * id, fare: id % 2 == 0 ? "much" : "10.00", company: id % 2 == 0 ? long : "")
        }
        let source = try source(try file([Self.header] + rows), order)
        let (trips, rejects) = try portions(source)
        #expect(trips == 25)
        #expect(rejects.joined().map(\.location.line) == Array(stride(from: 2, to: 52, by: 2)))
        #expect(rejects.joined().map(\.bytes) == stride(from: 0, to: 50, by: 2).map { Array(rows[$0].utf8.dropLast()) })
        // So many that the next ones were not met yet, and those that were met together.
        for portion in rejects { #expect(portion.reduce(0) { $0 + $1.bytes.count } < 2 * Reject.bytesAtOnce) }
        #expect(rejects.filter { !$0.isEmpty }.count == 2)
        #expect(source.counts.rejected == [.badMoney: 25])
    }

    @Test(
        "a row without an end is one reject, cut, and its line is one", arguments: ["csv", "csv.gz", "csv.zst"], orders)
    func endless(_ suffix: String, _ order: Order) throws {
        // More than two pieces of a stream; quoted or not, and a quote that is never closed.
        let megabyte = String(repeating: "endless,", count: 1 << 17)
        for (name, opening) in [("plain", ""), ("quoted", "1,\""), ("fields", "1,2,3,")] {
            let path = try file(
                [Self.header, Self.row(1), opening] + Array(repeating: megabyte, count: 20) + ["\n", Self.row(2)],
                "\(name).\(suffix)")
            let (trips, rejects) = try portions(source(path, order))
            #expect(trips == 2)
            let all = rejects.flatMap { $0 }
            #expect(all.map(\.reason) == [.oversized], "\(name)")
            #expect(all.map(\.location.line) == [3])
            #expect(all.first?.bytes == Array((opening + megabyte).utf8.prefix(Reject.keptOfOversized)))
        }
    }

    @Test("a file may end within such a row", arguments: ["csv", "csv.gz"], orders)
    func endsWithin(_ suffix: String, _ order: Order) throws {
        let path = try file(
            [Self.header, Self.row(1)] + Array(repeating: String(repeating: "e", count: 1 << 20), count: 20),
            "trips.\(suffix)")
        let (trips, rejects) = try portions(source(path, order))
        #expect(trips == 1)
        #expect(rejects.joined().map(\.reason) == [.oversized])
    }

    @Test("large rows that can be used do not fill memory either", arguments: orders)
    func largeRows(_ order: Order) throws {
        // A column that nobody knows takes any length.
        let long = String(repeating: "y", count: 1_000_000)
        let path = try file(
            [Self.header.dropLast() + ",Remark\n"] + (0..<150).map { Self.row($0).dropLast() + ",\(long)\n" })
        let source = try source(path, order)
        let batch = TripBatch(capacity: 8192)
        var counts: [Int] = []
        while try source.next(into: batch) { counts.append(batch.count) }
        #expect(counts.reduce(0, +) == 150)
        // Of the few columns nothing but these is kept.
        #expect(order.clock != .now && order.fields != .all || counts.count == 3)
    }

    @Test(
        "a row is too long by its length alone, whatever its columns, packing and order", arguments: ["csv", "csv.gz"],
        orders)
    func longAsAWhole(_ suffix: String, _ order: Order) throws {
        // A column that nobody knows takes any length that a row may have.
        let header = String(Self.header.dropLast()) + ",Remark\n"
        for (length, reasons) in [(1 << 20, [RejectReason.oversized]), ((1 << 20) - 100, [])] {
            let long = String(Self.row(2).dropLast()) + ",\(String(repeating: "y", count: length))\n"
            let path = try file(
                [header, String(Self.row(1).dropLast()) + ",\n", long, String(Self.row(3).dropLast()) + ",\n"],
                "row.\(suffix)")
            let (trips, rejects) = try portions(source(path, order))
            #expect(trips == 3 - reasons.count)
            #expect(rejects.joined().map(\.reason) == reasons)
            #expect(rejects.joined().map(\.location.line) == reasons.map { _ in 3 })
        }
    }

    @Test("of a line that is too long only the first bytes are spooled, however it is cut into pieces")
    func spooledLines() {
        var random = SplitMix64(seed: 11)
        for _ in 0..<12 {
            var text: [UInt8] = []
            for _ in 0..<(1 + random.next() % 6) {
                let length = Int(random.next() % 8 == 0 ? random.next() % 4_000_000 : random.next() % 2000)
                text +=
                    [UInt8](repeating: 0x78, count: length)
                    + [[0x0a], [0x0d], [0x0d, 0x0a], [0x0a, 0x0a]][Int(random.next() % 4)]
            }
            let pieceSize = 1 + Int(random.next() % UInt64(1 << 20))
            var line = SpooledLine()
            var kept: [UInt8] = []
            for start in stride(from: 0, to: text.count, by: pieceSize) {
                text[start..<min(text.count, start + pieceSize)].withUnsafeBytes { piece in
                    for part in line.kept(of: piece) { kept += part }
                }
            }
            var (wanted, length): ([UInt8], Int) = ([], 0)
            for byte in text {
                let isEnd = byte == 0x0a || byte == 0x0d
                if isEnd || length < SpooledLine.most { wanted.append(byte) }
                length = isEnd ? 0 : length + 1
            }
            #expect(kept == wanted)
        }
    }

    /// The place of a reject is a line: to find it, each time from the nearest place that is known, a few thousand bytes are looked at and
    /// not the file.
    @Test func linesAreCountedOnce() throws {
        let count = 20_000
        let rows = (0..<count).map { id in Self.row(id * 7919 % count, fare: id % 20 == 3 ? "much" : "10.00") }
        let path = try file([Self.header] + rows)
        var options = TripSourceOptions(clock: .start, fields: .all, required: [], zone: Self.zone)
        options.toleratesRejects = true
        var rejects: [Reject] = []
        var guards = RejectGuard(source: "trips", isTolerant: true)
        let reader = try EventOrderReader(
            paths: [path], options: options, guards: guards, warnings: ColumnWarnings { _ in }, progress: nil)
        let batch = TripBatch(capacity: 8192)
        repeat { batch.reset() } while try reader.fill(batch, &rejects, &guards)
        #expect(rejects.map(\.location.line).sorted() == (0..<count).filter { $0 % 20 == 3 }.map { $0 + 2 })
        #expect(reader.bytesSearched < rejects.count * (17 << 10))
    }
}
