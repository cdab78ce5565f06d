import Problems
import Testing

@testable import Trips

@Suite struct CSVFieldTests {
    private func read(_ field: TripField, _ text: [UInt8]) throws -> (value: String?, reject: Reject?) {
        let (seen, rejects) = try seen(Array("\(field.header)\n".utf8) + text + [0x0a], fields: [field])
        #expect(seen.rows.count + rejects.count == 1)
        return (seen.rows.first?.values[0], rejects.first)
    }

    @Test(
        arguments: [
            (.fare, "45.50", "45.50"), (.fare, "45.5", "45.50"), (.fare, "45", "45.00"), (.fare, "$45.50", "45.50"),
            (.fare, "-4", "-4.00"), (.fare, "-$4.00", "-4.00"), (.fare, "$-4.00", "-4.00"), (.fare, "+4", "4.00"),
            (.fare, "$1234", "1234.00"), (.fare, "4.", "4.00"), (.fare, ".5", "0.50"), (.fare, "1e1", "10.00"),
            (.fare, "1.5E+1", "15.00"), (.fare, "150e-1", "15.00"), (.fare, "0e99999999999999999999", "0.00"),
            (.fare, "11.850000000000001", "11.85"), (.fare, "11.849999999999998", "11.85"), (.fare, "9.455", "9.46"),
            (.fare, "-9.455", "-9.46"), (.fare, "9.4549999999999999999999999", "9.45"), (.fare, "-0.004", "0.00"),
            (.fare, "90000.00", "90000.00"), (.fare, "-90000.004", "-90000.00"),
            (.fare, "000000000000000045.50", "45.50"),
            (.fare, "0.00000000000000000000000000000000000000000000000001", "0.00"),
            (.seconds, "600", "600"), (.seconds, "600.0", "600"), (.seconds, "6e2", "600"), (.seconds, "-0", "0"),
            (.seconds, "599.9999999", "600"), (.seconds, "600.000001", "600"), (.seconds, "9000000", "9000000"),
            (.seconds, "0000000000000000000000600", "600"),
            (.pickupTract, "17031980000", "17031980000"), (.pickupTract, "1.7031980000e10", "17031980000"),
            (.pickupTract, "99999999999", "99999999999"),
            (.pickupArea, "8.0", "8"), (.pickupArea, "77", "77"), (.pickupArea, "1", "1"),
            (.miles, "17.120", "17.120"), (.miles, "0", "0"), (.miles, "1.5", "1.5"), (.miles, ".5", "0.5"),
            (.miles, "1.2000000000000002", "1.2"), (.miles, "1.2345675", "1.234568"), (.miles, "9000", "9000"),
            (.miles, "1.2000000000", "1.200000"),
            (.pickupLatitude, "41.8996021110", "41.8996021110"),
            (.pickupLatitude, "41.87886558400000", "41.8788655840"),
            (.pickupLatitude, "41.878865584000006", "41.878865584"), (.pickupLatitude, "-90", "-90"),
            (.pickupLongitude, "-87.6262149064", "-87.6262149064"), (.pickupLongitude, "180.0", "180.0"),
        ] as [(TripField, String, String)])
    func readsANumber(field: TripField, text: String, value: String) throws {
        let found = try read(field, Array(text.utf8))
        #expect(found.value == value, "\(found.reject?.detail ?? "")")
    }

