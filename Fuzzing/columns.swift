// With: Fuzzing/Support/SlowNumbers.swift
// Seeds: Tests/Inputs/columns

import Foundation
import Problems
import Trips

@testable import Topics

/// Any bytes as a batch of encoded results (encoding 3): refused, or messages of JSON that are the same when they are written and read again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let payload = Array(UnsafeBufferPointer(start: data, count: size))
    guard let results = decoded(payload) else {
        expect((try? records(payload, .results)) == nil, "what is refused is given to readers of the topic")
        return 0
    }
    expectSlow(payload, results)
    guard let again = decoded(results.encode()) else { fatalError("what was read is not written as it is read") }
    let lines = messages(results)
    expect(lines == messages(again), "written and read again it is something else")
    expect(results.timestamps(newest: 7) == again.timestamps(newest: 7))
    for line in lines.prefix(16) {
        expect((try? JSONSerialization.jsonObject(with: Data(line))) is [String: Any], "a message is no JSON")
    }
    let topic = try! records(payload, .results)
    expect(topic.map { $0.value ?? [] } == lines && topic.allSatisfy { $0.headers.isEmpty })
    expect(topic.map(\.key) == (0..<results.count).map { results.key(row: $0) })
    expect(again.key == results.key)
    return 0
}

private func decoded(_ payload: [UInt8]) -> ResultColumns? {
    payload.withUnsafeBytes { try? ResultColumns(decoding: $0) }
}

private func messages(_ results: ResultColumns) -> [[UInt8]] {
    (0..<results.count).map { row in
        var output = OutputBuffer(capacity: 64)
        results.appendJSON(row: row, to: &output)
        return Array(output.bytes)
    }
}

/// Cells of all columns against the slow reader.
private func expectSlow(_ payload: [UInt8], _ results: ResultColumns) {
    var place = results.key.isEmpty ? 6 : 7 + results.key.count
    func number(_ at: Int) -> Int { payload[at..<at + 4].reversed().reduce(0) { $0 << 8 | Int($1) } }
    for column in results.columns {
        place += 3 + Int(payload[place + 2])
        let (encoding, length) = (payload[place], number(place + 1))
        var start = place + 5
        place = start + length
        if column.kind == .text {
            let texts = number(start)
            start += 4 + texts * 4 + (0..<texts).reduce(0) { $0 + number(start + 4 + $1 * 4) }
        }
        guard results.count > 0 else { continue }
        let expected = SlowNumbers.read(encoding, Array(payload[start..<place]), count: results.count)
        expect(expected == column.cells, "the slow reader reads something else")
    }
}
