import Database
import Problems
import SQLite
import Topics
import Trips

@testable import Stream

/// A row of the outbox as a stream that starts finds it: refused, or sent as a batch that everybody can read.
///
/// The bytes are a byte for the partition, one for the encoding, eight each for the count and both times, and the payload.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    guard size >= 26 else { return 0 }
    func number(_ place: Int) -> Int64 {
        Int64(bitPattern: (0..<8).reduce(0) { $0 | UInt64(data[place + $1]) << (8 * UInt64($1)) })
    }
    let payload = Array(UnsafeBufferPointer(start: data + 26, count: size - 26))
    try! connection.execute("DELETE FROM outbox")
    let insert = try! connection.prepare("INSERT INTO outbox VALUES ('stream:fares', 7, 't', ?, ?, ?, ?, ?, ?)")
    try! insert.bind([
        .integer(Int64(Int8(bitPattern: data[0]))), .integer(number(2)), .integer(number(10)), .integer(number(18)),
        .integer(Int64(data[1])), .blob(payload),
    ])
    try! insert.run()
    guard let batches = try? Outbox(connection: connection).batches(of: "stream:fares") else { return 0 }
    expect(batches.count == 1)
    for batch in batches {
        let stored = StoredBatch(
            partition: batch.partition, baseOffset: 0, count: batch.count, times: batch.times, encoding: batch.encoding,
            payload: batch.payload)
        guard let records = try? stored.records() else { fatalError("a batch would be sent that nobody can read") }
        expect(records.count == batch.count)
        expect(records.allSatisfy { batch.times.contains($0.timestamp) }, "a record's time is none of its batch")
    }
    return 0
}

private let connection = try! ResultsDatabase(path: ":memory:").connection
