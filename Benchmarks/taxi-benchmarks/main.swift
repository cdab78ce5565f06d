@preconcurrency import Glibc
import Problems
import Trips

// Times single stages inside one process, which no command shows alone; Benchmarks/run calls it. Prints one JSON line a stage:
//     taxi-benchmarks FILE.csv

func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

func report(_ stage: String, rows: Int, _ elapsed: Double) {
    print(
        #"{"stage":"\#(stage)","rows":\#(rows),"seconds":\#(elapsed),"rows_per_second":\#(Int(Double(rows) / elapsed))}"#
    )
}

func read(
    _ path: String, _ stage: String, clock: EventClock, fields: TripFieldSet, each: (TripBatch) -> Void = { _ in }
) throws {
    let zone = try ZoneClock(identifier: "America/Chicago")
    let batch = TripBatch(capacity: 16384)
    let start = seconds()
    let source = try TripSource(paths: [path], options: TripSourceOptions(clock: clock, fields: fields, zone: zone))
    var rows = 0
    while try source.next(into: batch) {
        rows += batch.count
        each(batch)
    }
    report(stage, rows: rows, seconds() - start)
}

guard CommandLine.arguments.count == 2 else {
    fputs("usage: taxi-benchmarks FILE.csv\n", stderr)
    exit(64)
}
let path = CommandLine.arguments[1]
let queryFields = TripFieldSet([.startTimestamp, .fare, .tips, .total, .pickupArea, .pickupLocation])
var encoder = TripColumnsEncoder()
var decoder = TripColumnsDecoder()
var payloads: [[UInt8]] = []
do {
    try read(path, "csv to stored columns", clock: .now, fields: .all) { payloads.append(encoder.encode($0)) }
    let batch = TripBatch(capacity: 16384)
    for (stage, fields) in [
        ("stored columns, all", TripFieldSet.all), ("stored columns, 6 for the queries", queryFields),
    ] {
        let start = seconds()
        var rows = 0
        for payload in payloads {
            try payload.withUnsafeBytes { try decoder.decode($0, fields: fields, into: batch) }
            rows += batch.count
        }
        report(stage, rows: rows, seconds() - start)
    }
    print(#"{"stage":"stored bytes","bytes":\#(payloads.reduce(0) { $0 + $1.count })}"#)
    try read(path, "csv, all 23 columns", clock: .now, fields: .all)
    try read(path, "csv, the 6 columns of the queries", clock: .now, fields: queryFields)
    try read(path, "csv, all 23 columns in order of start", clock: .start, fields: .all)
    try read(path, "csv, 6 columns in order of start", clock: .start, fields: queryFields)
} catch {
    fputs("\(error)\n", stderr)
    exit(1)
}