    @Test(
        arguments: [
            (.seconds, #""1,560""#, "1560"), (.fare, #""$1,234.00""#, "1234.00"), (.fare, #""-$1,234.5""#, "-1234.50"),
            (.miles, #"" 1,560.25 ""#, "1560.25"), (.pickupTract, #""17,031,980,000""#, "17031980000"),
            (.company, #""Taxi ""5""""#, #"Taxi "5""#), (.company, #"" ""Flash"" Cab""#, #""Flash" Cab"#),
            (.company, #"  " ""Flash"" Cab "  "#, #""Flash" Cab"#), (.company, #""""""#, #"""#),
            (.company, "\"Two\nLines\"", "Two\nLines"), (.company, #"x ""y"""#, #"x ""y"""#),
            (.company, "Café", "Café"),
            (.company, "\"a,b\"", "a,b"), (.company, " \t padded \t", "padded"), (.company, "NULLS", "NULLS"),
            (.company, "Nan", nil), (.company, "\"NULL\"", nil), (.company, "\\N", nil), (.company, "-", nil),
            (.company, "na", nil), (.company, "--", "--"), (.company, "Cash", "Cash"), (.company, "\"\"", nil),
            (.fare, "NULL", nil), (.seconds, "nan", nil), (.miles, "NA", nil), (.pickupArea, "-", nil),
            (.endTimestamp, "\\N", nil), (.endTimestamp, "NaN", nil), (.pickupLatitude, "\" null \"", nil),
            (.endTimestamp, "2016-1-13 06:15:00", "2016-1-13 06:15:00"),
            (.endTimestamp, "2016-11-3T6:15", "2016-11-3T6:15"),
            (.endTimestamp, "2016-01-13 6:15:00", "2016-01-13 6:15:00"),
            (.endTimestamp, "2016-1-3 06:15:00.000 UTC", "2016-1-3 06:15:00.000 UTC"),
            (.pickupLocation, "POINT (-87.6262149064 41.8925077809)", "POINT (-87.6262149064 41.8925077809)"),
            (.pickupLocation, "POINT EMPTY", "POINT EMPTY"), (.pickupLocation, "Loop", "Loop"),
            (.pickupLocation, "point(-180 9e1)", "point(-180 9e1)"),
        ] as [(TripField, String, String?)])
    func readsAField(field: TripField, text: String, value: String?) throws {
        let found = try read(field, Array(text.utf8))
        #expect(found.reject == nil, "\(found.reject?.detail ?? "")")
        #expect(found.value == value)
    }

    @Test(
        arguments: [
            (.fare, "12.5O", .badMoney, "is not an amount in dollars and cents"),
            (.seconds, "8.5", .badNumber, "is not a whole number"),
            (.seconds, "8.0000011", .badNumber, "is not a whole number"),
            (.seconds, "$8", .badNumber, "is not a number"), (.miles, "1.2.3", .badNumber, "is not a number"),
            (.fare, "90000.01", .outOfRange, "is out of range (-90,000…90,000 dollars)"),
            (.fare, "89999.995", nil, ""),
            (.fare, "90000.005", .outOfRange, "is out of range (-90,000…90,000 dollars)"),
            (.tips, "-90001", .outOfRange, "is out of range (-90,000…90,000 dollars)"),
            (.fare, "18446744073709551616", .outOfRange, "is out of range (-90,000…90,000 dollars)"),
            (.fare, "184467440737095516.17", .outOfRange, "is out of range (-90,000…90,000 dollars)"),
            (.fare, "1e99999999999999999999", .outOfRange, "is out of range (-90,000…90,000 dollars)"),
            (.seconds, "-1", .outOfRange, "is out of range (0…9,000,000 seconds)"),
            (.seconds, "9000001", .outOfRange, "is out of range (0…9,000,000 seconds)"),
            (.seconds, "95000000000000000", .outOfRange, "is out of range (0…9,000,000 seconds)"),
            (.miles, "9000.000001", .outOfRange, "is out of range (0…9,000 miles)"),
            (.miles, "-0.1", .outOfRange, "is out of range (0…9,000 miles)"),
            (.miles, "18446744073710", .outOfRange, "is out of range (0…9,000 miles)"),
            (.pickupTract, "100000000000", .outOfRange, "is out of range (0…99,999,999,999)"),
            (.pickupArea, "0", .outOfRange, "is out of range (1…77)"),
            (.dropoffArea, "78", .outOfRange, "is out of range (1…77)"),
            (.pickupLatitude, "199", .outOfRange, "is out of range (-90…90 degrees)"),
            (.pickupLatitude, "90.0000000001", .outOfRange, "is out of range (-90…90 degrees)"),
            (.pickupLongitude, "-180.1", .outOfRange, "is out of range (-180…180 degrees)"),
            (
                .pickupLocation, "POINT (41.8925077809 -97.6262149064)", .outOfRange,
                "is out of range (longitude -180…180, latitude -90…90)"
            ),
            (
                .pickupLocation, "POINT (-87.6262149064 95.8925077809)", .outOfRange,
                "is out of range (longitude -180…180, latitude -90…90)"
            ),
            (
                .pickupLocation, "POINT (-87.6262149064e5 41.892507780)", .outOfRange,
                "is out of range (longitude -180…180, latitude -90…90)"
            ),
            (
                .pickupLocation, "POINT (-187.6262149064 41.8925077809)", .outOfRange,
                "is out of range (longitude -180…180, latitude -90…90)"
            ),
            (.endTimestamp, "01/19/1999 05:00:00 PM", .outOfRange, "is out of range (years 2000…2100)"),
            (.endTimestamp, "2016-13-13 06:15:00", .badTimestamp, "is not a time"),
        ] as [(TripField, String, RejectReason?, String)])
    func setsAside(field: TripField, text: String, reason: RejectReason?, detail: String) throws {
        let reject = try read(field, Array(text.utf8)).reject
        #expect(reject?.reason == reason)
        if reason != nil { #expect(reject?.detail == "\(field.name) \"\(text)\" \(detail)") }
    }

    @Test(
        "nothing but the grammar is a number",
        arguments: [
            "1e1,000", "1e+-5", "1e", "e5", "1e1.5", "1e5e5", ".", "+", "--1", "+-1", "1-", "1,00", "1,0000", ",100",
            "1,",
            "1234,567", "1,234,56", "1,00e3", "1..2", "1.2,345", "0x10", "1_000", "1 000", "1e 5", "Infinity", "$",
            "1$", "$$1",
            "-$-1", "½", "１", "1\u{a0}", "\u{1}5",
        ])
    func refuses(text: String) throws {
        for field in [TripField.fare, .miles, .seconds, .pickupLatitude] {
            let found = try read(field, Array("\"\(text)\"".utf8))
            #expect(
                found.reject?.reason == (field == .fare ? .badMoney : .badNumber),
                "\(field.name) \(text) \(found.value ?? "")")
        }
    }

    @Test(
        arguments: [
            ([0x61, 0x00, 0x62], "company \"a\u{fffd}b\" holds a NUL byte"),
            ([0x61, 0xe9], "company \"a\u{fffd}\" is not UTF-8"),
            ([0xed, 0xa0, 0x80], "company \"\u{fffd}\u{fffd}\u{fffd}\" is not UTF-8"),
            ([0xc0, 0xaf], "company \"\u{fffd}\u{fffd}\" is not UTF-8"),
        ] as [([UInt8], String)])
    func bytesThatAreNoText(bytes: [UInt8], detail: String) throws {
        let reject = try read(.company, bytes).reject
        #expect(reject?.reason == .badUTF8)
        #expect(reject?.detail == detail)
    }

    @Test("bytes that are no text are found in any column, decoded or not", arguments: ["Company", "Comment", "Fare"])
    func anyColumn(name: String) throws {
        for fault: [UInt8] in [[0], [0xff]] {
            let good = Array("1.00,é\n".utf8)
            var bytes = Array("Tips,\(name)\n".utf8)
            for row in 0..<200 {
                bytes +=
                    row == 150 ? Array("1.00,".utf8) + fault + [0x0a] : name == "Fare" ? Array("1.00,\n".utf8) : good
            }
            let (seen, rejects) = try seen(bytes, fields: [.tips])
            #expect(seen.rows.count == 199)
            #expect(seen.rejects == [SeenReject(reason: .badUTF8, line: 152, column: 6)])
            #expect(rejects.first?.detail.hasPrefix(name == "Comment" ? "Comment " : "\(name.lowercased()) ") == true)
        }
    }

    @Test func textHasABound() throws {
        #expect(try read(.company, Array(repeating: 0x61, count: 65535)).reject == nil)
        #expect(try read(.company, Array(repeating: 0x61, count: 65536)).reject?.reason == .oversized)
    }

    @Test func whatIsRoundedIsCounted() throws {
        let text =
            "Fare,Trip Miles,Trip Seconds\n11.850000000000001,1.2,8.0\n9.45,1.20000000000000018,8.0000001\n1.001,x,1\n9.4500,1.5,2\n"
        let block = Block(Array(text.utf8))
        let header = try CSVHeader(sample: .init(start: block.start, count: text.utf8.count), file: "f")
        let (rows, batch) = (CSVRows(capacity: 8), TripBatch(capacity: 8))
        var framer = CSVFramer(header: header, source: block.start, offset: header.length, line: 2)
        var rejects: [Reject] = []
        _ = framer.fill(rows, limit: 8, until: text.utf8.count, isLast: true, rejects: &rejects)
        batch.source = UnsafePointer(block.start)
        CSVDecoder(header: header, fields: .all, eventTime: nil, capacity: 8).decode(
            rows, into: batch, rejects: &rejects)
        #expect(batch.count == 3 && rejects.count == 1)
        #expect(batch.rounded == [.fare: 1, .miles: 1, .seconds: 1])
        batch.reset()
        #expect(batch.rounded.isEmpty)
    }
}
