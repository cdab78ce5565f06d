import Problems
import Testing

@testable import Trips

/// Records as other producers write them: each is read, or set aside with a reason.
@Suite struct JSONProducersTests {
    struct Form: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// Without the event time, which is put behind.
        let fields: String
        /// Fare, company, seconds and miles as text; nil for a record that is set aside.
        let values: [String?]?
        let reason: RejectReason?

        init(_ testDescription: String, _ fields: String, _ values: [String?]) {
            (self.testDescription, self.fields, self.values, reason) = (testDescription, fields, values, nil)
        }
        init(_ testDescription: String, _ fields: String, _ reason: RejectReason) {
            (self.testDescription, self.fields, values, self.reason) = (testDescription, fields, nil, reason)
        }
    }

    static let forms = [
        Form(
            "our own", #""trip_seconds":600,"trip_miles":1.50,"fare":9.45,"company":"Flash Cab""#,
            ["9.45", "Flash Cab", "600", "1.50"]),
        Form("an unknown field twice", #""x":1,"fare":9.45,"x":2"#, ["9.45", nil, nil, nil]),
        Form(
            "another order", #""company":"Flash Cab","trip_miles":1.50,"fare":9.45,"trip_seconds":600"#,
            ["9.45", "Flash Cab", "600", "1.50"]),
        Form(
            "blanks around everything", "\n \"fare\" :\t9.45 ,\r\n\"company\" : \"Flash Cab\" ",
            ["9.45", "Flash Cab", nil, nil]),
        Form(
            "numbers as strings", #""fare":"9.45","trip_seconds":"600","trip_miles":"1.50""#,
            ["9.45", nil, "600", "1.50"]),
        Form(
            "amounts as people write them", #""fare":"$1,234.50","trip_seconds":"1,560""#,
            ["1234.50", nil, "1560", nil]),
        Form(
            "strings with blanks around numbers", #""fare":" 9.45 ","trip_seconds":"600 ""#, ["9.45", nil, "600", nil]),
        Form("whole numbers as floats", #""trip_seconds":600.0,"fare":9.0"#, ["9.00", nil, "600", nil]),
        Form(
            "floats with noise", #""fare":11.850000000000001,"trip_miles":0.30000000000000004"#,
            ["11.85", nil, nil, "0.3"]),
        Form("exponents", #""fare":9.45E0,"trip_seconds":6e2,"trip_miles":15e-1"#, ["9.45", nil, "600", "1.5"]),
        Form("minus zero", #""fare":-0.0,"trip_seconds":-0"#, ["0.00", nil, "0", nil]),
        Form("a negative amount", #""fare":-9.45"#, ["-9.45", nil, nil, nil]),
        Form(
            "nulls everywhere", #""fare":null,"company":null,"trip_seconds":null,"trip_miles":null"#,
            [nil, nil, nil, nil]),
        Form("empty strings", #""fare":"","company":"","trip_seconds":"","trip_miles":"""#, [nil, nil, nil, nil]),
        Form(
            "words for nothing", #""fare":"NULL","company":"N\u0041","trip_seconds":"NaN","trip_miles":"-""#,
            [nil, nil, nil, nil]),
        Form("a backslash and N", #""fare":"\\N","company":"\\N""#, [nil, nil, nil, nil]),
        Form(
            "extra members", #""_id":{"$oid":"5"},"tags":["a",1,null,true],"fare":9.45,"note":"x""#,
            ["9.45", nil, nil, nil]),
        Form(
            "extra members that look like ours", #""Fare":1,"fare ":2,"fares":3,"fare":9.45"#, ["9.45", nil, nil, nil]),
        Form(
            "ours inside an extra member", #""before":{"fare":1,"company":"x"},"fare":9.45"#, ["9.45", nil, nil, nil]),
        Form("the last of two counts", #""fare":1,"fare":9.45,"company":"x","company":null"#, ["9.45", nil, nil, nil]),
        Form(
            "escaped slashes", #""company":"A\/B","trip_end_timestamp":"01\/19\/2024 05:00:00 PM""#,
            [nil, "A/B", nil, nil]),
        Form("unicode escapes", #""company":"Caf\u00e9 \ud83d\ude95""#, [nil, "Café 🚕", nil, nil]),
        Form("escapes in a name", #""f\u0061re":9.45"#, ["9.45", nil, nil, nil]),
        Form("unicode as it is", #""company":"Café 🚕""#, [nil, "Café 🚕", nil, nil]),
        Form(
            "escaped quotes and line ends", #""company":"\"Flash\"\nCab\t\\""#, [nil, "\"Flash\"\nCab\t\\", nil, nil]),
        Form("ISO times", #""trip_start_timestamp":"2024-01-22T19:45:00.000","fare":1"#, ["1.00", nil, nil, nil]),
        Form(
            "a big integer in an extra member", #""id":123456789012345678901234567890,"fare":1"#,
            ["1.00", nil, nil, nil]),
        Form("a huge exponent in an extra member", #""x":1e99999,"fare":1"#, ["1.00", nil, nil, nil]),
        Form("a big integer", #""trip_seconds":123456789012345678901234567890"#, .outOfRange),
        Form("a big integer as a string", #""trip_seconds":"18446744073709551617""#, .outOfRange),
        Form("a huge exponent", #""fare":1e99999"#, .outOfRange),
        Form("a whole number with a half", #""trip_seconds":8.5"#, .badNumber),
        Form("a word for a number", #""trip_seconds":"ten""#, .badNumber),
        Form("a word for an amount", #""fare":"free""#, .badMoney),
        Form("two exponents in a string", #""trip_miles":"1e5e5""#, .badNumber),
        Form("a bool for a number", #""fare":true"#, .schemaMismatch),
        Form("a number for a text", #""company":5"#, .schemaMismatch),
        Form(
            "an object for a text", #""pickup_centroid_location":{"type":"Point","coordinates":[-87.6,41.9]}"#,
            .schemaMismatch),
        Form("a list for a number", #""fare":[9.45]"#, .schemaMismatch),
        Form("NaN as Python writes it", #""fare":NaN"#, .malformedJSON),
        Form("single quotes", "'fare':9.45", .malformedJSON),
        Form("a comment", #"/* x */ "fare":9.45"#, .malformedJSON),
        Form("a leading zero", #""fare":09.45"#, .malformedJSON),
        Form("a comma too many", #""fare":9.45,"#, .malformedJSON),
        Form("half of a pair", #""company":"\ud83d""#, .malformedJSON),
        Form("an escaped NUL", #""company":"a\u0000""#, .badUTF8),
    ]

    @Test("each form is read or set aside", arguments: forms)
    func form(_ form: Form) {
        let reading = read(#"{\#(form.fields),"event_timestamp":"2024-01-22T19:45:00.000Z"}"#)
        #expect(reading.reasons == (form.reason.map { [$0] } ?? []), "\(reading.rejects.first?.detail ?? "")")
        guard let values = form.values, reading.batch.count == 1 else { return }
        withExtendedLifetime(reading.batch) {
            #expect([TripField.fare, .company, .seconds, .miles].map { reading.batch.text($0, 0) } == values)
        }
    }

    @Test(
        "what stands around a record does not matter",
        arguments: ["\u{feff}RECORD", " \t\r\nRECORD\r\n ", "\u{feff} RECORD  ", "RECORD\n\n"])
    func around(frame: String) {
        let reading = read(frame.replacing("RECORD", with: record("fare", "9.45")))
        #expect(reading.rejects.isEmpty, "\(reading.rejects)")
        #expect(reading.cell(.fare) == 945)
    }

    @Test func textHasABound() {
        func text(_ count: Int) -> String { "\"" + String(repeating: "x", count: count) + "\"" }
        #expect(read(record("company", text(65535))).rejects.isEmpty)
        #expect(read(record("company", text(65536))).reasons == [.oversized])
        #expect(read(record("comment", text(65536))).rejects.isEmpty)
    }
}
