import Avro
import Problems
import Trips

/// Any bytes as a schema and a value of it (a 0 between them), or as a container file of trips: refused, or what is the same when it is written
/// and read again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: data, count: size))
    readFile(bytes)
    let text = Array(bytes.prefix { $0 != 0 })
    guard let schema = try? AvroSchema(bytes: text) else { return 0 }
    let again = try! AvroSchema(schema.text)
    expect(again.text == schema.text, "a schema's text is that of another")
    expect(again.fingerprint == schema.fingerprint)
    // A name without a namespace, within a type that has one, is in the canonical form a name of that type's.
    let names = schema.nodes.compactMap(\.name)
    if names.allSatisfy({ $0.contains(".") }) || !names.contains(where: { $0.contains(".") }) {
        let form = schema.canonicalForm
        expect(try! AvroSchema(form).canonicalForm == form, "the canonical form has another")
    }
    guard let plan = try? AvroPlan(schema), let value = try? plan.value(Array(bytes.dropFirst(text.count + 1))) else {
        return 0
    }
    // Not the values: no two NaN are the same.
    var (first, second): ([UInt8], [UInt8]) = ([], [])
    try! value.encode(as: schema, into: &first)
    try! plan.value(first).encode(as: schema, into: &second)
    expect(first == second, "written and read again it is something else")
    return 0
}

private func readFile(_ bytes: [UInt8]) {
    var at = 0
    let file = try? AvroFileReader(name: "fuzz", blockLimit: 1 << 20) { buffer in
        let count = min(buffer.count, bytes.count - at)
        buffer.copyBytes(from: bytes[at..<at + count])
        at += count
        return count
    }
    guard let file, var reader = try? TripAvroReader(schema: file.schema) else { return }
    let batch = TripBatch(capacity: 64)
    var rejects: [Reject] = []
    while let block = try? file.next() {
        block.bytes.withUnsafeBufferPointer { content in
            batch.reset()
            var input = AvroInput(content)
            guard
                (try? reader.decode(
                    &input, count: block.count, first: 1, owner: nil, name: "fuzz", into: batch, rejects: &rejects))
                    != nil
            else { return }
            var output = OutputBuffer(capacity: 64)
            var offsets: [Int] = []
            TripJSON.encode(batch, rows: 0..<batch.count, into: &output, recordOffsets: &offsets)
            let slices = zip(offsets, offsets.dropFirst()).map {
                RecordSlice(offset: $0.0, length: $0.1 - $0.0, position: 1)
            }
            let copy = TripBatch(capacity: 64)
            var json = TripJSONReader(fields: .all)
            var refused: [Reject] = []
            let text = Array(output.bytes)
            text.withUnsafeBufferPointer { text in
                guard let base = text.baseAddress else { return }
                _ = json.decode(slices[...], base: base, owner: nil, name: "", into: copy, rejects: &refused)
            }
            expect(refused.isEmpty && copy.count == batch.count, "a trip that was taken is none as JSON")
        }
    }
}
