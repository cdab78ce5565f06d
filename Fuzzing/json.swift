// With: Tests/TripsTests/CSVSupport.swift Tests/TripsTests/JSONSupport.swift

import Problems

@testable import Trips

/// Any bytes as a record: nothing traps, and what is read comes back as it is from what is written of it, as JSON and as columns.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let reading = read([Array(UnsafeBufferPointer(start: data, count: size))])
    expect(reading.batch.count + reading.rejects.count == 1)
    guard reading.batch.count == 1 else { return 0 }
    let batch = reading.batch
    for field in TripField.allCases where field.kind != .string {
        expect(field.domain.contains(batch.column(field)[0]), "a cell out of its bounds")
    }
    let again = read(encoded(batch).map { Array($0.utf8) })
    expect(again.rejects.isEmpty, "a written record is not read")
    expectSame(batch, again.batch)

    guard let decoded = throughColumns(batch) else { fatalError("columns are not read back") }
    expectSame(batch, decoded)
    return 0
}

private func throughColumns(_ batch: TripBatch) -> TripBatch? {
    var encoder = TripColumnsEncoder()
    let payload = encoder.encode(batch)
    let decoded = TripBatch(capacity: 1)
    var decoder = TripColumnsDecoder()
    let isRead = payload.withUnsafeBytes { (try? decoder.decode($0, fields: .all, into: decoded)) != nil }
    return isRead ? decoded : nil
}

private func expectSame(_ one: TripBatch, _ other: TripBatch) {
    withExtendedLifetime((one, other)) {
        expect(one.eventTimes[0] == other.eventTimes[0])
        for field in TripField.allCases {
            expect(one.text(field, 0) == other.text(field, 0), "another \(field.name)")
        }
    }
}
