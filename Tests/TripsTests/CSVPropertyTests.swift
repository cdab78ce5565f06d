import Basics
import Foundation
import Problems
import Testing

@testable import Trips

/// The fast reader against the slow one, on files that no producer would write and on ones that some do.
@Suite struct CSVPropertyTests {
    private static let fields: [TripField] = [
        .startTimestamp, .seconds, .miles, .pickupArea, .fare, .company, .pickupLongitude,
    ]

    @Test(arguments: UInt64(1)...30)
    func readsAsTheSlowReaderDoes(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<8 {
            let file = randomFile(&random)
            let cuts = (0..<Int.random(in: 0...4, using: &random)).map { _ in
                Int.random(in: 0...file.count, using: &random)
            }
            let fast = try seen(file, fields: Self.fields, cuts: cuts.sorted()).seen
            let slow = SlowCSV.read(file, fields: Self.fields)
            expectSame(fast, slow, seed, file)
            // Whether a row is good depends on the row alone.
            let few = Array(Self.fields.shuffled(using: &random).prefix(Int.random(in: 0...3, using: &random)))
            expectSame(try seen(file, fields: few).seen, SlowCSV.read(file, fields: few), seed, file)
        }
    }

    private func expectSame(_ fast: Seen, _ slow: Seen, _ seed: UInt64, _ file: [UInt8]) {
        // Rows are framed, then decoded, so that rejects come in two orders.
        func sorted(_ seen: Seen) -> Seen {
            var seen = seen
            seen.rejects.sort { ($0.line, $0.column) < ($1.line, $1.column) }
            return seen
        }
        let (fast, slow) = (sorted(fast), sorted(slow))
        guard fast != slow else { return }
        let row = zip(fast.rows, slow.rows).first { $0 != $1 }
        let reject = zip(fast.rejects, slow.rejects).first { $0 != $1 }
        Issue.record(
            """
            seed \(seed): \(fast.rows.count) rows and \(fast.rejects.count) rejects, not \(slow.rows.count) and \
            \(slow.rejects.count); \(row.map { "\($0)" } ?? "") \(reject.map { "\($0)" } ?? "")
            \(String(decoding: file.prefix(3000), as: UTF8.self).debugDescription)
            """)
    }

    @Test("numbers mean what their digits say", arguments: UInt64(1)...20)
    func numbers(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<100 {
            let text = randomNumber(&random)
            for field in [TripField.fare, .seconds, .miles, .pickupTract, .pickupArea, .pickupLatitude] {
                let bytes = Array("\(field.header)\n\"\(text)\"\n".utf8)
                let (fast, slow) = (try seen(bytes, fields: [field]).seen, SlowCSV.read(bytes, fields: [field]))
                if fast != slow { Issue.record("\(field.name) \(text): \(fast) and not \(slow)") }
                if !text.isEmpty, !text.contains(",") {
                    let file = Array("\(field.header),Company\n\(text),\(String(repeating: "x", count: 40))\n".utf8)
                    let (read, unread) = (try seen(file, fields: [field]).seen, try seen(file, fields: []).seen)
                    if unread.rejects != read.rejects { Issue.record("\(field.name) \(text), not read: \(unread)") }
                }
                let unread = try seen(bytes, fields: []).seen
                if unread.rejects != slow.rejects { Issue.record("\(field.name) \(text), not read: \(unread)") }
            }
        }
    }

