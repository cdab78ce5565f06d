// With: Tests/TripsTests/CSVSupport.swift Tests/TripsTests/JSONSupport.swift Tests/TripsTests/SlowCSV.swift
// Seeds: Tests/Inputs

import Problems

@testable import Trips

/// Any bytes behind a header, whole and cut in two: nothing traps, the cut changes nothing, and the slow reader reads the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    guard size > 1 else { return 0 }
    let fields: [TripField] = [.seconds, .miles, .pickupArea, .fare, .company, .pickupLongitude]
    let header = Array((fields.map(\.header).joined(separator: ",") + "\n").utf8)
    let input = UnsafeBufferPointer(start: data + 1, count: size - 1)

    // A file of its own, whatever it is.
    _ = try? seen(Array(input), fields: TripField.allCases)

    let file = header + input
    let cut = header.count + Int(data[0]) * input.count / 255
    guard let whole = try? seen(file, fields: fields).seen,
        let pieces = try? seen(file, fields: fields, cuts: [cut]).seen
    else { fatalError("a file with a header is refused") }
    expect(sorted(whole) == sorted(pieces), "a cut changes what is read")
    // Headers further down are matched by the fast reader however they are written; the slow one knows them as the City writes them.
    let text = String(decoding: input, as: UTF8.self).lowercased()
    if ["trip", "taxi", "pick", "drop", "fare", "tip", "toll", "extra", "pay", "comp", "uniq", "addi", "shar"].contains(
        where: text.contains)
    {
        return 0
    }
    expect(sorted(whole) == sorted(SlowCSV.read(file, fields: fields)), "the slow reader reads something else")
    return 0
}

private func sorted(_ seen: Seen) -> Seen {
    var seen = seen
    seen.rejects.sort { ($0.line, $0.column) < ($1.line, $1.column) }
    return seen
}
