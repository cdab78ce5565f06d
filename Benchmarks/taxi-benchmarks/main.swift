@preconcurrency import Glibc
import Kafka
import Problems
import Topics
import Time
import Trips

// Times single stages inside one process, which no command shows alone; Benchmarks/run calls it. Prints one JSON line a stage:
//     taxi-benchmarks FILE.csv
// Or the one that sends trips to librdkafka's mock cluster, for scripts/guard:
//     taxi-benchmarks --kafka FILE.csv

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
    _ path: String, _ stage: String, clock: EventClock, fields: TripFieldSet,
    each: (TripBatch) throws -> Void = { _ in }
) throws {
    let zone = try ZoneClock(identifier: "America/Chicago")
    let batch = TripBatch(capacity: 16384)
    let start = seconds()
    let source = try TripSource(paths: [path], options: TripSourceOptions(clock: clock, fields: fields, zone: zone))
    var rows = 0
    while try source.next(into: batch) {
        rows += batch.count
        try each(batch)
    }
    report(stage, rows: rows, seconds() - start)
}

func sendToKafka(_ path: String) throws {
    let mock = try KafkaMockCluster(brokers: 1)
    mock.createTopic("trips", partitions: 1)
    let writer = try KafkaTopicStore(mock.configuration, tenant: "").makeWriter()
    var pool = TripRecordsPool()
    try read(path, "csv to JSON on a mock cluster of Kafka", clock: .now, fields: .all) { batch in
        let records = pool.take()
        let rows = (0..<Int32(batch.count)).map { $0 }
        rows.withUnsafeBufferPointer { records.encode(batch, rows: $0, key: nil) }
        let times = UnsafeBufferPointer(start: batch.eventTimes, count: batch.count)
        let pending = PendingBatch(
            topic: "trips", partition: 0, count: batch.count, times: times.min()!...times.max()!, encoding: .records,
            payload: [], records: records)
        try writer.submit([pending], promptly: false)
    }
    try writer.flush()
}

guard CommandLine.arguments.count == 2 || CommandLine.arguments.count == 3 && CommandLine.arguments[1] == "--kafka"
else {
    fputs("usage: taxi-benchmarks [--kafka] FILE.csv\n", stderr)
    exit(64)
}
let path = CommandLine.arguments[CommandLine.arguments.count - 1]
let queryFields = TripFieldSet([.startTimestamp, .fare, .tips, .total, .pickupArea, .pickupLocation])
var encoder = TripColumnsEncoder()
var decoder = TripColumnsDecoder()
var payloads: [[UInt8]] = []
do {
    if CommandLine.arguments.count == 3 {
        try sendToKafka(path)
        exit(0)
    }
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