    @Test("what is checked alone is judged as what is read", arguments: UInt64(1)...20)
    func unread(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        func edited(_ text: String, by letters: String) -> String {
            var bytes = Array(text.utf8)
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                let (place, letter) = (
                    Int.random(in: 0..<bytes.count, using: &random), letters.utf8.randomElement(using: &random)!
                )
                if Int.random(in: 0..<4, using: &random) > 0 {
                    bytes[place] = letter
                } else {
                    bytes.insert(letter, at: place)
                }
            }
            return String(decoding: bytes, as: UTF8.self)
        }
        let values: [(TripField, String, String)] = [
            (.startTimestamp, "01/19/2024 05:00:00 PM", "0123456789/: APM"), (.fare, "89999.99", "0123456789.-"),
            (.miles, "8999.125", "0123456789.-"), (.pickupArea, "77", "0123456789.-"),
            (.pickupLatitude, "89.6333080367", "0123456789.-"), (.pickupLongitude, "-179.6333080367", "0123456789.-"),
            (.seconds, "8999999", "0123456789.-"), (.pickupTract, "99999999999", "0123456789.-"),
            (.pickupLocation, "POINT (-87.6333080367 89.899602111)", "0123456789.- "),
        ]
        for _ in 0..<60 {
            for (field, good, letters) in values {
                let text = edited(good, by: letters)
                let file = Array("\(field.header),Company\n\(text),\(String(repeating: "x", count: 40))\n".utf8)
                let (csv, unreadCSV) = (try seen(file, fields: [field]).seen, try seen(file, fields: []).seen)
                #expect(csv.rejects == unreadCSV.rejects, "\(field.name) \(text)")
                let isText = field.kind == .string || field.kind == .timestamp
                let value = isText ? "\"\(text)\"" : text
                let (json, unreadJSON) = (read(record(field.name, value)), read(record(field.name, value), fields: []))
                #expect(json.rejects.map(\.detail) == unreadJSON.rejects.map(\.detail), "\(field.name) \(text)")
            }
        }
    }

    @Test("any bytes behind a header are read or set aside", arguments: UInt64(1)...20)
    func anyBytes(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<10 {
            let bytes =
                Array("Fare,Company,Trip Seconds\n".utf8)
                + (0..<Int.random(in: 0...800, using: &random)).map { _ in
                    Bool.random(using: &random)
                        ? UInt8.random(in: 0...255, using: &random)
                        : Array(",\"\n\r\0 1".utf8).randomElement(using: &random)!
                }
            let cut = Int.random(in: 0...bytes.count, using: &random)
            let fields: [TripField] = [.fare, .company, .seconds]
            expectSame(
                try seen(bytes, fields: fields, cuts: [cut]).seen, SlowCSV.read(bytes, fields: fields), seed, bytes)
        }
    }

    private func randomNumber(_ random: inout SplitMix64) -> String {
        func digits(_ most: Int) -> String {
            (0..<Int.random(in: 0...most, using: &random)).map { _ in String(Int.random(in: 0...9, using: &random)) }
                .joined()
        }
        let bases = [
            "9", "89999", "90000", "9000", "9000000", "99999999999", "90", "180", "77", "1", "0", "8", "11", "-4", "$7",
            "", "1,234", "+5",
        ]
        var text = bases.randomElement(using: &random)!
        if Int.random(in: 0..<3, using: &random) == 0 { text += digits(25) }
        if Bool.random(using: &random) {
            text +=
                "." + [
                    "", "0", "5", "000000000000001", "99999999999999", "000001", "0000005", "4999999999999999999999",
                    "005", "999999",
                ].randomElement(using: &random)!
        }
        if Int.random(in: 0..<3, using: &random) == 0 { text += digits(30) }
        if Int.random(in: 0..<4, using: &random) == 0 {
            text +=
                ["e", "E", "e+", "e-"].randomElement(using: &random)! + digits(Int.random(in: 1...3, using: &random))
        }
        return text
    }

    private func randomFile(_ random: inout SplitMix64) -> [UInt8] {
        let lineEnd = Bool.random(using: &random) ? "\n" : "\r\n"
        var columns = Self.fields.shuffled(using: &random)
        func line(_ columns: [TripField]) -> [UInt8] {
            Array((columns.map(\.header).joined(separator: ",") + lineEnd).utf8)
        }
        var bytes = [[], Array("\n \r\n".utf8), Array("  \t\n".utf8)].randomElement(using: &random)! + line(columns)
        for _ in 0..<Int.random(in: 0...120, using: &random) {
            switch Int.random(in: 0..<60, using: &random) {
            case 0:
                // A header again: the same, in another order, or of fewer columns.
                if Bool.random(using: &random) { columns.shuffle(using: &random) }
                if Int.random(in: 0..<4, using: &random) == 0, columns.count > 3 { columns.removeLast() }
                bytes += line(columns)
                continue
            case 1: bytes += Array(" \t ".utf8)
            case 2: bytes += Array("a,b\"c,\"\"".utf8)
            case 3: bytes += Array("x,".utf8)
            default:
                for (index, column) in columns.enumerated() {
                    if index > 0 { bytes.append(0x2c) }
                    bytes += randomField(column, &random)
                }
            }
            bytes += Array(lineEnd.utf8)
        }
        if Bool.random(using: &random) { bytes.removeLast(min(bytes.count - 1, Int.random(in: 0...3, using: &random))) }
        return bytes
    }

    private func randomField(_ field: TripField, _ random: inout SplitMix64) -> [UInt8] {
        var text: [UInt8]
        switch Int.random(in: 0..<12, using: &random) {
        case 0: text = []
        case 1: text = Array(["NULL", "nan", "NA", "-", "\\N", "\"\"", "na"].randomElement(using: &random)!.utf8)
        case 2 where Int.random(in: 0..<6, using: &random) == 0:
            text = [[0x00], [0xff], [0xc3, 0xa9], Array("a\0b".utf8), Array("🚕".utf8)].randomElement(using: &random)!
        default:
            switch field.kind {
            case .timestamp: text = Array((Int.random(in: 0..<20, using: &random) == 0 ? "ten" : SlowValue.time).utf8)
            case .string:
                text = Array(
                    ["Flash", "Taxi \"5\"", "a,b", "Two\nLines", "é", " x ", "\"", "Cash", "\r", "Trip Miles"]
                        .randomElement(using: &random)!.utf8)
                if text.contains(0x22) || text.contains(0x2c) || text.contains(0x0a) { return quoted(text, &random) }
            default:
                text = Array(
                    (Bool.random(using: &random) ? randomNumber(&random) : "\(Int.random(in: 1...70, using: &random))")
                        .utf8)
                if text.contains(0x2c) { return quoted(text, &random) }
            }
        }
        if Int.random(in: 0..<10, using: &random) == 0, !text.contains(0x22) { return quoted(text, &random) }
        if Int.random(in: 0..<15, using: &random) == 0 { return Array("  ".utf8) + text + Array("\t".utf8) }
        return text
    }

    private func quoted(_ text: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
        let blank: [UInt8] = Int.random(in: 0..<4, using: &random) == 0 ? [0x20] : []
        return blank + [0x22] + blank + text.flatMap { $0 == 0x22 ? [$0, $0] : [$0] } + [0x22] + blank
    }
}
