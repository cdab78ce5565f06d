import Problems

@testable import Trips

/// Any bytes as a record: nothing traps, and what is read comes back as it is from what is written of it, as JSON and as columns.
///
/// Built together with what the tests of Trips share (scripts/fuzz).
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let reading = read([Array(UnsafeBufferPointer(start: data, count: size))])
    precondition(reading.batch.count + reading.rejects.count == 1)
    guard reading.batch.count == 1 else { return 0 }
    let batch = reading.batch
    for field in TripField.allCases { precondition(field.allows(batch.column(field)[0]), "a cell out of its bounds") }
    let again = read(encoded(batch).map { Array($0.utf8) })
    precondition(again.rejects.isEmpty, "a written record is not read")
    expectSame(batch, again.batch)

    var encoder = TripColumnsEncoder()
    let payload = encoder.encode(batch)
    let decoded = TripBatch(capacity: 1)
    var decoder = TripColumnsDecoder()
    do {
        try payload.withUnsafeBytes { bytes throws(Problem) in try decoder.decode(bytes, fields: .all, into: decoded) }
    } catch { fatalError("columns are not read back: \(error.message)") }
    expectSame(batch, decoded)
    return 0
}

private func expectSame(_ one: TripBatch, _ other: TripBatch) {
    withExtendedLifetime((one, other)) {
        precondition(one.eventTimes[0] == other.eventTimes[0])
        for field in TripField.allCases { precondition(one.text(field, 0) == other.text(field, 0), "another \(field.name)") }
    }
}
