import Testing

@testable import Trips

@Suite struct TripJSONEncodeTests {
    private func sample() -> TripBatch {
        let batch = TripBatch(capacity: 2)
        batch.fields = .all
        batch.count = 2
        let block = Block(Array("0a1bf538Credit CardFlash CabPOINT (-87.9 41.9)".utf8))
        batch.source = UnsafePointer(block.start)
        batch.owner = block
        batch.eventTimes[0] = 1_705_952_700_000
        batch.eventTimes[1] = -1
        batch.column(.tripID)[0] = TextCell(offset: 0, length: 4).cell
        batch.column(.taxiID)[0] = TextCell(offset: 4, length: 4).cell
        batch.column(.startTimestamp)[0] = WallTime(seconds: 1_705_683_600).cell
        batch.column(.endTimestamp)[0] = WallTime(seconds: 1_705_687_200).cell
        batch.column(.seconds)[0] = 4051
        batch.column(.miles)[0] = PackedDecimal(mantissa: 1712, scale: 2).cell
        batch.column(.pickupTract)[0] = 17_031_980_000
        batch.column(.pickupArea)[0] = 76
        for (field, cents) in [(TripField.fare, 4550), (.tips, 1000), (.tolls, 0), (.extras, -5), (.total, 5545)] {
            batch.column(field)[0] = Int64(cents)
        }
        batch.column(.paymentType)[0] = TextCell(offset: 8, length: 11).cell
        batch.column(.company)[0] = batch.keep(Array("Cab \"5\"\\\n\u{1}é".utf8)).cell
        batch.column(.pickupLatitude)[0] = PackedDecimal(mantissa: 41_979_070_820, scale: 9).cell
        batch.column(.pickupLongitude)[0] = PackedDecimal(mantissa: -5, scale: 1).cell
        batch.column(.pickupLocation)[0] = TextCell(offset: 28, length: 18).cell
        return batch
    }

    @Test func writesTheFieldsOfATripInOrder() {
        #expect(
            encoded(sample())[0] == """
                {"trip_id":"0a1b","taxi_id":"f538","trip_start_timestamp":"01/19/2024 05:00:00 PM",\
                "trip_end_timestamp":"01/19/2024 06:00:00 PM","trip_seconds":4051,"trip_miles":17.12,\
                "pickup_census_tract":17031980000,"dropoff_census_tract":null,"pickup_community_area":76,\
                "dropoff_community_area":null,"fare":45.50,"tips":10.00,"tolls":0.00,"extras":-0.05,"trip_total":55.45,\
                "payment_type":"Credit Card","company":"Cab \\"5\\"\\\\\\n\\u0001é","pickup_centroid_latitude":41.979070820,\
                "pickup_centroid_longitude":-0.5,"pickup_centroid_location":"POINT (-87.9 41.9)",\
                "dropoff_centroid_latitude":null,"dropoff_centroid_longitude":null,"dropoff_centroid_location":null,\
                "event_timestamp":"2024-01-22T19:45:00.000Z"}
                """)
    }

    @Test func writesEmptyCellsAsNull() {
        let nulls = TripField.allCases.map { "\"\($0.name)\":null" }.joined(separator: ",")
        #expect(encoded(sample())[1] == "{\(nulls),\"event_timestamp\":\"1969-12-31T23:59:59.999Z\"}")
    }

    @Test func writesFieldsThatTheBatchDoesNotHoldAsNull() {
        let batch = sample()
        batch.fields = [.init(.fare)]
        let text = encoded(batch)[0]
        #expect(text.contains(#""fare":45.50,"#))
        #expect(text.contains(#""trip_id":null,"#) && text.contains(#""trip_start_timestamp":null"#))
        #expect(text.contains(#""trip_seconds":null"#) && text.contains(#""trip_miles":null"#))
    }

    @Test func writesChosenRowsInTheirOrder() {
        let batch = sample()
        var output = OutputBuffer()
        output.append("before" as StaticString)
        var offsets = [99]
        [Int32(1), 0, 1].withUnsafeBufferPointer {
            TripJSON.encode(batch, rows: $0, into: &output, recordOffsets: &offsets, lineEnds: true)
        }
        let lines = encoded(batch)
        let expected = "before" + [lines[1], lines[0], lines[1]].map { $0 + "\n" }.joined()
        #expect(String(decoding: output.bytes, as: UTF8.self) == expected)
        let lengths = [lines[1], lines[0], lines[1]].map { $0.utf8.count + 1 }
        #expect(offsets == lengths.reduce(into: [6]) { $0.append($0.last! + $1) })
    }

    @Test func writesNoRecordsForNoRows() {
        let batch = sample()
        var output = OutputBuffer()
        var offsets: [Int] = []
        TripJSON.encode(batch, rows: 0..<0, into: &output, recordOffsets: &offsets)
        let count = output.count
        #expect(count == 0 && offsets == [0])
    }

    /// Each length takes another way through the copy of 16, 8 or single bytes, with the odd byte at each place.
    @Test func escapesAByteAtAnyPlaceOfATextOfAnyLength() {
        for length in 1...40 {
            for place in 0..<length {
                for (byte, escape) in [
                    (UInt8(0x22), "\\\""), (0x5c, "\\\\"), (0x1f, "\\u001f"), (0, "\\u0000"), (9, "\\t"),
                ] {
                    var text = [UInt8](repeating: UInt8(ascii: " "), count: length)
                    text[place] = byte
                    let batch = TripBatch(capacity: 1)
                    batch.count = 1
                    batch.fields = [.init(.company)]
                    batch.column(.company)[0] = batch.keep(text).cell
                    let before = String(repeating: " ", count: place)
                    let expected = before + escape + String(repeating: " ", count: length - place - 1)
                    if !encoded(batch)[0].contains("\"company\":\"\(expected)\",") {
                        Issue.record("byte \(byte) at \(place) of \(length)")
                    }
                }
            }
        }
    }

    @Test func neighboursOfEscapedBytesAreCopied() {
        let text: [UInt8] = Array("!#[]\u{20}\u{7f}éÿ🚕!#[]".utf8)
        let batch = TripBatch(capacity: 1)
        batch.count = 1
        batch.fields = [.init(.company)]
        batch.column(.company)[0] = batch.keep(text).cell
        #expect(encoded(batch)[0].contains("\"company\":\"\(String(decoding: text, as: UTF8.self))\","))
    }
}
