import Foundation
import Problems
import Trips

@testable import Topics

/// Any bytes as a batch of records (encoding 1): refused, or records that are the same when they are written and read again, and that
/// can be shown as lines of JSON.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let payload = Array(UnsafeBufferPointer(start: data, count: size))
    guard let records = try? RecordBatch.decode(payload) else { return 0 }
    expect(
        try! RecordBatch.decode(RecordBatch.encode(records)) == records, "written and read again it is something else")

    let batch = StoredBatch(
        partition: 0, baseOffset: 40, count: records.count, times: 0...7, encoding: .records, payload: payload)
    let shown = BatchRecords()
    try! shown.load(batch)
    expect((0..<shown.count).map(shown.record) == records, "readers of the topic get something else")
    expect(try! shown.times(of: batch) == records.map(\.timestamp))
    for lines in [RecordLines.objects, .values(keys: true, headers: true)] {
        var output = OutputBuffer(capacity: 64)
        lines.append(shown, 0..<shown.count, to: &output)
        guard lines == .objects else { continue }
        let objects = output.bytes.split(separator: UInt8(ascii: "\n"))
        expect(objects.count == records.count, "not a line for each record")
        for object in objects.prefix(16) {
            expect((try? JSONSerialization.jsonObject(with: Data(object))) is [String: Any], "a line is no JSON")
        }
    }
    // From the middle on: the same records.
    let middle = records.count / 2
    try! shown.load(batch, from: 40 + Int64(middle))
    expect((0..<shown.count).map(shown.record) == Array(records[middle...]))
    return 0
}
